package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tap25/capture/capturetest"
	"tap25/cmd/tap25/report"
	"tap25/store"
	"tap25/store/storetest"
)

// soon is how long the end after a signal is waited for. The process takes a second on a machine that has nothing else
// to do.
const soon = 5 * time.Second

// endSoon sends SIGTERM as soon as begun says so, and returns the exit status.
func endSoon(t *testing.T, cmd *exec.Cmd, begun func() bool) int {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	awaitFor(t, patient, "it to be at work", begun)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(soon):
		_ = cmd.Process.Kill()
		<-ended
		t.Error("it goes on after a signal")
	}
	return cmd.ProcessState.ExitCode()
}

// deaf gives a database that takes connections and never answers, and how many it has taken.
func deaf(t *testing.T) (dsn string, taken *atomic.Int64) {
	t.Helper()
	dir := storetest.Dir(t) // a socket that a process in another network namespace reaches too
	l, err := net.Listen("unix", filepath.Join(dir, ".s.PGSQL.5432"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	taken = &atomic.Int64{}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
			taken.Add(1)
		}
	}()
	return "postgres://nobody@/none?host=" + dir, taken
}

// mails writes a capture of a shape whose rows are many.
func mails(t *testing.T, dir string, frames int) (path string) {
	t.Helper()
	path = filepath.Join(dir, "0.pcap")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := writeShape(file, shapeNamed(t, "mails of an octet each"), frames); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// sealedIn reports whether rows wait in a spool.
func sealedIn(spool string) func() bool {
	return func() bool {
		sealed, _ := filepath.Glob(filepath.Join(spool, "*.seg"))
		return len(sealed) > 0
	}
}

// followable makes a directory with a capture that a follower takes for complete.
func followable(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	mails(t, dir, 40_000)
	if err := os.WriteFile(filepath.Join(dir, "1.pcap"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestReplay_ASignalEndsItWhileTheDatabaseDoesNotAnswer(t *testing.T) {
	dsn, taken := deaf(t)
	for name, args := range map[string][]string{
		"at the start": {mails(t, t.TempDir(), 1000)},
		"follow":       {"--follow", followable(t)},
	} {
		t.Run(name, func(t *testing.T) {
			before, spool := taken.Load(), filepath.Join(t.TempDir(), "spool")
			cmd := exec.Command("tap25", append([]string{"replay", "--db", dsn, "--spool", spool, "--sensor", "tap"},
				args...)...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			status := endSoon(t, cmd, func() bool {
				return taken.Load() > before && (name != "follow" || sealedIn(spool)())
			})
			if want := map[bool]int{true: statusDone, false: statusInterrupted}[name == "follow"]; status != want {
				t.Errorf("status %d, want %d", status, want)
			}
			if rows := sealedIn(spool)(); rows != (name == "follow") {
				t.Errorf("rows wait in the spool: %v", rows)
			}
		})
	}
}

// A server whose tables are locked answers everything but a load, or the question what is loaded.
func TestReplay_ASignalEndsItWhileATableIsLocked(t *testing.T) {
	conn, cluster := server(t)
	path, dir := mails(t, t.TempDir(), 40_000), followable(t)
	for name, c := range map[string]struct {
		tables string
		args   []string
		status int
	}{
		"files":                           {"envelopes, misdated", []string{path}, statusInterrupted},
		"files, before the first is read": {"loads", []string{path}, statusInterrupted},
		"follow":                          {"envelopes, misdated", []string{"--follow", dir}, statusDone},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := conn.Exec(t.Context(), "begin; lock table "+c.tables+" in access exclusive mode"); err != nil {
				t.Fatal(err)
			}
			defer conn.Exec(context.Background(), "rollback")
			spool := filepath.Join(t.TempDir(), "spool")
			cmd := exec.Command("tap25", append([]string{"replay", "--db", cluster.DSN(), "--spool", spool, "--sensor",
				name}, c.args...)...)
			var diag capturetest.Buffer
			cmd.Stderr = &diag
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			blocked := func() bool {
				var n int
				err := conn.QueryRow(t.Context(), "select count(*) from pg_locks where not granted").Scan(&n)
				return err == nil && n > 0 && (c.tables == "loads" || sealedIn(spool)())
			}
			if status := endSoon(t, cmd, blocked); status != c.status {
				t.Errorf("status %d, want %d: %s", status, c.status, diag.String())
			}
			if c.tables != "loads" {
				checkSums(t, diag.String())
			}
			if sealedIn(spool)() != (c.tables != "loads") {
				t.Errorf("the sealed rows have not stayed in the spool: %s", diag.String())
			}
		})
	}
}

// full is the end of a pipe that nobody reads, and reports whether it holds as much as it can.
func full(t *testing.T) (w *os.File, isFull func() bool) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return w, func() bool {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(w.Fd()), Events: unix.POLLOUT}}, 0)
		return n == 0 && err == nil
	}
}

