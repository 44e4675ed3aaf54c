package main

import (
	"fmt"
	"slices"
	"testing"
)

// TestReplay_LoadsAPeriodOfACapture loads the rows of the middle of a capture, then the whole: the capture is in the
// database then, and its coverage is that of the period, since rows of other times are not there.
func TestReplay_LoadsAPeriodOfACapture(t *testing.T) {
	stateHome(t)
	const capture = "../../testdata/demo.pcap.gz"
	var times []string // in a form that sorts like time
	for _, r := range jsonLines(t, []byte(asked(t, "replay", "--json", capture))) {
		times = append(times, r["seen_at"].(string))
	}
	slices.Sort(times)
	since, before := times[len(times)/3], times[2*len(times)/3]
	want := 0
	for _, at := range times {
		if at >= since && at < before {
			want++
		}
	}
	if want == 0 || want == len(times) {
		t.Fatalf("%d of %d rows are in the period", want, len(times))
	}
	added, repeated := replayed(t, "--since", since, "--before", before, capture)
	if added != int64(want) || repeated != 0 {
		t.Errorf("%d rows added, %d repeated; want %d and none", added, repeated, want)
	}
	if added, repeated := replayed(t, capture); added != 0 || repeated != int64(len(times)) {
		t.Errorf("the whole: %d rows added, %d repeated", added, repeated)
	}
	got := asksSQL(t, fmt.Sprintf("select (select count(*) from tap25.mail), sum(rows), min(since) = '%s', "+
		"max(before) = '%s' from tap25.coverage", since, before))[0]
	if want := fmt.Sprintf("%d|%d|t|t", want, want); got != want {
		t.Errorf("rows, rows by the coverage, and its ends: %s, want %s", got, want)
	}
	// A capture of which the period has nothing is not in the database, and has no coverage.
	const other = "../../testdata/real/chatter.pcap"
	if added, _ := replayed(t, "--since", "2001-01-01", "--before", "2001-01-02", other); added != 0 {
		t.Errorf("%d rows of another time", added)
	}
	if n := asksSQL(t, "select count(*) from tap25.coverage where since < '2002-01-01'")[0]; n != "0" {
		t.Errorf("%s records of coverage of a period without packets", n)
	}
	if added, repeated := replayed(t, other); added == 0 || repeated != 0 {
		t.Errorf("then the whole: %d rows added, %d repeated", added, repeated)
	}
}
