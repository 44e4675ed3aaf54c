package store

import (
	"testing"
	"time"
)

// TestCompleteness_RowsWithoutCoverage says of imported rows that nothing is known of what was missed, and not that no
// mail of that time is recorded.
func TestCompleteness_RowsWithoutCoverage(t *testing.T) {
	db := database(t, false)
	day := old.Truncate(24 * time.Hour)
	load := func(sensor string, times ...time.Time) {
		for _, when := range times {
			e := at(when)
			e.Sensor = sensor
			loadRows(t, db, sensor, e)
		}
	}
	load("fra-1", day.Add(time.Hour), day.AddDate(0, 0, 1), day.AddDate(0, 0, 2))
	load("fra-2", day)
	sentence := func(since, before, sensor string) string {
		return ask[string](t, db, "select sentence from tap25.completeness($1::text::timestamptz, "+
			"$2::text::timestamptz, nullif($3, ''))", since, before, sensor)
	}
	rows := func(days string) string {
		return " Rows of " + days + " are there without coverage: they were imported, or loaded before coverage was " +
			"recorded. What was missed then is not known."
	}
	if got := sentence("-infinity", "infinity", ""); got != "No coverage is recorded."+rows("3 days") {
		t.Error(got)
	}
	c := minute("fra-1", 0)
	c.Before = c.Since.Add(time.Hour)
	c.FramesRead, c.Sessions, c.CoverageCounts.Encrypted = 100, 0, 0
	if _, err := db.Load(t.Context(), "tap", "coverage", [][]byte{AppendCoverage(nil, c)}); err != nil {
		t.Fatal(err)
	}
	for _, a := range []struct{ since, before, sensor, want string }{
		{"2020-02-29", "2020-02-29 01:00Z", "fra-1", "From 2020-02-29 00:00:00 to 2020-02-29 01:00:00, UTC, fra-1 " +
			"listened for 100 % of the time (no gap); no frame was lost; there was no session."},
		{"2020-02-29", "2020-02-29 01:00Z", "", "From 2020-02-29 00:00:00 to 2020-02-29 01:00:00, UTC, fra-1 " +
			"listened for 100 % of the time (no gap); no frame was lost; there was no session." + rows("1 day")},
		{"2020-02-29 02:00Z", "2020-03-01", "fra-1", "From 2020-02-29 02:00:00 to 2020-03-01 00:00:00, UTC, fra-1 " +
			"did not listen: mail of that time is not recorded."},
		{"2020-03-01", "2020-03-03", "fra-1", "From 2020-03-01 00:00:00 to 2020-03-03 00:00:00, UTC, nothing shows " +
			"that a tap listened." + rows("2 days")},
		{"2020-03-04", "2020-03-05", "", "From 2020-03-04 00:00:00 to 2020-03-05 00:00:00, UTC, no sensor listened: " +
			"mail of that time is not recorded."},
		{"-infinity", "2020-02-29", "fra-2", "No coverage is recorded of a sensor that is named \"fra-2\"."},
	} {
		if got := sentence(a.since, a.before, a.sensor); got != a.want {
			t.Errorf("%s to %s:\n%s\nwant\n%s", a.since, a.before, got, a.want)
		}
	}
}
