package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// safePath is the search_path of every connection, whatever the database or the user has set. It finds only the
// system's functions, operators and tables; statements name tap25's with their schemas.
const safePath = "pg_catalog, pg_temp"

// ErrNoSchema is returned by [DB.Check] for a database that tap25 has not migrated.
var ErrNoSchema = errors.New("the database has no tap25 schema: run 'tap25 db migrate' with the same --db")

// ErrOlderSchema is returned by [DB.Check] for a database that an older tap25 has migrated.
var ErrOlderSchema = errors.New("the database's schema is older than this tap25: run 'tap25 db migrate' with the " +
	"same --db")

// DB is one connection to a database, for one goroutine at a time.
type DB struct {
	conn   *pgx.Conn
	server time.Time          // when the server was started that took the first rows of this connection: see relyOn
	signer *Signer            // signs what is loaded; nil: nobody
	asked  map[chainName]bool // whose links the server was asked for
	made   []time.Time        // days whose partitions makeDays has made last

	warnings []string
}

// maxWarnings bounds what is kept of a server that warns without end.
const maxWarnings = 100

// Warnings returns what the server has warned of on this connection, up to a hundred, and forgets it.
func (db *DB) Warnings() []string {
	w := db.warnings
	db.warnings = nil
	return w
}

func connect(ctx context.Context, cfg *pgx.ConnConfig) (*DB, error) {
	patient(cfg)
	// through a pooler, another client gets the session next, with its prepared statements
	if cfg.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
		cfg.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	cfg.RuntimeParams["application_name"] = "tap25"
	cfg.RuntimeParams["timezone"] = "UTC"
	if _, given := cfg.RuntimeParams["search_path"]; !given {
		cfg.RuntimeParams["search_path"] = safePath
	}
	db := new(DB)
	cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		if n.SeverityUnlocalized == "WARNING" && len(db.warnings) < maxWarnings {
			db.warnings = append(db.warnings, n.Message)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if refusesPath(err) {
		delete(cfg.RuntimeParams, "search_path")
		conn, err = pgx.ConnectConfig(ctx, cfg)
	}
	if err != nil {
		reason := strings.Join(strings.Fields(err.Error()), " ") // pgx gives a line for each address it tried
		hint := "; check that it runs and accepts this user" + tlsHint(reason)
		switch {
		case errors.Is(err, pgconn.ErrReadOnlyConnection):
			hint = "; a standby accepts no writes, nor does a read-only server"
		case errors.Is(err, syscall.EACCES):
			hint = "; only its directory's owner or group may reach the socket: check with 'id' that this session has " +
				"the group, which a new member gets at the next login"
		}
		return nil, &connectError{"connect to the database: " + reason + hint, err}
	}
	db.conn = conn
	return db, nil
}

// refusesPath reports whether a connection failed because of the search_path: a pooler may take no such parameter.
// Without it the path is that of the database and the user.
func refusesPath(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "08P01" && strings.Contains(e.Message, "search_path")
}

// connectError is the failure of a connection, in one line.
type connectError struct {
	text string
	err  error
}

func (e *connectError) Error() string { return e.text }

func (e *connectError) Unwrap() error { return e.err }

// closeWithin bounds how long the end of a connection waits for its server.
const closeWithin = 200 * time.Millisecond

// Close ends the connection. If a statement was broken off, Close waits a moment until the server has heard of that:
// else it could go on, and hold its locks, after this process has ended.
func (db *DB) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	db.conn.Close(ctx)
	select {
	case <-db.conn.PgConn().CleanupDone():
	case <-ctx.Done():
	}
}

// Conn returns the connection, for questions. Its search_path finds the system's objects alone: name tap25's with their
// schemas.
func (db *DB) Conn() *pgx.Conn { return db.conn }

// Check returns an error if the schema is not this program's, so that rows cannot be loaded: [ErrNoSchema],
// [ErrOlderSchema], or another for a schema that a newer tap25 has migrated.
func (db *DB) Check(ctx context.Context) error {
	have, want, err := db.Version(ctx)
	switch {
	case err != nil:
		return err
	case have == 0:
		return ErrNoSchema
	case have < want:
		return ErrOlderSchema
	case have > want:
		return newer(have, want)
	}
	return nil
}

var errNewerSchema = errors.New("use a newer tap25")

func newer(have, want int32) error {
	return fmt.Errorf("the database's schema has version %d, but this tap25 supports only %d: %w", have, want,
		errNewerSchema)
}
