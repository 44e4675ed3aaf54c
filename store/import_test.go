package store

import (
	"testing"
	"time"
)

// LoadMissing adds each row as often as the segment has it, less those that are there, wherever they are.
func TestLoadMissing(t *testing.T) {
	db := database(t, false)
	db.SignWith(signer(t))
	row := func(at time.Time, session int64) []byte {
		e := full()
		e.Sensor, e.SeenAt, e.SessionID = "tap", at, session
		return AppendRow(nil, e)
	}
	misdated := time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	one, two, three := row(old, 1), row(old, 2), row(old.AddDate(0, 0, 1), 3)
	other := row(misdated, 4)
	for i, c := range []struct {
		rows  [][]byte
		added int
	}{
		{[][]byte{one, one, two}, 3},
		{[][]byte{one, one, two}, 0},
		{[][]byte{one, one, one, three, other}, 3},
		{[][]byte{other, other}, 1},
		{[][]byte{three, two, other}, 0},
	} {
		if added, err := db.LoadMissing(t.Context(), "tap", "import-a-0", c.rows); err != nil || added != c.added {
			t.Errorf("load %d: %d rows are added, want %d, %v", i, added, c.added, err)
		}
	}
	hold(t, db, "192.0.2.1", nil)
	report := expire(t, db, ExpireConfig{Retention: Retention{Days: 1}, Change: true, Version: "test"})
	if report.Dropped[0].Kept == 0 {
		t.Errorf("no row is held: %+v", report)
	}
	if added, err := db.LoadMissing(t.Context(), "tap", "import-a-0", [][]byte{one, two}); err != nil || added != 0 {
		t.Errorf("%d held rows are added, %v", added, err)
	}
}
