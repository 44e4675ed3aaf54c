package store

import (
	"testing"
	"time"
)

// TestDay_NumberAndBeginning compares with what the calendar has, at both ends of days.
func TestDay_NumberAndBeginning(t *testing.T) {
	for text, number := range map[string]int32{"1970-01-01": 0, "1969-12-31": -1, "1969-12-30": -2, "2000-02-29": 11016,
		"2026-11-28": 20785, "0001-01-01": -719162, "9999-12-31": 2932896} {
		begin, err := time.Parse(time.DateOnly, text)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []time.Time{begin, begin.Add(24*time.Hour - 1), begin.In(time.FixedZone("", -7200))} {
			if n := DayNumber(at); n != number || !DayOf(n).Equal(begin) {
				t.Errorf("%v: number %d, which begins %v, want %d", at, n, DayOf(n), number)
			}
		}
	}
}
