package cluster_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"tap25/capture/capturetest"
	"tap25/store/cluster"
	"tap25/store/storetest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("TAP25_TEST_VICTIM"); dir != "" {
		victim(dir)
	}
	os.Exit(storetest.Run(m))
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		capturetest.Missing(t, "root", "only root can connect as other users")
	}
}

// victim uses a cluster until it is killed.
func victim(dir string) {
	c, err := cluster.New(dir)
	if err == nil {
		err = c.Use(context.Background())
	}
	fmt.Println("up", err)
	select {}
}

// await waits until something is so.
func await(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not come to that")
		}
	}
}

func TestCluster_ServerEndsWithAKilledTap25(t *testing.T) {
	state := storetest.NewCluster(t).StateDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "TAP25_TEST_VICTIM="+state)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	if line != "up <nil>\n" {
		t.Fatalf("victim says %q", line)
	}
	pid, err := os.ReadFile(filepath.Join(state, "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	var server int
	fmt.Sscan(string(pid), &server)
	cmd.Process.Kill()
	cmd.Wait()
	for deadline := time.Now().Add(30 * time.Second); ; {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", server))
		if err != nil || strings.Contains(string(status), ") Z ") {
			break
		}
		if time.Now().After(deadline) {
			syscall.Kill(server, syscall.SIGKILL)
			t.Fatal("the server outlived the tap25 that started it")
		}
		time.Sleep(20 * time.Millisecond)
	}
	// What it leaves starts again.
	c, err := cluster.New(state)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Use(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Release(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestCluster_SecondUserSharesTheServer(t *testing.T) {
	c := storetest.Cluster(t)
	second, err := cluster.New(c.StateDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Use(t.Context()); err != nil {
		t.Fatal(err)
	}
	if second.Starts() {
		t.Error("a second server was started")
	}
	if err := second.Release(t.Context()); err != nil {
		t.Error(err)
	}
	if err := second.Up(t.Context()); !errors.Is(err, cluster.ErrOwned) {
		t.Errorf("up beside a server that will stop: %v", err)
	}
	if !c.Running(t.Context()) {
		t.Error("the first user's server is gone")
	}
}

// TestCluster_VersionIsAskedForByAStartAlone: each connection to a private cluster uses it, and asking takes a process.
func TestCluster_VersionIsAskedForByAStartAlone(t *testing.T) {
	newer := t.TempDir()
	if err := os.Chmod(filepath.Dir(newer), 0o755); err != nil { // for the server's user
		t.Fatal(err)
	}
	script := "#!/bin/sh\necho 'postgres (PostgreSQL) 99.1'\n"
	if err := os.WriteFile(filepath.Join(newer, "postgres"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	second, err := cluster.New(storetest.Cluster(t).StateDir())
	if err != nil {
		t.Fatal(err)
	}
	second.SetServer(newer)
	if err := second.Use(t.Context()); err != nil {
		t.Errorf("beside a server that runs: %v", err)
	}
	if err := second.Release(t.Context()); err != nil {
		t.Error(err)
	}
	stopped := storetest.NewCluster(t)
	if err := os.MkdirAll(stopped.DataDir(), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(stopped.DataDir(), "PG_VERSION"), []byte("15\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	stopped.SetServer(newer)
	if err := stopped.Use(t.Context()); err == nil || !strings.Contains(err.Error(), "PostgreSQL 15, 99 is") {
		t.Errorf("a start by another version: %v", err)
	}
}

func TestCluster_ServerGetsAShareOfTheMemory(t *testing.T) {
	for memory, want := range map[uint64]uint64{0: 0, 512 << 20: 0, 1 << 30: 256 << 20, 4 << 30: 1 << 30,
		1 << 40: 1 << 30} {
		if got := cluster.SharedBuffers(memory); got != want {
			t.Errorf("of %d MiB: %d MiB, want %d", memory>>20, got>>20, want>>20)
		}
	}
	conn, err := pgconn.Connect(t.Context(), storetest.Cluster(t).DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	r := conn.ExecParams(t.Context(), "show shared_buffers", nil, nil, nil, nil).Read()
	if r.Err != nil || string(r.Rows[0][0]) != "1GB" {
		t.Errorf("shared_buffers of the server: %s, %v", r.Rows, r.Err)
	}
}

func TestCluster_UpRunsUntilDown(t *testing.T) {
	dir := filepath.Dir(storetest.NewCluster(t).StateDir())
	// The parent is missing still, and the path is too long for a socket.
	state := filepath.Join(dir, "parent", strings.Repeat("long", 25))
	fresh := func() *cluster.Cluster {
		c, err := cluster.New(state)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := fresh()
	t.Cleanup(func() {
		c.Down()
		os.RemoveAll(c.SocketDir())
	})
	for range 2 { // the second time it runs already
		c := fresh()
		if err := c.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := c.Release(t.Context()); err != nil {
			t.Error(err)
		}
	}
	user := fresh()
	if err := user.Use(t.Context()); err != nil || user.Starts() {
		t.Errorf("use: %v; a server of its own: %v", err, user.Starts())
	}
	if err := user.Release(t.Context()); err != nil || !c.Running(t.Context()) {
		t.Errorf("release: %v; running: %v", err, c.Running(t.Context()))
	}
	for range 2 { // the second time there is nothing to stop
		if err := c.Down(); err != nil || c.Running(t.Context()) {
			t.Errorf("down: %v; running: %v", err, c.Running(t.Context()))
		}
	}
}

// TestCluster_WaitsForADyingServer starts one in the place of another that answers no more and still keeps its
// directory.
func TestCluster_WaitsForADyingServer(t *testing.T) {
	old := storetest.NewCluster(t)
	if err := errors.Join(old.Up(t.Context()), old.Release(t.Context())); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(old.SocketDir(), ".s.PGSQL.5432")); err != nil {
		t.Fatal(err)
	}
	c, _ := cluster.New(old.StateDir())
	began := make(chan error)
	go func() { began <- c.Use(t.Context()) }()
	lock := "lock file \"postmaster.pid\" already exists"
	await(t, func() bool {
		log, _ := os.ReadFile(old.LogFile())
		return strings.Contains(string(log), lock)
	})
	if err := old.Down(); err != nil {
		t.Error(err)
	}
	if err := <-began; err != nil || !c.Starts() {
		t.Errorf("%v; a server of its own: %v", err, c.Starts())
	}
	if err := c.Release(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestCluster_OwnerWaitsForOtherUsersAndSaysSo(t *testing.T) {
	owner := storetest.NewCluster(t)
	other, _ := cluster.New(owner.StateDir())
	said := make(chan bool, 1)
	owner.Waiting = func() { said <- true }
	for _, c := range []*cluster.Cluster{owner, other} {
		if err := c.Use(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ended := make(chan error)
	go func() { ended <- owner.Release(t.Context()) }()
	select {
	case <-said:
	case err := <-ended:
		t.Fatalf("the server was stopped under another user: %v", err)
	}
	if !other.Running(t.Context()) {
		t.Error("the server was stopped under another user")
	}
	if err := other.Release(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil || other.Running(t.Context()) {
		t.Errorf("release: %v; running: %v", err, other.Running(t.Context()))
	}
}

// A signal does not wait for initdb, for the lock of another start, or for other users.
func TestCluster_EndOfTheContextEndsEveryWait(t *testing.T) {
	c := storetest.NewCluster(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Use(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("made: %v", err)
	}
	if _, err := os.Stat(c.DataDir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a cluster was made after the end: %v", err)
	}
	other, _ := cluster.New(c.StateDir())
	for _, user := range []*cluster.Cluster{c, other} {
		if err := user.Use(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Release(ended); err != nil {
		t.Errorf("released beside another user: %v", err)
	}
	if err := other.Use(t.Context()); err != nil || !other.Starts() {
		t.Errorf("in the place of the server that was stopped: %v; a server of its own: %v", err, other.Starts())
	}
	lock, err := os.OpenFile(filepath.Join(c.StateDir(), "start.lock"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if err := c.Use(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("beside another start: %v", err)
	}
	if err := other.Release(t.Context()); err != nil || other.Running(t.Context()) {
		t.Errorf("release: %v; running: %v", err, other.Running(t.Context()))
	}
}

func TestCluster_RootRunsTheServerAsTheOwnerOfTheCluster(t *testing.T) {
	needRoot(t)
	c := storetest.NewCluster(t)
	// the service's directory, and then its cluster in a directory of another
	for _, dir := range []string{c.StateDir(), c.DataDir()} {
		if err := errors.Join(os.MkdirAll(dir, 0o700), os.Chown(c.StateDir(), 1, 1), os.Chown(dir, 5, 60)); err != nil {
			t.Fatal(err)
		}
		again, err := cluster.New(c.StateDir())
		if err != nil {
			t.Fatal(err)
		}
		if uid, gid := again.Owner(); uid != 5 || gid != 60 {
			t.Errorf("it runs as %d:%d", uid, gid)
		}
	}
}

func TestCluster_ServerIsTheOneThatMadeTheCluster(t *testing.T) {
	c := storetest.NewCluster(t)
	dir := t.TempDir()
	for _, version := range []string{"9.6", "14", "15", "16", "17"} {
		if err := os.MkdirAll(filepath.Join(dir, version, "bin", "initdb"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(c.DataDir(), 0o700); err != nil {
		t.Fatal(err)
	}
	for made, want := range map[string]string{"": "17", "16\n": "16", "15\n": "15", "14\n": "17", "18\n": "17"} {
		if err := os.WriteFile(filepath.Join(c.DataDir(), "PG_VERSION"), []byte(made), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := c.FindServer(dir); got != want {
			t.Errorf("of a cluster by %q: %s, want %s", made, got, want)
		}
	}
}
