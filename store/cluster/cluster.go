// Package cluster runs tap25's private PostgreSQL: it makes the cluster with initdb, and starts and stops the server,
// which all tap25 of a user use.
//
// The server listens only on a unix socket in its own directory, and in another if [Cluster.Share] has stored one.
// [Cluster.Use] starts it for as long as one of the processes that use it runs: it ends with the process that has
// started it, after the others have released it. [Cluster.Up] leaves it running. Two locks in the state directory order
// this: start.lock, held over a start, and users.lock, which each user holds. The package knows no schema: package
// store opens and migrates the database.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// maxSocketDir leaves room for "/.s.PGSQL.5432" in the 107 octets of a unix socket's path.
const maxSocketDir = 90

const (
	// patience is how long Release waits for other users before it calls Waiting.
	patience = 3 * time.Second

	// lockEvery is how often a lock that others hold is tried.
	lockEvery = 10 * time.Millisecond

	// stopWithin is how long Release waits for the server to stop after its context has ended. A fast shutdown of an
	// idle server takes about a tenth of a second.
	stopWithin = 300 * time.Millisecond
)

// ErrOwned is returned by [Cluster.Up] if another tap25 has started the server for itself, and stops it at its end.
var ErrOwned = errors.New("the private cluster runs as part of another tap25 and stops with it: run 'tap25 db up' " +
	"when that has ended")

// Cluster is a private PostgreSQL: on unix sockets, never on TCP, without a password. Use, Up and Release are for one
// goroutine at a time, the other methods for any.
type Cluster struct {
	dir   string // state directory
	bin   string
	uid   int // who runs the server: PostgreSQL refuses root
	gid   int
	name  string
	users *os.File // locked shared while this process uses the server

	// Memory is how many bytes the machine can spare, such as AvailableMemory; a server that is started gets a quarter
	// of them at most. 0: not known.
	Memory uint64

	// Waiting, if set, is called once when Release has to wait for other users of the server.
	Waiting func()
	// Unshared, if set, is called when a server is started without the socket that [Cluster.Share] has stored.
	Unshared func(reason error)

	server *exec.Cmd
	exited chan error
}

// New finds the distribution's PostgreSQL for a cluster in the state directory dir, see [StateDir]: the version that
// made the cluster if it is installed, else the newest. It starts and makes nothing. The error names what to install if
// there is no PostgreSQL 15 or newer.
func New(dir string) (*Cluster, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	c := &Cluster{dir: dir, uid: os.Geteuid(), gid: os.Getegid()}
	if c.bin, err = c.findServer(servers); err != nil {
		return nil, err
	}
	u, err := user.Current()
	if c.uid == 0 {
		if u, err = c.serverUser(); err == nil {
			c.uid, _ = strconv.Atoi(u.Uid)
			c.gid, _ = strconv.Atoi(u.Gid)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("find the user to run PostgreSQL: %w", err)
	}
	c.name = u.Username
	return c, nil
}

// serverUser returns who runs the server if root does not: the owner of the cluster or the state directory if there is
// one, such as the service's.
func (c *Cluster) serverUser() (*user.User, error) {
	for _, dir := range []string{c.DataDir(), c.dir} {
		if st, err := os.Lstat(dir); err == nil && st.Sys().(*syscall.Stat_t).Uid != 0 {
			return user.LookupId(fmt.Sprint(st.Sys().(*syscall.Stat_t).Uid))
		}
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	return u, err
}

// DataDir returns the path of the data directory.
func (c *Cluster) DataDir() string { return filepath.Join(c.dir, "data") }

// Made reports whether there is a cluster, running or not.
func (c *Cluster) Made() bool {
	_, err := os.Stat(filepath.Join(c.DataDir(), "PG_VERSION"))
	return !errors.Is(err, os.ErrNotExist)
}

// socketDir is run in the state directory, or a directory of its own if that path is too long: for root below /run,
// where no other user can replace it.
func (c *Cluster) socketDir() string {
	if dir := filepath.Join(c.dir, "run"); len(dir) <= maxSocketDir {
		return dir
	}
	var st syscall.Stat_t
	syscall.Stat(c.dir, &st)
	base := "/tmp"
	if os.Geteuid() == 0 {
		base = "/run"
	}
	return fmt.Sprintf("%s/tap25-%d-%d", base, c.uid, st.Ino)
}

// DSN returns the connection string of the cluster.
func (c *Cluster) DSN() string {
	return "host=" + c.socketDir() + " user=" + c.name + " dbname=postgres"
}

// Command prepares one of PostgreSQL's programs, such as pg_ctl, to run as the user that PostgreSQL accepts: never
// root.
func (c *Cluster) Command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(c.bin, name), args...)
	cmd.Dir = "/"
	cmd.Env = []string{"LC_ALL=C.UTF-8", "PATH=/usr/bin:/bin", "TZ=UTC"}
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(c.uid), Gid: uint32(c.gid)}
	}
	return cmd
}

