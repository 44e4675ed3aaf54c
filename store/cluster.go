package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// oldestServer is the oldest PostgreSQL that tap25 runs.
const oldestServer = 15

// maxSocketDir leaves room for "/.s.PGSQL.5432" in the 107 octets of a unix socket's path.
const maxSocketDir = 90

// patience is how long Release waits for other users before it says so.
const patience = 3 * time.Second

// ErrOwned is a server that another tap25 has started for itself.
var ErrOwned = errors.New("the private cluster runs as part of another tap25 and stops with it: run 'tap25 db up' when that has ended")

// startTimeout bounds the start of a server, crash recovery included.
const startTimeout = 2 * time.Minute

// Cluster is tap25's private PostgreSQL: on a unix socket in its own directory, never on TCP, without a password.
type Cluster struct {
	dir   string // state directory
	bin   string
	uid   int // who runs the server: PostgreSQL refuses root
	gid   int
	name  string
	users *os.File // locked shared while this process uses the server

	// Waiting, if set, is called once when Release has to wait for other users of the server.
	Waiting func()

	server *exec.Cmd
	exited chan error
}

// StateDir is where the cluster lives: /var/lib/tap25 for root, else $XDG_STATE_HOME/tap25 or ~/.local/state/tap25.
func StateDir() (string, error) {
	if os.Geteuid() == 0 && os.Getenv("XDG_STATE_HOME") == "" {
		return "/var/lib/tap25", nil
	}
	if dir := os.Getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "tap25"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find the state directory: %w; set XDG_STATE_HOME", err)
	}
	return filepath.Join(home, ".local/state/tap25"), nil
}

// NewCluster finds the distribution's PostgreSQL for a cluster in the state directory dir. It starts nothing.
func NewCluster(dir string) (*Cluster, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	c := &Cluster{dir: dir, uid: os.Geteuid(), gid: os.Getegid()}
	if c.bin, err = findServer(); err != nil {
		return nil, err
	}
	u, err := user.Current()
	if c.uid == 0 {
		if u, err = user.Lookup("postgres"); err != nil {
			u, err = user.Lookup("nobody")
		}
		if err == nil {
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

// findServer returns the directory of the newest PostgreSQL that is new enough.
func findServer() (string, error) {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	version := func(dir string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
		return n
	}
	slices.SortFunc(dirs, func(a, b string) int { return version(b) - version(a) })
	for _, dir := range dirs {
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err == nil && version(dir) >= oldestServer {
			return dir, nil
		}
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		out, _ := exec.Command(path, "--version").Output()
		fields := strings.Fields(string(out))
		if len(fields) > 2 {
			major, _, _ := strings.Cut(fields[2], ".")
			if n, _ := strconv.Atoi(major); n >= oldestServer {
				path, err = filepath.EvalSymlinks(path)
				return filepath.Dir(path), err
			}
		}
	}
	return "", fmt.Errorf("no PostgreSQL server %d or newer is installed: apt-get install postgresql (or name a database with --db URL)", oldestServer)
}

func (c *Cluster) data() string { return filepath.Join(c.dir, "data") }

// socketDir is run in the state directory, or a directory of its own where that path is too long: for root below /run,
// where nobody else can put something in its place.
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

// DSN is how to reach the cluster.
func (c *Cluster) DSN() string {
	return "host=" + c.socketDir() + " user=" + c.name + " dbname=postgres"
}

// command prepares one of PostgreSQL's programs, run as the user that PostgreSQL accepts.
func (c *Cluster) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(c.bin, name), args...)
	cmd.Dir = "/"
	cmd.Env = []string{"LC_ALL=C.UTF-8", "PATH=/usr/bin:/bin", "TZ=UTC"}
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(c.uid), Gid: uint32(c.gid)}
	}
	return cmd
}

// prepare makes the directories and, the first time, the cluster itself: aside and then renamed, so that none is ever
// half made.
func (c *Cluster) prepare() error {
	parents := os.FileMode(0o700)
	if os.Geteuid() == 0 {
		parents = 0o755 // the server's user must get through
	}
	if err := os.MkdirAll(filepath.Dir(c.dir), parents); err != nil {
		return fmt.Errorf("make the state directory: %w", err)
	}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return fmt.Errorf("make the state directory: %w", err)
	}
	for _, dir := range []string{c.dir, c.socketDir()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make a directory of the cluster: %w", err)
		}
		if st, err := os.Lstat(dir); err != nil || !st.IsDir() || st.Mode().Perm() != 0o700 {
			return fmt.Errorf("the directory %s is not for its owner alone: chmod 700 it", dir)
		}
		if err := os.Lchown(dir, c.uid, c.gid); err != nil {
			return fmt.Errorf("make a directory of the cluster: %w", err)
		}
	}
	version, err := os.ReadFile(filepath.Join(c.data(), "PG_VERSION"))
	if err == nil {
		if have, want := strings.TrimSpace(string(version)), c.version(); want != "" && have != want {
			return fmt.Errorf("the cluster in %s was made by PostgreSQL %s, %s is installed: install postgresql-%s, or upgrade the cluster with pg_upgrade", c.dir, have, want, have)
		}
		return nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("read the cluster's version: %w", err)
	}
	return c.initdb()
}

