// Package storetest gives tests a PostgreSQL server and databases of their own.
//
// All tests of a binary share one private cluster, which the first of them starts; [Run] stops it. If no PostgreSQL is
// installed, the tests that need it are skipped; they fail if TAP25_TEST_REQUIRE names postgres.
package storetest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"tap25/capture/capturetest"
	"tap25/store/cluster"
)

// shared is the cluster of this binary's tests; the error says why there is none.
var shared = sync.OnceValues(func() (*cluster.Cluster, error) {
	dir, err := makeDir()
	if err != nil {
		return nil, err
	}
	c, err := cluster.New(filepath.Join(dir, "state"))
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	sharedDir, started = dir, c
	c.Memory = 4 << 30 // what a tap25 on a machine with that or more gives it
	if err := c.Use(context.Background()); err != nil {
		return c, err
	}
	return c, unsynced(c.DSN())
})

// The shared cluster and its directory, once a test has asked for them.
var (
	started   *cluster.Cluster
	sharedDir string
)

// atEnd is what [Run] does after the tests.
var atEnd []func()

// Run runs the tests of a TestMain, stops the shared cluster, and returns the exit status. The state directory is one
// of the tests' own.
func Run(m *testing.M) int {
	home, err := makeDir()
	if err == nil {
		defer os.RemoveAll(home)
		err = os.Setenv("XDG_STATE_HOME", home)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	status := m.Run()
	if started != nil {
		started.Release(context.Background())
		os.RemoveAll(sharedDir)
	}
	for _, f := range atEnd {
		f()
	}
	return status
}

// Need skips the test, or fails it, if there is an error, which says why PostgreSQL is missing: see
// [capturetest.Missing].
func Need(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		capturetest.Missing(t, "postgres", err.Error())
	}
}

// Dir makes a directory that the server's user can enter, with a path short enough for a socket. It is removed after
// the test.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := makeDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func makeDir() (string, error) {
	dir, err := os.MkdirTemp(base(), "tap25-test-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755)
}

// base returns where directories are made: in memory if there is plenty of it, because tests of the database would
// otherwise spend most of their time waiting for a disk.
func base() string {
	const (
		memory = "/dev/shm"
		room   = 3 << 30
		noexec = 8 // ST_NOEXEC, statvfs(3)
	)
	var s syscall.Statfs_t
	if err := syscall.Statfs(memory, &s); err != nil || s.Flags&noexec != 0 || s.Bavail*uint64(s.Bsize) < room ||
		cluster.AvailableMemory() < room {
		return "/tmp"
	}
	return memory
}

// StateHome makes a state directory ([cluster.StateDir]) for the test, so that the private cluster is the test's own,
// and returns its parent. No cluster is started.
func StateHome(t testing.TB) string {
	t.Helper()
	dir := Dir(t)
	_, err := cluster.New(dir)
	Need(t, err)
	t.Setenv("XDG_STATE_HOME", dir)
	t.Setenv("DATABASE_URL", "")
	return dir
}

// Cluster returns the shared cluster, which runs.
func Cluster(t testing.TB) *cluster.Cluster {
	t.Helper()
	c, err := shared()
	Need(t, err)
	return c
}

// NewCluster returns a cluster of the test's own in a directory of its own, not started.
func NewCluster(t testing.TB) *cluster.Cluster {
	t.Helper()
	c, err := cluster.New(filepath.Join(Dir(t), "state"))
	Need(t, err)
	return c
}

// Database makes an empty database in the shared cluster and returns its name. After a call of [Citus] it makes a copy
// of the database that was prepared there.
func Database(t testing.TB) (name string) {
	t.Helper()
	if isCitus() {
		return citusDatabase(t)
	}
	return create(t, "template1")
}

func create(t testing.TB, template string) (name string) {
	t.Helper()
	name = fmt.Sprintf("test_%d", time.Now().UnixNano())
	dsn := Cluster(t).DSN()
	if err := execute(dsn, "create database "+name+" template "+template); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = execute(dsn, "drop database "+name+" with (force)") })
	return name
}

// execute executes statements one after the other, each in a transaction of its own.
func execute(dsn string, statements ...string) error {
	conn, err := pgconn.Connect(context.Background(), dsn)
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	for _, sql := range statements {
		if _, err := conn.Exec(context.Background(), sql).ReadAll(); err != nil {
			return err
		}
	}
	return nil
}

// unsynced turns off fsync: tests kill servers, which loses nothing in the kernel's page cache.
func unsynced(dsn string) error {
	return execute(dsn, "alter system set fsync = off", "select pg_reload_conf()")
}

// DSN names a database of the shared cluster, or after [Citus] of the coordinator.
func DSN(t testing.TB, name string) string {
	t.Helper()
	if isCitus() {
		return citusNodes(t)[0].dsn(t, name)
	}
	return named(Cluster(t), name)
}

func named(c *cluster.Cluster, name string) string {
	return strings.Replace(c.DSN(), "dbname=postgres", "dbname="+name, 1)
}

// Address returns the socket's directory and the user of a cluster.
func Address(t testing.TB, c *cluster.Cluster) (host, user string) {
	t.Helper()
	cfg, err := pgconn.ParseConfig(c.DSN())
	if err != nil {
		t.Fatal(err)
	}
	return cfg.Host, cfg.User
}