// lock takes a lock file in the state directory, and waits for it until ctx ends.
func (c *Cluster) lock(ctx context.Context, name string, how int) (*os.File, error) {
	f, err := c.open(name, 0)
	if err != nil {
		return nil, fmt.Errorf("open a lock of the cluster: %w", err)
	}
	if err := flock(ctx, f, how); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// flock takes a lock, and tries again until ctx ends while others hold it: a call of flock(2) that waits would not end
// with ctx.
func flock(ctx context.Context, f *os.File, how int) error {
	for {
		err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		if err != syscall.EWOULDBLOCK && err != syscall.EINTR {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(lockEvery):
		}
	}
}

// Use makes the cluster answer for as long as this process needs it, until [Cluster.Release]: a server that runs
// already is used; else one is started that ends with this process, even if it is killed. The cluster is made the
// first time. Called again, Use starts a server in place of one that has died. An error of the start names the server's
// log.
func (c *Cluster) Use(ctx context.Context) error { return c.begin(ctx, c.startChild) }

// Up starts a server that runs until [Cluster.Down]. The error is [ErrOwned] if one runs that ends with another tap25.
// After success this process is a user too, until [Cluster.Release].
func (c *Cluster) Up(ctx context.Context) error {
	if err := c.begin(ctx, c.startDaemon); err != nil {
		return err
	}
	if !c.detached() {
		return errors.Join(ErrOwned, c.Release(ctx))
	}
	return nil
}

func (c *Cluster) begin(ctx context.Context, start func() error) error {
	if err := c.makeDirs(); err != nil {
		return err
	}
	starting, err := c.lock(ctx, "start.lock", syscall.LOCK_EX)
	if err != nil {
		return fmt.Errorf("lock the cluster: %w", err)
	}
	defer starting.Close()
	if err := c.makeData(ctx); err != nil {
		return err
	}
	reload, err := c.writeAccess()
	if err != nil {
		return err
	}
	if c.users == nil {
		if c.users, err = c.lock(ctx, "users.lock", syscall.LOCK_SH); err != nil {
			return fmt.Errorf("lock the cluster: %w", err)
		}
	}
	if c.answers(ctx) {
		if reload {
			return c.reload()
		}
		return nil
	}
	if err := c.checkVersion(); err != nil {
		return err
	}
	return c.startAndWait(ctx, start)
}

// Release ends this process's use. If this process has started the server by [Cluster.Use], Release waits until no
// other tap25 uses it, and stops it; Waiting is called if that takes more than three seconds. Once ctx has ended,
// Release does not wait for others: it stops the server at once, and after 0.3 seconds leaves the rest of the shutdown
// to the server. Others then start a server of their own by [Cluster.Use], which waits for the end of this one.
func (c *Cluster) Release(ctx context.Context) error {
	if c.users == nil {
		return nil
	}
	defer func() {
		c.users.Close()
		c.users, c.server = nil, nil
	}()
	if c.server == nil {
		return nil
	}
	if err := c.waitForUsers(ctx); err != nil && ctx.Err() == nil {
		return fmt.Errorf("wait for other users of the cluster: %w", err)
	}
	c.server.Process.Signal(syscall.SIGINT)
	select {
	case <-c.exited:
		return nil
	case <-ctx.Done():
	}
	select {
	case <-c.exited:
	case <-time.After(stopWithin):
	}
	return nil
}

// waitForUsers takes the lock that all users share. Its conversion gives the shared lock up, flock(2), so that two that
// end at once do not wait for each other.
func (c *Cluster) waitForUsers(ctx context.Context) error {
	if c.Waiting != nil {
		notice := time.AfterFunc(patience, c.Waiting)
		defer notice.Stop()
	}
	return flock(ctx, c.users, syscall.LOCK_EX)
}
