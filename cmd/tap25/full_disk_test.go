package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"tap25/capture/capturetest"
	"tap25/cmd/tap25/report"
)

// smallDisk mounts a file system of 64 MiB. fill fills it to the last octet.
func smallDisk(t *testing.T) (dir string, fill func()) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("tap25", dir, "tmpfs", 0, "size=64m"); err != nil {
		capturetest.Missing(t, "root", "mount a small file system: "+err.Error())
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir, func() {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "ballast"), make([]byte, 65<<20), 0o600); err == nil {
			t.Fatal("the disk has more room than it should")
		}
	}
}

// fullDisk is a full file system of 64 MiB; empty makes room again.
func fullDisk(t *testing.T) (dir string, empty func()) {
	t.Helper()
	dir, fill := smallDisk(t)
	fill()
	ballast := filepath.Join(dir, "ballast")
	return dir, func() {
		if err := os.Remove(ballast); err != nil {
			t.Error(err)
		}
	}
}

// Somebody else has filled the disk of the spool: a follower and a replay wait, say so, and go on by themselves.
func TestReplay_WaitsOutAFullDisk(t *testing.T) {
	conn, _ := server(t)
	for _, how := range []string{"follow", "by name"} {
		t.Run(how, func(t *testing.T) {
			disk, empty := fullDisk(t)
			captured := t.TempDir()
			before := rowsIn(t, conn)
			want := before + rotated(t, captured, 3, 60)
			args := append([]string{"replay", "--sensor", how, "--spool", filepath.Join(disk, "spool")},
				captures(t, captured)...)
			if how == "follow" {
				args = append(args[:5], "--follow", captured)
			}
			var diag capturetest.Buffer
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan int, 1)
			go func() { ended <- run(ctx, args, nil, &bytes.Buffer{}, &diag) }()
			await(t, "it says what it waits for", func() bool {
				return strings.Contains(diag.String(), "spool is full")
			})
			empty()
			await(t, "every row is there", func() bool { return rowsIn(t, conn) == want })
			if how == "follow" {
				cancel()
			}
			if status := <-ended; status != statusDone {
				t.Errorf("status %d: %s", status, diag.String())
			}
			checkSums(t, diag.String())
		})
	}
}

// TestSniff_EndsWithAFullDiskAndSaysWhatIsLost stops a tap of which some rows are on the disk and others in memory, and
// whose database is away.
func TestSniff_EndsWithAFullDiskAndSaysWhatIsLost(t *testing.T) {
	w := newWire(t)
	disk, fill := smallDisk(t)
	t.Setenv("XDG_STATE_HOME", openDir(t))
	m := w.serve()
	s := w.sniff("--db", "postgres://u@127.0.0.1:1/mail", "--spool", filepath.Join(disk, "spool"), "--user", "root")
	const before, after = 10, 15 // mails to two each
	if err := w.send("192.0.2.25:25", "before", before); err != nil {
		t.Fatal(err)
	}
	await(t, "rows on the disk", func() bool {
		r, err := report.Ask(t.Context(), s.control)
		return err == nil && r.Rows == 2*before && r.Store.InMemory == 0
	})
	fill()
	if err := w.send("192.0.2.25:25", "after", after); err != nil {
		t.Fatal(err)
	}
	var r *report.Report
	await(t, "rows in memory", func() (ok bool) {
		var err error
		r, err = report.Ask(t.Context(), s.control)
		return err == nil && r.Rows == int64(len(m.taken)) && r.Store.InMemory >= 2*after
	})
	// besides the rows: what the tap covers from its start, and at the end of each minute
	spooled := r.Store.Spooled
	if spooled < 2*before || spooled > 2*before+r.Store.Coverage || r.Store.Waiting != spooled {
		t.Errorf("while it runs: %+v", r.Store)
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	said := s.failed()
	var covered int64
	if m := regexp.MustCompile(`(?m)^coverage +(\d+) records$`).FindStringSubmatch(said); m != nil {
		covered, _ = strconv.ParseInt(m[1], 10, 64)
	}
	lost := 2*(before+after) + covered - spooled
	for _, want := range []string{fmt.Sprintf(`{"level":"error","rows_lost":%d,`, lost),
		fmt.Sprintf("\ntap25: rows are lost: %d rows and records of coverage were in memory", lost),
		fmt.Sprintf("spool     %d (spooled %d, lost %d)\n", spooled+lost, spooled, lost),
		fmt.Sprintf("(waiting %d)", spooled)} {
		if !strings.Contains(said, want) {
			t.Errorf("no %q in %s", want, said)
		}
	}
	if out := asked(t, "spool", "ls", filepath.Join(disk, "spool")); !strings.Contains(out, fmt.Sprint(spooled)) {
		t.Errorf("on the disk: %s", out)
	}
}
