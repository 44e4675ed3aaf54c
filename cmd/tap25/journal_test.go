package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLog_HasPrioritiesInTheJournal runs tap25 with standard error in the file that JOURNAL_STREAM names, and in another.
func TestLog_HasPrioritiesInTheJournal(t *testing.T) {
	captures := t.TempDir()
	if err := makeCaptures(captures); err != nil {
		t.Fatal(err)
	}
	nothing := filepath.Join(t.TempDir(), "scope.yaml") // which is worth a warning
	if err := os.WriteFile(nothing, []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, mine := range []bool{true, false} {
		stderr, err := os.Create(filepath.Join(t.TempDir(), "journal"))
		if err != nil {
			t.Fatal(err)
		}
		defer stderr.Close()
		var st unix.Stat_t
		if err := unix.Fstat(int(stderr.Fd()), &st); err != nil {
			t.Fatal(err)
		}
		if !mine {
			st.Ino++
		}
		cmd := exec.Command("tap25", "replay", "--json", "--scope", nothing, captures+"/cut.pcap") // fails at its end
		cmd.Env = append(os.Environ(), fmt.Sprintf("JOURNAL_STREAM=%d:%d", st.Dev, st.Ino))
		cmd.Stderr = stderr
		if err := cmd.Run(); err == nil {
			t.Error("a capture that is cut off is whole")
		}
		if _, err := stderr.Seek(0, 0); err != nil {
			t.Fatal(err)
		}
		var priorities []string
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			if m := regexp.MustCompile(`^<(\d)>.*(tap25: | WRN )`).FindStringSubmatch(lines.Text()); m != nil {
				priorities = append(priorities, m[1])
			}
		}
		want := map[bool]string{true: "4 3"}[mine]
		if got := strings.Join(priorities, " "); got != want {
			t.Errorf("the journal: %v: priorities %q, want %q", mine, got, want)
		}
	}
}

// TestLog_InTheJournalTakesManyAtOnce logs from two goroutines, each at a level of its own. The race detector judges it.
func TestLog_InTheJournalTakesManyAtOnce(t *testing.T) {
	const each = 200
	stderr, err := os.Create(filepath.Join(t.TempDir(), "journal"))
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(stderr.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	t.Setenv("JOURNAL_STREAM", fmt.Sprintf("%d:%d", st.Dev, st.Ino))
	log := newTextLogger(stderr)
	var done sync.WaitGroup
	done.Go(func() {
		for range each {
			log.Warn().Msg("warning")
		}
	})
	done.Go(func() {
		for range each {
			log.Error().Msg("error")
		}
	})
	done.Wait()
	text, err := os.ReadFile(stderr.Name())
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^(<4>\S+ WRN warning|<3>\S+ ERR error)\n`)
	if n, rest := len(line.FindAll(text, -1)), line.ReplaceAll(text, nil); n != 2*each || len(rest) > 0 {
		t.Errorf("%d lines, want %d; not whole: %.100q", n, 2*each, rest)
	}
}
