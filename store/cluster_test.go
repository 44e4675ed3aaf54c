package store

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// serversDir is a directory that the server's user can get through, with a path short enough for a socket.
func serversDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "tap25-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestCluster_ServerEndsWithAKilledTap25(t *testing.T) {
	database(t, true) // or skip
	dir := serversDir(t)
	state := filepath.Join(dir, "state")
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
	c, err := NewCluster(state)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Use(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Release(); err != nil {
		t.Error(err)
	}
}

func TestCluster_SecondUserSharesTheServer(t *testing.T) {
	database(t, true) // or skip
	c, _ := shared()
	second, err := NewCluster(c.dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Use(t.Context()); err != nil {
		t.Fatal(err)
	}
	if second.server != nil {
		t.Error("a second server was started")
	}
	if err := second.Release(); err != nil {
		t.Error(err)
	}
	if err := second.Up(t.Context()); !errors.Is(err, ErrOwned) {
		t.Errorf("up beside a server that will stop: %v", err)
	}
	if !c.Running(t.Context()) {
		t.Error("the first user's server is gone")
	}
}

func TestCluster_ServerGetsAShareOfTheMemory(t *testing.T) {
	for memory, want := range map[uint64]uint64{0: 0, 512 << 20: 0, 1 << 30: 256 << 20, 4 << 30: 1 << 30, 1 << 40: 1 << 30} {
		if got := sharedBuffers(memory); got != want {
			t.Errorf("of %d MiB: %d MiB, want %d", memory>>20, got>>20, want>>20)
		}
	}
	var buffers string
	if err := database(t, false).conn.QueryRow(t.Context(), "show shared_buffers").Scan(&buffers); err != nil || buffers != "1GB" {
		t.Errorf("shared_buffers of the server: %s, %v", buffers, err)
	}
}

func TestCluster_UpRunsUntilDown(t *testing.T) {
	database(t, true) // or skip
	dir := serversDir(t)
	// The parent is missing still, and the path is too long for a socket.
	state := filepath.Join(dir, "parent", strings.Repeat("long", 25))
	cluster := func() *Cluster {
		c, err := NewCluster(state)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := cluster()
	t.Cleanup(func() {
		c.Down()
		os.RemoveAll(c.socketDir())
	})
	for range 2 { // the second time it runs already
		c := cluster()
		if err := c.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := c.Release(); err != nil {
			t.Error(err)
		}
	}
	user := cluster()
	if err := user.Use(t.Context()); err != nil || user.server != nil {
		t.Errorf("use: %v; a server of its own: %v", err, user.server != nil)
	}
	if err := user.Release(); err != nil || !c.Running(t.Context()) {
		t.Errorf("release: %v; running: %v", err, c.Running(t.Context()))
	}
	for range 2 { // the second time there is nothing to stop
		if err := c.Down(); err != nil || c.Running(t.Context()) {
			t.Errorf("down: %v; running: %v", err, c.Running(t.Context()))
		}
	}
}

// TestCluster_WaitsForADyingServer starts one in the place of another that answers no more and still keeps its directory.
func TestCluster_WaitsForADyingServer(t *testing.T) {
	database(t, true) // or skip
	dir := serversDir(t)
	old, _ := NewCluster(filepath.Join(dir, "state"))
	if err := errors.Join(old.Up(t.Context()), old.Release()); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(old.socketDir(), ".s.PGSQL.5432")); err != nil {
		t.Fatal(err)
	}
	c, _ := NewCluster(filepath.Join(dir, "state"))
	began := make(chan error)
	go func() { began <- c.Use(t.Context()) }()
	lock := "lock file \"postmaster.pid\" already exists"
	wait(t, func() bool {
		log, _ := os.ReadFile(old.log())
		return strings.Contains(string(log), lock)
	})
	if err := old.Down(); err != nil {
		t.Error(err)
	}
	if err := <-began; err != nil || c.server == nil {
		t.Errorf("%v; a server of its own: %v", err, c.server != nil)
	}
	if err := c.Release(); err != nil {
		t.Error(err)
	}
}

func TestCluster_OwnerWaitsForOtherUsersAndSaysSo(t *testing.T) {
	database(t, true) // or skip
	dir := serversDir(t)
	owner, _ := NewCluster(filepath.Join(dir, "state"))
	other, _ := NewCluster(filepath.Join(dir, "state"))
	said := make(chan bool, 1)
	owner.Waiting = func() { said <- true }
	for _, c := range []*Cluster{owner, other} {
		if err := c.Use(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ended := make(chan error)
	go func() { ended <- owner.Release() }()
	select {
	case <-said:
	case err := <-ended:
		t.Fatalf("the server was stopped under another user: %v", err)
	}
	if !other.Running(t.Context()) {
		t.Error("the server was stopped under another user")
	}
	if err := other.Release(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil || other.Running(t.Context()) {
		t.Errorf("release: %v; running: %v", err, other.Running(t.Context()))
	}
}
