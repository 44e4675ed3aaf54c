package cluster

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// oldestServer is the oldest PostgreSQL that tap25 runs.
const oldestServer = 15

// StateDir returns tap25's state directory: $XDG_STATE_HOME/tap25; without that variable, /var/lib/tap25 for root and
// ~/.local/state/tap25 for others. It is an error if neither the variable nor the home directory is known.
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

// MakeStateDir makes the state directory and returns its name. Directories above it that root makes can be entered by
// everybody, since the private cluster's server is another user's.
func MakeStateDir() (string, error) {
	dir, err := StateDir()
	if err == nil {
		err = makeStateDir(dir)
	}
	return dir, err
}

func makeStateDir(dir string) error {
	parents := os.FileMode(0o700)
	if os.Geteuid() == 0 {
		parents = 0o755
	}
	if err := errors.Join(os.MkdirAll(filepath.Dir(dir), parents), os.MkdirAll(dir, 0o700)); err != nil {
		return fmt.Errorf("make the state directory: %w", err)
	}
	return nil
}

// servers is where Debian and Ubuntu install PostgreSQL's programs, by major version.
const servers = "/usr/lib/postgresql/*/bin"

// findServer returns the directory of the PostgreSQL that made the cluster, or of the newest if that is not installed
// or there is no cluster.
func (c *Cluster) findServer(pattern string) (string, error) {
	dirs, _ := filepath.Glob(pattern)
	made, _ := os.ReadFile(filepath.Join(c.DataDir(), "PG_VERSION"))
	own, _ := strconv.Atoi(strings.TrimSpace(string(made)))
	version := func(dir string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
		return n
	}
	rank := func(dir string) int {
		if version(dir) == own {
			return math.MaxInt
		}
		return version(dir)
	}
	slices.SortFunc(dirs, func(a, b string) int { return cmp.Compare(rank(b), rank(a)) })
	for _, dir := range dirs {
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err == nil && version(dir) >= oldestServer {
			return dir, nil
		}
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		cmd := exec.Command(path, "--version")
		cmd.Env = []string{} // which may hold a password
		out, _ := cmd.Output()
		fields := strings.Fields(string(out))
		if len(fields) > 2 {
			major, _, _ := strings.Cut(fields[2], ".")
			if n, _ := strconv.Atoi(major); n >= oldestServer {
				path, err = filepath.EvalSymlinks(path)
				return filepath.Dir(path), err
			}
		}
	}
	return "", fmt.Errorf("no PostgreSQL server %d or newer is installed: apt-get install postgresql (or name a "+
		"database with --db URL)", oldestServer)
}

// makeDirs makes the directories.
func (c *Cluster) makeDirs() error {
	if err := makeStateDir(c.dir); err != nil {
		return err
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
	return nil
}

// makeData makes the cluster if there is none. It makes it in another directory and renames that, so that no cluster is
// ever half made. The caller holds start.lock.
func (c *Cluster) makeData(ctx context.Context) error {
	_, err := c.madeBy()
	if errors.Is(err, os.ErrNotExist) {
		return c.initdb(ctx)
	}
	return err
}

// madeBy returns the major version of PostgreSQL that made the cluster.
func (c *Cluster) madeBy() (string, error) {
	version, err := os.ReadFile(filepath.Join(c.DataDir(), "PG_VERSION"))
	if err != nil {
		return "", fmt.Errorf("read the cluster's version: %w", err)
	}
	return strings.TrimSpace(string(version)), nil
}

// checkVersion returns an error if the PostgreSQL that is installed cannot run the cluster. It runs a program to find
// out, so only a start calls it, not each connection.
func (c *Cluster) checkVersion() error {
	have, err := c.madeBy()
	if want := c.version(); err == nil && want != "" && have != want {
		err = fmt.Errorf("the cluster in %s was made by PostgreSQL %s, %s is installed: install postgresql-%s, or "+
			"upgrade the cluster with pg_upgrade", c.dir, have, want, have)
	}
	return err
}

func (c *Cluster) version() string {
	out, err := c.Command("postgres", "--version").Output()
	if fields := strings.Fields(string(out)); err == nil && len(fields) > 2 {
		major, _, _ := strings.Cut(fields[2], ".")
		return major
	}
	return ""
}

// initdb is stopped if ctx ends.
func (c *Cluster) initdb(ctx context.Context) error {
	fresh := c.DataDir() + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return fmt.Errorf("remove a cluster that was half made: %w", err)
	}
	cmd := c.Command("initdb", "-D", fresh, "-U", c.name, "-E", "UTF8", "--locale=C.UTF-8", "-A", "peer",
		"--data-checksums")
	cmd.SysProcAttr.Setpgid = true // with the server that it runs
	out, err := output(ctx, cmd)
	if ctx.Err() != nil {
		return fmt.Errorf("make the cluster in %s: %w", c.dir, context.Cause(ctx))
	}
	if err != nil {
		hint := ""
		if strings.Contains(string(out), "Permission denied") {
			hint = "; the user " + c.name +
				" must be able to enter every directory above it: chmod o+x those, or set XDG_STATE_HOME to another"
		}
		return fmt.Errorf("make the cluster in %s: initdb: %w: %s%s", c.dir, err, strings.TrimSpace(string(out)), hint)
	}
	if err := os.Rename(fresh, c.DataDir()); err != nil {
		return fmt.Errorf("make the cluster: %w", err)
	}
	return nil
}

