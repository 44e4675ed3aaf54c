package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestReplay_OfDroppedDaysBringsThemBack drops the days of a capture of 2023 by a retention of two years, and replays it
// again: its rows are added, with a warning. Of a file with a row of today too, nothing is added, and the log says so.
func TestReplay_OfDroppedDaysBringsThemBack(t *testing.T) {
	stateHome(t)
	dir := t.TempDir()
	if err := makeCaptures(dir); err != nil {
		t.Fatal(err)
	}
	old, both := filepath.Join(dir, "mail.pcap"), filepath.Join(dir, "old-and-new.pcap")
	frames := dialogueFrames(25, strings.Split(dialogue, "\n"))
	if err := writePcapAt(both, func(i int) time.Time {
		if i < len(frames) {
			return time.Unix(1_700_100_000, 0).Add(time.Duration(i) * time.Millisecond)
		}
		return time.Now().Add(time.Duration(i-2*len(frames)) * time.Millisecond)
	}, append(frames, frames...), 1<<18); err != nil {
		t.Fatal(err)
	}
	const warning, dropped = "older than the retention that the database stores", "rows of these files are in the database no more"
	replay := func(when, file string, added, repeated int64, says ...string) {
		t.Helper()
		var diag bytes.Buffer
		if status := run(t.Context(), []string{"replay", "--sensor", "tap", file}, nil, &bytes.Buffer{},
			&diag); status != statusDone {
			t.Fatalf("%s: status %d: %s", when, status, diag.String())
		}
		lines := checkSums(t, diag.String())
		if lines["database"].total != added || lines["repeated"].total != repeated {
			t.Errorf("%s: %s", when, diag.String())
		}
		for _, text := range []string{warning, dropped} {
			want := false
			for _, s := range says {
				want = want || s == text
			}
			if strings.Contains(diag.String(), text) != want {
				t.Errorf("%s: %q is said: %v: %s", when, text, !want, diag.String())
			}
		}
	}
	replay("first", old, 2, 0)
	replay("first, of both", both, 4, 0)
	replay("again", old, 0, 2)
	asked(t, "db", "expire", "--retention", "2y")
	replay("after expiry", old, 2, 0, warning)
	replay("after expiry, again", old, 0, 2)
	replay("after expiry, of both", both, 0, 4, dropped)
	asked(t, "db", "expire")
	replay("after another expiry", old, 2, 0, warning)
	if rows := asked(t, "db", "psql", "--", "-XAtc", "select count(*) from mail"); rows != "4\n" {
		t.Errorf("%s rows, want those of the old file and the new ones of the other", rows)
	}
}

// TestSniff_WantsARetention starts taps that nobody has told how long to keep mail records.
func TestSniff_WantsARetention(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	for name, args := range map[string][]string{
		"a flag missing":     {"sniff", "-i", "none0"},
		"a setting missing":  {"sniff", "--config", configFile(t, "interface: none0\n")},
		"the installed file": {"sniff", "--config", "../../packaging/tap25.yaml"},
	} {
		var diag bytes.Buffer
		if status := run(t.Context(), args, nil, &bytes.Buffer{}, &diag); status != statusUsage ||
			!strings.Contains(diag.String(), "no retention given: how long records of mail may be kept is a matter of law") {
			t.Errorf("%s: status %d: %s", name, status, diag.String())
		}
	}
	for name, args := range map[string][]string{
		"a flag": {"sniff", "-i", "none0", "--retention", "never"}, "no database": {"sniff", "-i", "none0", "--json"},
		"a setting": {"sniff", "--config", configFile(t, "interface: none0\nretention: 24mo\n")},
	} {
		var diag bytes.Buffer
		if status := run(t.Context(), args, nil, &bytes.Buffer{}, &diag); status != statusFailed ||
			!strings.Contains(diag.String(), "there is no interface none0") || !strings.Contains(diag.String(), "; there are lo") {
			t.Errorf("%s: status %d: %s", name, status, diag.String())
		}
	}
}