func TestReplay_ASignalEndsItWhileNobodyReadsItsOutput(t *testing.T) {
	path := mails(t, t.TempDir(), 40_000)
	for _, both := range []bool{false, true} {
		t.Run(fmt.Sprintf("standard error too: %v", both), func(t *testing.T) {
			out, isFull := full(t)
			var diag capturetest.Buffer
			cmd := exec.Command("tap25", "replay", "--json", "--sensor", "tap", path)
			cmd.Stdout, cmd.Stderr = out, &diag
			if both {
				cmd.Stderr = out
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if status := endSoon(t, cmd, isFull); status != statusInterrupted {
				t.Errorf("status %d", status)
			}
			if said := diag.String(); !both && (!strings.Contains(said, "interrupted") ||
				!strings.Contains(said, "rows lost")) {
				t.Errorf("it does not say that rows are lost: %s", said)
			}
		})
	}
}

// TestExplain_ASignalEndsTheWaitForInput has a pipe that stays open after a capture.
func TestExplain_ASignalEndsTheWaitForInput(t *testing.T) {
	capture, err := os.ReadFile(mails(t, t.TempDir(), 40))
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	if _, err := w.Write(capture); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("tap25", "explain", "-")
	var out, diag capturetest.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = r, &out, &diag
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	empty := 0
	status := endSoon(t, cmd, func() bool {
		if n, err := unix.Poll([]unix.PollFd{{Fd: int32(r.Fd()), Events: unix.POLLIN}}, 0); n == 0 && err == nil {
			empty++
		}
		return empty == 25 // by now it has explained what it read, and waits for more
	})
	if !strings.Contains(out.String(), "  greeting ") || !strings.Contains(diag.String(), "interrupted") ||
		status != statusInterrupted {
		t.Errorf("status %d: %s%s", status, out.String(), diag.String())
	}
}

func TestReplay_ASignalEndsTheWaitForAnotherStart(t *testing.T) {
	storetest.StateHome(t)
	state := filepath.Join(os.Getenv("XDG_STATE_HOME"), "tap25")
	if err := os.MkdirAll(state, 0o700); err != nil {
		t.Fatal(err)
	}
	lock, err := os.Create(filepath.Join(state, "start.lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("tap25", "replay", "--sensor", "tap", mails(t, t.TempDir(), 1000))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	begun := func() bool { // it has made the directory that comes before the lock
		_, err := os.Stat(filepath.Join(state, "run"))
		return err == nil
	}
	if status := endSoon(t, cmd, begun); status != statusInterrupted {
		t.Errorf("status %d", status)
	}
}

// The owner of the private cluster stops its server without waiting for others, who start another.
func TestFollow_ASignalEndsTheOwnerOfTheClusterUnderAnother(t *testing.T) {
	storetest.StateHome(t)
	cmd := exec.Command("tap25", "replay", "--follow", followable(t), "--sensor", "tap")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	other, err := store.NewDatabase(store.Local)
	if err != nil {
		storetest.Need(t, err)
	}
	awaitFor(t, patient, "its server", func() bool { return other.Cluster.Running(t.Context()) })
	db, err := other.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if status := endSoon(t, cmd, func() bool { return true }); status != statusDone {
		t.Errorf("status %d", status)
	}
	again, err := other.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
	if err := other.Release(t.Context()); err != nil || other.Cluster.Running(t.Context()) {
		t.Errorf("released: %v; the server runs: %v", err, other.Cluster.Running(t.Context()))
	}
}

func TestSniff_ASignalEndsItWhileTheDatabaseDoesNotAnswer(t *testing.T) {
	w := newWire(t)
	dsn, taken := deaf(t)
	storetest.StateHome(t)
	s := w.prepare(os.Getenv("XDG_STATE_HOME"), "--db", dsn, "--spool", filepath.Join(t.TempDir(), "spool"))
	s.launch(w)
	s.awaitListening()
	send := w.sender(w.client)
	shapeNamed(t, "mails of an octet each").Write(2000, func(_ time.Time, frame []byte) { _ = send(frame) })
	await(t, "rows", func() bool {
		r, err := report.Ask(t.Context(), s.control)
		return err == nil && r.Rows > 100
	})
	if status := endSoon(t, s.cmd, func() bool { return taken.Load() > 0 }); status != statusDone {
		t.Errorf("status %d", status)
	}
}

func TestSniff_ASignalEndsItWhileNobodyReadsItsOutput(t *testing.T) {
	w := newWire(t)
	out, isFull := full(t)
	s := w.prepare(t.TempDir())
	s.cmd.Stdout = out
	s.launch(w)
	s.awaitListening()
	send := w.sender(w.client)
	if status := endSoon(t, s.cmd, func() bool {
		shapeNamed(t, "mails of an octet each").Write(1000, func(_ time.Time, frame []byte) { _ = send(frame) })
		return isFull()
	}); status != statusFailed || !strings.Contains(s.diag.String(), "rows are lost") {
		t.Errorf("status %d: %s", status, s.diag.String())
	}
	if w.linkIn(w.tap, "tap0").attached {
		t.Error("it is still attached")
	}
}

// TestReplay_EndedBySignalsAndRunAgainGivesEveryRowOnce ends replays of sessions that are all open at the end of the
// capture, while they read, close the sessions, load, and note the file.
func TestReplay_EndedBySignalsAndRunAgainGivesEveryRowOnce(t *testing.T) {
	conn, _ := server(t)
	path := filepath.Join(t.TempDir(), "open.pcap")
	want := kills(30_000, 120_000)
	openSessions(t, path, want)
	args := []string{"replay", "--sensor", "tap", path}
	for range kills(12, 100) {
		var diag capturetest.Buffer
		cmd := exec.Command("tap25", args...)
		cmd.Stderr = &diag
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		<-time.After(rand.N(2 * time.Second))
		endSoon(t, cmd, func() bool { return true })
	}
	for range 2 { // the second adds nothing
		out, err := exec.Command("tap25", args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if rows, recipients, _, _ := inMail(t, conn); rows != want || recipients != want {
			t.Errorf("%d rows to %d recipients, want %d", rows, recipients, want)
		}
	}
}

// openSessions writes a capture of n sessions, each with a mail to a recipient of its own that is under way at the end.
func openSessions(t *testing.T, path string, n int) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	f := newTraffic(t, file)
	f.at = time.Now().Add(-24 * time.Hour).UTC()
	for i := range n {
		p := f.host(i, 40000)
		p.open()
		p.say(fromServer, "220 mx\r\n")
		p.say(fromClient, fmt.Sprintf("EHLO c\r\nMAIL FROM:<a@a.example>\r\nRCPT TO:<r%d@b.example>\r\n", i))
		p.say(fromServer, "250 mx\r\n250 ok\r\n250 ok\r\n")
	}
	f.w.Flush()
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}