func (c *Cluster) version() string {
	out, err := exec.Command(filepath.Join(c.bin, "postgres"), "--version").Output()
	if fields := strings.Fields(string(out)); err == nil && len(fields) > 2 {
		major, _, _ := strings.Cut(fields[2], ".")
		return major
	}
	return ""
}

func (c *Cluster) initdb() error {
	fresh := c.data() + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return fmt.Errorf("remove a cluster that was half made: %w", err)
	}
	out, err := c.command("initdb", "-D", fresh, "-U", c.name, "-E", "UTF8", "--locale=C.UTF-8", "-A", "peer", "--data-checksums").CombinedOutput()
	if err != nil {
		hint := ""
		if strings.Contains(string(out), "Permission denied") {
			hint = "; the user " + c.name + " must be able to enter every directory above it: chmod o+x those, or set XDG_STATE_HOME to another"
		}
		return fmt.Errorf("make the cluster in %s: initdb: %w: %s%s", c.dir, err, strings.TrimSpace(string(out)), hint)
	}
	files := map[string]string{
		"pg_hba.conf":   "local all all peer map=tap25\n",
		"pg_ident.conf": fmt.Sprintf("tap25 root %s\ntap25 %s %s\n", c.name, c.name, c.name),
	}
	for name, text := range files {
		path := filepath.Join(fresh, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return fmt.Errorf("configure the cluster: %w", err)
		}
	}
	if err := os.Rename(fresh, c.data()); err != nil {
		return fmt.Errorf("make the cluster: %w", err)
	}
	return nil
}

func (c *Cluster) settings() []string {
	return []string{"-D", c.data(), "-k", c.socketDir(), "-c", "listen_addresses=", "-c", "port=5432", "-c", "timezone=UTC",
		"-c", "log_timezone=UTC", "-c", "unix_socket_permissions=0700",
		"-c", "max_locks_per_transaction=512", // a question over all days locks each day and its indexes
		"-c", "jit=off", // which would compile a plan of hundreds of days, for seconds, to fetch one row
		"-c", "log_min_error_statement=panic",
		"-c", "log_error_verbosity=terse"} // neither statements nor rows in the log
}

// open opens a file in the state directory for writing. That is the server's user's, so a link in it is not followed.
func (c *Cluster) open(name string, flags int) (*os.File, error) {
	return os.OpenFile(filepath.Join(c.dir, name), os.O_CREATE|os.O_WRONLY|syscall.O_NOFOLLOW|flags, 0o600)
}

