package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// pcapTimes reads the times of the first and the last packet of a little-endian pcap file of microseconds, as SQL, and
// counts the packets. The file's header has 24 octets; a packet's 16: seconds, microseconds, length here, on the wire.
func pcapTimes(file []byte) (first, last string, packets int) {
	for at := 24; at < len(file); packets++ {
		le := binary.LittleEndian
		last = fmt.Sprintf("timestamptz 'epoch' + interval '%d seconds %d microseconds'", le.Uint32(file[at:]),
			le.Uint32(file[at+4:]))
		if packets == 0 {
			first = last
		}
		at += 16 + int(le.Uint32(file[at+8:]))
	}
	return first, last, packets
}

// TestReplay_CoverageComesOnce replays captures twice, compressed, as a pipe and by following: the coverage of each is
// there once, from its first frame to its last, with as many frames and rows as it gave.
func TestReplay_CoverageComesOnce(t *testing.T) {
	stateHome(t)
	plain := filepath.Join(t.TempDir(), "demo.pcap")
	packed, err := os.ReadFile("../../testdata/demo.pcap.gz")
	if err != nil {
		t.Fatal(err)
	}
	gunzip := exec.CommandContext(t.Context(), "gunzip")
	gunzip.Stdin = bytes.NewReader(packed)
	octets, err := gunzip.Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(plain, octets, 0o600); err != nil {
		t.Fatal(err)
	}
	first, last, frames := pcapTimes(octets)
	replay := func(stdin []byte, args ...string) (rows int64) {
		t.Helper()
		var diag bytes.Buffer
		args = append([]string{"replay", "--sensor", "tap"}, args...)
		status := run(t.Context(), args, bytes.NewReader(stdin), io.Discard, &diag)
		if status != statusDone {
			t.Fatalf("%q: %s", args, diag.String())
		}
		return checkSums(t, diag.String())["rows"].total
	}
	captures, err := filepath.Glob("../../testdata/real/*.pcap")
	if err != nil || len(captures) < 2 {
		t.Fatalf("%d captures, %v", len(captures), err)
	}
	rows := replay(nil, plain)
	replay(nil, "../../testdata/demo.pcap.gz", captures[0], captures[1])
	replay(octets, "-")
	replay(nil, captures[1], plain)
	end := last + " + interval '1 microsecond'"
	got := asksSQL(t, "select sum(frames_seen), sum(rows), bool_and(interfaces is null and program = 'replay'), "+
		"range_agg(tstzrange(since, before)) = tstzmultirange(tstzrange("+first+", "+end+")) "+
		"from tap25.coverage where since >= "+first+" and before <= "+end)[0]
	if want := fmt.Sprintf("%d|%d|t|t", frames, rows); got != want {
		t.Errorf("coverage of the demo: %s, want %s", got, want)
	}
	days := asksSQL(t, "select ("+last+")::date - ("+first+")::date + 1")[0]
	n := asksSQL(t, "select count(*) - 2, count(distinct (since, before)) - 2 from tap25.coverage")[0]
	if n != days+"|"+days {
		t.Errorf("records of the demo, and different ones: %s, want %s", n, days)
	}
}
