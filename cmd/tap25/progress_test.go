package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tap25/cmd/tap25/terminal/terminaltest"
)

// slow gives a capture, and its end only after several refreshes of a progress bar.
type slow struct{ *bytes.Reader }

func (s *slow) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err == io.EOF {
		time.Sleep(time.Second)
	}
	return n, err
}

// TestProgress_ShowsWhereRowsGoToTheDatabase has standard output and standard error on one terminal: there rows go to
// the database without being in the bar's way, and with --json they are.
func TestProgress_ShowsWhereRowsGoToTheDatabase(t *testing.T) {
	server(t)
	t.Setenv("TERM", "xterm")
	dir := t.TempDir()
	if err := makeCaptures(dir); err != nil {
		t.Fatal(err)
	}
	capture, err := os.ReadFile(filepath.Join(dir, "mail.pcap"))
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"replay", "-"}, {"replay", "--json", "-"}} {
		tty, written := terminaltest.Open(t)
		if err := unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 120}); err != nil {
			t.Fatal(err)
		}
		if status := run(t.Context(), args, &slow{bytes.NewReader(capture)}, tty, tty); status != statusDone {
			t.Errorf("%v: status %d", args, status)
		}
		if shown := written(); strings.Contains(shown, "B/s 2 rows") == (len(args) == 3) {
			t.Errorf("%v: %q", args, shown)
		}
	}
}