// lock takes a lock file in the state directory.
func (c *Cluster) lock(name string, how int) (*os.File, error) {
	f, err := c.open(name, 0)
	if err != nil {
		return nil, fmt.Errorf("open a lock of the cluster: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), how); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Use makes the cluster answer for as long as this process needs it, until Release: a server that runs already is
// shared; else one is started that ends with this process, even when it is killed. Called again, it starts a server in
// place of one that has died.
func (c *Cluster) Use(ctx context.Context) error { return c.begin(ctx, c.startChild) }

// Up starts a server that runs until Down. A server that ends with another tap25 is ErrOwned.
func (c *Cluster) Up(ctx context.Context) error {
	if err := c.begin(ctx, c.startDaemon); err != nil {
		return err
	}
	if !c.detached() {
		return errors.Join(ErrOwned, c.Release())
	}
	return nil
}

// detachedFile holds the process ID of the server that Up has started.
const detachedFile = "detached.pid"

// detached says whether the server that runs is one that Up has started.
func (c *Cluster) detached() bool {
	server, err := os.ReadFile(filepath.Join(c.data(), "postmaster.pid"))
	pid, _, _ := strings.Cut(string(server), "\n")
	up, upErr := os.ReadFile(filepath.Join(c.dir, detachedFile))
	return err == nil && upErr == nil && strings.TrimSpace(pid) == string(up)
}

func (c *Cluster) begin(ctx context.Context, start func() error) error {
	if err := c.prepare(); err != nil {
		return err
	}
	starting, err := c.lock("start.lock", syscall.LOCK_EX)
	if err != nil {
		return fmt.Errorf("lock the cluster: %w", err)
	}
	defer starting.Close()
	if c.users == nil {
		if c.users, err = c.lock("users.lock", syscall.LOCK_SH); err != nil {
			return fmt.Errorf("lock the cluster: %w", err)
		}
	}
	if c.answers(ctx) {
		return nil
	}
	if err := start(); err != nil {
		return err
	}
	return c.wait(ctx)
}

// Running says whether the cluster's server answers.
func (c *Cluster) Running(ctx context.Context) bool { return c.answers(ctx) }

func (c *Cluster) answers(ctx context.Context) bool {
	if _, err := os.Stat(filepath.Join(c.socketDir(), ".s.PGSQL.5432")); err != nil {
		return false
	}
	db, err := Open(ctx, c.DSN())
	if err != nil {
		return false
	}
	db.Close()
	return true
}

func (c *Cluster) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for !c.answers(ctx) {
		select {
		case err := <-c.exited:
			c.server = nil
			return fmt.Errorf("start PostgreSQL in %s: it ended (%v); its log is %s", c.dir, err, c.log())
		case <-ctx.Done():
			return fmt.Errorf("start PostgreSQL in %s: no answer; its log is %s", c.dir, c.log())
		case <-poll.C:
		}
	}
	return nil
}

func (c *Cluster) log() string { return filepath.Join(c.dir, "postgresql.log") }

// openLog begins the log anew when it has grown, keeping one older.
func (c *Cluster) openLog() (*os.File, error) {
	const limit = 8 << 20
	if st, err := os.Stat(c.log()); err == nil && st.Size() > limit {
		os.Rename(c.log(), c.log()+".1")
	}
	f, err := c.open(filepath.Base(c.log()), os.O_APPEND)
	if err != nil {
		return nil, fmt.Errorf("open PostgreSQL's log: %w", err)
	}
	return f, f.Chown(c.uid, c.gid)
}

// startChild starts the server so that it stops (fast shutdown) when this process dies. The parent-death signal follows
// the thread that forked, prctl(2), so that thread is kept for as long as the server runs.
func (c *Cluster) startChild() error {
	log, err := c.openLog()
	if err != nil {
		return err
	}
	cmd := c.command("postgres", c.settings()...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr.Pdeathsig = syscall.SIGINT
	cmd.SysProcAttr.Setpgid = true // Ctrl-C is for tap25, which stops the server when it is done
	started, exited := make(chan error), make(chan error, 1)
	c.exited = exited
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		defer log.Close()
		err := cmd.Start()
		started <- err
		if err == nil {
			exited <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	c.server = cmd
	return nil
}

// startDaemon starts the server on its own.
func (c *Cluster) startDaemon() error {
	log, err := c.openLog()
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := c.command("postgres", c.settings()...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr.Setsid = true
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	exited := make(chan error, 1) // not that of a server started later
	c.exited = exited
	go func() { exited <- cmd.Wait() }()
	f, err := c.open(detachedFile, os.O_TRUNC)
	if err == nil {
		_, err = fmt.Fprint(f, cmd.Process.Pid)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		cmd.Process.Signal(syscall.SIGINT)
		return fmt.Errorf("note the server's process: %w", err)
	}
	return nil
}

// Release ends this process's use. A server that it started is stopped once no other tap25 uses it; it waits for them.
func (c *Cluster) Release() error {
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
	if err := c.waitForUsers(); err != nil {
		return fmt.Errorf("wait for other users of the cluster: %w", err)
	}
	c.server.Process.Signal(syscall.SIGINT)
	<-c.exited
	return nil
}

// waitForUsers takes the lock that all users share. Its conversion gives the shared lock up, flock(2), so that two that
// end at once do not wait for each other.
func (c *Cluster) waitForUsers() error {
	if c.Waiting != nil {
		notice := time.AfterFunc(patience, c.Waiting)
		defer notice.Stop()
	}
	for {
		if err := syscall.Flock(int(c.users.Fd()), syscall.LOCK_EX); err != syscall.EINTR {
			return err
		}
	}
}

// Down stops the server that Up started; no error where none runs.
func (c *Cluster) Down() error {
	if _, err := os.Stat(filepath.Join(c.data(), "postmaster.pid")); err != nil {
		return nil
	}
	out, err := c.command("pg_ctl", "stop", "-D", c.data(), "-m", "fast", "-w").CombinedOutput()
	// A server that died without removing its file leaves nothing to stop.
	if err != nil && !strings.Contains(string(out), "no server running") && !strings.Contains(string(out), "No such process") {
		return fmt.Errorf("stop PostgreSQL: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