// output runs a command that leads a process group of its own, and kills the group when ctx ends.
func output(ctx context.Context, cmd *exec.Cmd) ([]byte, error) {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	defer stop()
	err := cmd.Wait()
	return out.Bytes(), err
}

func (c *Cluster) settings() []string {
	sockets := c.socketDir()
	if dir, err := c.Shared(); err != nil {
		if c.Unshared != nil {
			c.Unshared(err)
		}
	} else if dir != "" {
		sockets += "," + dir
	}
	settings := []string{"-D", c.DataDir(), "-k", sockets, "-c", "listen_addresses=", "-c", "port=5432", "-c",
		"timezone=UTC",
		"-c", "log_timezone=UTC",
		"-c", "unix_socket_permissions=0770", // the directories bound who reaches it
		// who connected, as the kernel names them, and when they left: in a log of the system's too
		"-c", "log_connections=on", "-c", "log_disconnections=on",
		"-c", "log_destination=stderr,syslog", "-c", "syslog_ident=tap25-postgresql",
		"-c", "max_locks_per_transaction=512", // a question over all days locks each day and its indexes
		"-c", "jit=off", // which would compile a plan of hundreds of days, for seconds, to fetch one row
		// after each checkpoint an index page is written whole when it is touched: with 1 GB, by most rows
		"-c", "max_wal_size=4GB",
		"-c", "log_min_error_statement=panic",
		"-c", "log_error_verbosity=terse", // neither statements nor rows in the log
		// nor errors, which quote the value that a cast fails on; what tap25 logs of accesses stays
		"-c", "log_min_messages=log"}
	if n := sharedBuffers(c.Memory); n > 0 {
		settings = append(settings, "-c", fmt.Sprintf("shared_buffers=%dMB", n>>20))
	}
	return settings
}

// The bounds of shared_buffers: PostgreSQL's default, and what holds the index pages of a day of 12,000,000 rows.
const (
	leastBuffers = 128 << 20
	mostBuffers  = 1 << 30
)

// sharedBuffers is a quarter of the memory (PostgreSQL's manual, "Resource Consumption"), within the bounds; 0: the
// default.
func sharedBuffers(memory uint64) uint64 {
	if n := min(memory/4, mostBuffers); n > leastBuffers {
		return n
	}
	return 0
}

// open opens a file in the state directory for writing. The directory belongs to the server's user, so no link in it is
// followed.
func (c *Cluster) open(name string, flags int) (*os.File, error) {
	return os.OpenFile(filepath.Join(c.dir, name), os.O_CREATE|os.O_WRONLY|syscall.O_NOFOLLOW|flags, 0o600)
}
