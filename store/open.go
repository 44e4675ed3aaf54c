package store

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sys/unix"
)

const (
	// connectTimeout bounds how long a server that does not answer is waited for, if the connection string has no
	// connect_timeout; hostTimeout, if it is one of several addresses.
	connectTimeout = 10 * time.Second
	hostTimeout    = 5 * time.Second

	// connectWithin bounds all of a connect, whatever number of addresses there are.
	connectWithin = time.Minute

	// deadAfter is when a connection is given up whose server does not acknowledge what was sent (tcp(7),
	// TCP_USER_TIMEOUT): a machine that lost its power sends no reset. It bounds the kernel's probes of an idle
	// connection too.
	deadAfter = 30 * time.Second
)

// Open connects to a PostgreSQL URL or keyword string, made secure by [SecureDSN]. Of several hosts it wants one that
// takes writes, unless target_session_attrs says otherwise; of several addresses of one host it prefers such. It does
// not look at the schema: see [DB.Check]. The error is one line and names no password; [Hopeless] and [Passes] tell
// whether to wait.
func Open(ctx context.Context, dsn string) (*DB, error) {
	cfg, implied, err := parse(dsn)
	if err != nil {
		return nil, err
	}
	if !implied {
		return connect(ctx, cfg)
	}
	return preferWritable(ctx, cfg)
}

// CheckDSN returns an error for a connection string that cannot be parsed. It connects to nothing.
func CheckDSN(dsn string) error {
	if dsn == Local {
		return nil
	}
	_, _, err := parse(dsn)
	return err
}

// preferWritable connects to a server that takes writes; to another only if one host is named and none of its addresses
// has such.
func preferWritable(ctx context.Context, cfg *pgx.ConnConfig) (*DB, error) {
	cfg.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	db, err := connect(ctx, cfg)
	if !severalHosts(&cfg.Config) && errors.Is(err, pgconn.ErrReadOnlyConnection) {
		cfg.ValidateConnect = nil
		return connect(ctx, cfg)
	}
	return db, err
}

// OpenWritable is [Open] for loading: it connects to no standby, unless target_session_attrs asks for one. If there are
// only standbys, the error is pgconn.ErrReadOnlyConnection.
func OpenWritable(ctx context.Context, dsn string) (*DB, error) {
	cfg, _, err := parse(dsn)
	if err != nil {
		return nil, err
	}
	if cfg.ValidateConnect == nil {
		cfg.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	return connect(ctx, cfg)
}

// parse reads a connection string; implied is true if nothing sets which of several servers is wanted.
func parse(dsn string) (cfg *pgx.ConnConfig, implied bool, err error) {
	dsn = SecureDSN(dsn)
	if cfg, err = pgx.ParseConfig(dsn); err != nil {
		return nil, false, errors.New("the database URL cannot be parsed: write postgres://user@host:port/database, " +
			"and put the password into ~/.pgpass or PGPASSWORD")
	}
	return cfg, cfg.ValidateConnect == nil && !targetGiven(dsn), nil
}

// patient bounds the time of each attempt to connect, and makes a connection notice that its server is silent.
func patient(cfg *pgx.ConnConfig) {
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = connectTimeout
		if severalHosts(&cfg.Config) {
			cfg.ConnectTimeout = hostTimeout
		}
	}
	d := net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 4},
		Control: func(network, _ string, c syscall.RawConn) (err error) {
			if !strings.HasPrefix(network, "tcp") {
				return nil
			}
			controlErr := c.Control(func(fd uintptr) {
				err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT,
					int(deadAfter.Milliseconds()))
			})
			return errors.Join(controlErr, err)
		},
	}
	cfg.DialFunc = d.DialContext
}
