package sniff

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"tap25/store"
	"tap25/store/spool"
)

// TestCoverage_NextRecordCoversWhatFoundNoRoom also shows that a record bears what holds when it begins.
func TestCoverage_NextRecordCoversWhatFoundNoRoom(t *testing.T) {
	var c coverage
	var got []string
	begin := time.Now()
	full := false
	step := func(minute, rows int64, scope string, interfaces ...string) {
		t.Helper()
		now := coverageState{begin.Add(time.Duration(minute) * time.Minute),
			store.CoverageCounts{Rows: rows, NICDropped: &rows}, interfaces, scope}
		err := c.record(now, func(r *store.Coverage) error {
			if full {
				return spool.ErrFull
			}
			got = append(got, fmt.Sprintf("%v-%v %d %d %v %q %v", r.Since.Sub(begin).Minutes(),
				r.Before.Sub(begin).Minutes(), r.Rows, *r.NICDropped, r.Interfaces, r.Scope, r.Started))
			return nil
		})
		if (err != nil) != full {
			t.Error(err)
		}
	}
	full = true
	step(0, 1, "", "a", "b")
	full = false
	step(1, 2, "", "a", "b")
	step(2, 5, "s", "a")
	full = true
	step(3, 6, "s", "a", "b")
	step(4, 9, "s", "a")
	full = false
	step(5, 10, "s", "a", "b")
	want := []string{`0-1 2 2 [a b] "" true`, `1-2 3 3 [a b] "" false`, `2-5 5 5 [a] "s" false`}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// A clock that is set makes a record neither longer nor shorter than the time that passed.
func TestCoverage_ClockThatIsSet(t *testing.T) {
	since := time.Now()
	for _, by := range []time.Duration{0, -time.Hour, time.Hour} {
		now := since.Add(time.Minute) // by the monotonic clock
		set := time.Unix(0, now.UnixNano()).Add(by)
		if got := begun(since, time.Minute, set); !got.Equal(since.Add(by)) {
			t.Errorf("set by %v, it begins at %v", by, got.Sub(since))
		}
	}
}
