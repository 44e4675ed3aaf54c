package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// startTimeout bounds the start of a server, crash recovery included.
const startTimeout = 2 * time.Minute

// answerTimeout bounds how long a server that has taken a connection may be silent.
const answerTimeout = 10 * time.Second

// dying is how long a killed server may still use its directory: it kills its children after 5 s
// (PostgreSQL, SIGKILL_CHILDREN_AFTER_SECS).
const dying = 10 * time.Second

// errEnded and errNoAnswer mean that a server ended, or did not answer, while tap25 waited for it to answer.
var errEnded, errNoAnswer = errors.New("it ended"), errors.New("no answer")

// MayCome reports whether a server that could not be used may be up later, without anybody changing its settings: it
// needs time to recover, lacks room on its disk, or another tap25 is starting it.
func MayCome(err error) bool {
	return errors.Is(err, errEnded) || errors.Is(err, errNoAnswer) || errors.Is(err, context.DeadlineExceeded)
}

// detachedFile holds the process ID of the server that Up has started.
const detachedFile = "detached.pid"

// detached reports whether the server that runs is one that Up has started.
func (c *Cluster) detached() bool {
	server, err := os.ReadFile(filepath.Join(c.DataDir(), "postmaster.pid"))
	pid, _, _ := strings.Cut(string(server), "\n")
	up, upErr := os.ReadFile(filepath.Join(c.dir, detachedFile))
	return err == nil && upErr == nil && strings.TrimSpace(pid) == string(up)
}

// Running reports whether the cluster's server answers.
func (c *Cluster) Running(ctx context.Context) bool { return c.answers(ctx) }

func (c *Cluster) answers(ctx context.Context) bool {
	if _, err := os.Stat(filepath.Join(c.socketDir(), ".s.PGSQL.5432")); err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	conn, err := pgconn.Connect(ctx, c.DSN())
	if err != nil {
		return false
	}
	conn.Close(ctx)
	return true
}

// startAndWait starts a server until it answers: again while one that was killed may keep its directory from it, or if
// it is killed itself.
func (c *Cluster) startAndWait(ctx context.Context, start func() error) error {
	for begun := time.Now(); ; {
		if c.server == nil { // else that of a start that was given up, which may need longer to recover
			if err := start(); err != nil {
				return err
			}
		}
		err := c.wait(ctx)
		if !errors.Is(err, errEnded) || time.Since(begun) > dying {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(200 * time.Millisecond):
		}
	}
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
			return fmt.Errorf("start PostgreSQL in %s: %w (%v); its log is %s", c.dir, errEnded, err, c.LogFile())
		case <-ctx.Done():
			return fmt.Errorf("start PostgreSQL in %s: %w; its log is %s", c.dir, errNoAnswer, c.LogFile())
		case <-poll.C:
		}
	}
	return nil
}

// LogFile returns the path of the server's log. The text of statements is not in it.
func (c *Cluster) LogFile() string { return filepath.Join(c.dir, "postgresql.log") }

// openLog opens the server's log. If it has grown large, it is renamed first; one older log is kept.
func (c *Cluster) openLog() (*os.File, error) {
	const limit = 8 << 20
	if st, err := os.Stat(c.LogFile()); err == nil && st.Size() > limit {
		os.Rename(c.LogFile(), c.LogFile()+".1")
	}
	f, err := c.open(filepath.Base(c.LogFile()), os.O_APPEND)
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
	cmd := c.Command("postgres", c.settings()...)
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
	cmd := c.Command("postgres", c.settings()...)
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

// reload makes a server that runs read who may connect.
func (c *Cluster) reload() error {
	out, err := c.Command("pg_ctl", "reload", "-D", c.DataDir()).CombinedOutput()
	if err != nil {
		return fmt.Errorf("reload PostgreSQL's configuration: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// Down stops the server, whoever started it, with a fast shutdown that ends its sessions. It is no error if none runs.
func (c *Cluster) Down() error {
	if _, err := os.Stat(filepath.Join(c.DataDir(), "postmaster.pid")); err != nil {
		return nil
	}
	out, err := c.Command("pg_ctl", "stop", "-D", c.DataDir(), "-m", "fast", "-w").CombinedOutput()
	// A server that died without removing its file leaves nothing to stop.
	if err != nil && !strings.Contains(string(out), "no server running") &&
		!strings.Contains(string(out), "No such process") {
		return fmt.Errorf("stop PostgreSQL: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
