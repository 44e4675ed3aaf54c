package store

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tap25/store/spool"
)

// keyed is a key of a capture file as replay makes them, with 64 hexadecimal digits.
func keyed(kind string, n int) string { return fmt.Sprintf("%s-%064x", kind, n) }

// loadAs loads rows under a key and reports whether they were added.
func loadAs(t *testing.T, db *DB, key string, days ...time.Time) bool {
	t.Helper()
	var rows [][]byte
	for _, d := range days {
		rows = append(rows, encode(at(d))...)
	}
	added, err := db.Load(t.Context(), "tap", key, rows)
	if err != nil {
		t.Fatal(err)
	}
	return added
}

func TestExpire_WithoutARetentionDropsNothing(t *testing.T) {
	db := database(t, false)
	loadAs(t, db, "one", old)
	if _, err := db.Expire(t.Context(), impatient); err == nil || !strings.Contains(err.Error(), "--retention") {
		t.Errorf("%v", err)
	}
	if n := count(t, db); n != 1 {
		t.Errorf("%d rows", n)
	}
}

// TestExpire_FilesWhoseRowsWereAllDroppedLoadAgain has old days, which two years of retention drop, and one of today.
func TestExpire_FilesWhoseRowsWereAllDroppedLoadAgain(t *testing.T) {
	db := database(t, false)
	today := time.Now()
	days := map[string][]time.Time{
		keyed("replay", 1):        {old, old.AddDate(0, 0, 3)},
		keyed("replay", 2):        {old, today},
		keyed("follow", 3) + "-0": {old}, keyed("follow", 3): {today}, // two parts of a file
		keyed("follow", 4) + "-0": {old}, keyed("follow", 4): {old.AddDate(0, 0, 1)},
		"00065f0000000000-0000000000000001": {old}, // of live traffic, whose source cannot give it again
	}
	for key, its := range days {
		if !loadAs(t, db, key, its...) {
			t.Fatalf("%s was there", key)
		}
	}
	noted := FileKey{Key: keyed("follow", 5)}
	noted.Days.Add(encode(at(old))[0])
	if _, err := db.Note(t.Context(), "tap", []FileKey{noted}); err != nil {
		t.Fatal(err)
	}
	if r := expire(t, db, impatient); len(r.Dropped) != 3 {
		t.Fatalf("%+v", r.Dropped)
	}
	gone := map[string]bool{keyed("replay", 1): true, keyed("follow", 4) + "-0": true, keyed("follow", 4): true,
		noted.Key: true}
	var kept []spool.Segment
	for key := range days {
		kept = append(kept, spool.Segment{Sensor: "tap", Key: key})
	}
	// A spool that keeps loaded segments must not bring them back.
	if missing, err := db.Missing(t.Context(), kept); err != nil || len(missing) > 0 {
		t.Errorf("missing: %v, %v", missing, err)
	}
	days[noted.Key] = []time.Time{old}
	for key, its := range days {
		if there, err := db.Loaded(t.Context(), "tap", key); err != nil || there == gone[key] {
			t.Errorf("%.9s: loaded %v, %v", key, there, err)
		}
		if added := loadAs(t, db, key, its...); added != gone[key] {
			t.Errorf("%.9s of %v: added %v", key, its, added)
		}
		if loadAs(t, db, key, its...) {
			t.Errorf("%.9s is added twice", key)
		}
	}
}

// TestExpire_FilesOfHeldOrMisdatedRowsStay loads files of which expiry keeps a row.
func TestExpire_FilesOfHeldOrMisdatedRowsStay(t *testing.T) {
	db := database(t, false)
	held, misdated := keyed("replay", 1), keyed("replay", 2)
	id, err := db.AddHold(t.Context(), Hold{Mailbox: new("held@b.example"), Reason: "case"})
	if err != nil {
		t.Fatal(err)
	}
	row := at(old.AddDate(0, 0, 5)) // not among the days of the other file
	row.RcptTo = new("held@b.example")
	if _, err := db.Load(t.Context(), "tap", held, encode(row)); err != nil {
		t.Fatal(err)
	}
	loadAs(t, db, misdated, time.Unix(1, 0), old)
	for _, step := range []struct {
		what string
		do   func()
		gone []string
	}{
		{"a hold and misdated rows", func() {}, nil},
		{"years go by", func() { yearsGoBy(t, db) }, []string{misdated}},
		{"the hold ends", func() {
			if err := db.DropHold(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}, []string{held, misdated}},
	} {
		step.do()
		expire(t, db, impatient)
		for _, key := range []string{held, misdated} {
			want := true
			for _, g := range step.gone {
				want = want && g != key
			}
			if there, err := db.Loaded(t.Context(), "tap", key); err != nil || there != want {
				t.Errorf("%s: %.8s is loaded %v, %v; want %v", step.what, key, there, err, want)
			}
		}
	}
}

// TestLoadDays_SensorsAskAndDateTheirOwnAlone has a sensor's login load, ask, and try to date another's load.
func TestLoadDays_SensorsAskAndDateTheirOwnAlone(t *testing.T) {
	db := database(t, false)
	sensor := as(t, db, "tap25_sensor", "sensor")
	key := keyed("replay", 1)
	if added, err := sensor.Load(t.Context(), "tap", key, encode(at(old))); err != nil || !added {
		t.Fatal(added, err)
	}
	if from, err := sensor.KeptFrom(t.Context()); err != nil || !from.IsZero() {
		t.Errorf("with no retention days are kept from %v on, %v", from, err)
	}
	expire(t, db, impatient)
	want := time.Now().UTC().AddDate(-2, 0, 0).Truncate(24 * time.Hour)
	if from, err := sensor.KeptFrom(t.Context()); err != nil || !from.Equal(want) {
		t.Errorf("days are kept from %v on, %v; want %v", from, err, want)
	}
	day := old.Truncate(24 * time.Hour)
	dropped, err := sensor.DroppedDays(t.Context(), []time.Time{day, day.AddDate(0, 0, 1)})
	if err != nil || len(dropped) != 1 || !dropped[0].Equal(day) {
		t.Errorf("dropped days: %v, %v", dropped, err)
	}
	if added, err := sensor.Load(t.Context(), "tap", key, encode(at(old))); err != nil || !added {
		t.Errorf("the sensor's file again: %v, %v", added, err)
	}
	for _, sql := range []string{"select tap25_internal.forget_dropped_loads('other', array['x'])",
		"select tap25_internal.date_loads('other', array['x'], array[current_date], array[current_date])",
		"select tap25_internal.mark_dropped_loads()"} {
		refused(t, sensor, sql)
	}
}
