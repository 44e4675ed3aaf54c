package store

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tap25/capture/capturetest"
	"tap25/reassembly/smtp"
)

// at is a full row of a time.
func at(when time.Time) *smtp.Envelope {
	e := full()
	e.SeenAt = when
	return e
}

// ask is a question with one answer.
func ask[T any](t testing.TB, db *DB, sql string, args ...any) (v T) {
	t.Helper()
	if err := db.Conn().QueryRow(context.Background(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// loadRows adds rows as a loader does.
func loadRows(t testing.TB, db *DB, sensor string, rows ...*smtp.Envelope) {
	t.Helper()
	err := pgx.BeginFunc(context.Background(), db.Conn(), func(tx pgx.Tx) error {
		return copyAll(context.Background(), tx, sensor, encode(rows...))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// copyAll copies rows within a transaction, as a load does that nobody signs, to the schema of any version.
func copyAll(ctx context.Context, tx pgx.Tx, sensor string, rows [][]byte) error {
	var distributable bool
	err := tx.QueryRow(ctx, "select to_regproc('tap25_internal.make_arrivals') is not null").Scan(&distributable)
	if err != nil {
		return err
	}
	var steps pgx.Batch
	to := &destination{}
	if distributable {
		to = beginLoad(&steps, sensor, rows)
	} else {
		to.misdated = lockDays(&steps, sensor, rows)
	}
	if err := tx.SendBatch(ctx, &steps).Close(); err != nil {
		return err
	}
	return copyRecords(ctx, tx, to, rows)
}

const partitionCount = "select count(*) from pg_inherits where inhparent = 'envelopes'::regclass"

func TestCopyRows_WrongClocksAreKeptWithAReason(t *testing.T) {
	db := database(t, false)
	now := time.Now().UTC()
	for _, c := range []struct {
		name   string
		when   time.Time
		reason string
	}{
		{"1970", time.Date(1970, 1, 1, 0, 0, 1, 0, time.UTC), "before 1990"},
		{"the day before 1990", time.Date(1989, 12, 31, 23, 59, 59, 0, time.UTC), "before 1990"},
		{"1990", time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC), ""},
		{"yesterday", now.AddDate(0, 0, -1), ""},
		{"tomorrow", now.AddDate(0, 0, 1), ""},
		{"three days ahead", now.AddDate(0, 0, 3), "ahead of the clock"},
		{"2038", time.Date(2038, 1, 19, 3, 14, 8, 0, time.UTC), "ahead of the clock"},
		{"2106", time.Date(2106, 2, 7, 6, 28, 15, 0, time.UTC), "ahead of the clock"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.reason != "" && now.Year() >= 2038 {
				capturetest.Skip(t, "this clock is past the case")
			}
			loadRows(t, db, "tap", at(c.when), at(now))
			when := c.when.Truncate(time.Microsecond)
			got := ask[string](t, db, "select coalesce((select reason from misdated where seen_at = $1), '')", when)
			if got != c.reason {
				t.Errorf("reason %q, want %q", got, c.reason)
			}
			if n := ask[int](t, db, "select count(*) from mail where seen_at = $1 and client_port = 40000 and "+
				"outcome = 'refused'", when); n != 1 {
				t.Errorf("the view mail has %d such rows, want 1", n)
			}
		})
	}
	if n := ask[int](t, db, partitionCount); n != 4 {
		t.Errorf("%d partitions, want those of four days", n)
	}
	if n := ask[int](t, db, "select sum(rows) from days"); n != 11 {
		t.Errorf("%d rows counted, want 11", n)
	}
}

func TestCopyRows_AClockThatRunsWildMakesBoundedPartitions(t *testing.T) {
	db := database(t, false)
	if _, err := db.Conn().Exec(t.Context(), "create or replace function tap25_internal.max_partitions() returns int "+
		"language sql immutable return 20"); err != nil {
		t.Fatal(err)
	}
	var rows []*smtp.Envelope
	for i := range 500 {
		rows = append(rows, at(time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, i)))
	}
	rows = append(rows, at(time.Now()))
	loadRows(t, db, "tap", rows...)
	if n := ask[int](t, db, partitionCount); n != 21 {
		t.Errorf("%d partitions, want 20 and today's", n)
	}
	if n := ask[int](t, db, "select count(*) from misdated where reason = 'too many days'"); n != 480 {
		t.Errorf("%d rows set aside, want 480", n)
	}
	if n := count(t, db); n != len(rows) {
		t.Errorf("%d rows in the view mail, want %d", n, len(rows))
	}
}

func TestLoad_SegmentOfManyDays(t *testing.T) {
	db := database(t, false)
	var rows []*smtp.Envelope
	for i := range 3 * daysAtOnce {
		rows = append(rows, at(old.AddDate(0, 0, i)))
	}
	if _, err := db.Load(t.Context(), "tap", "year", encode(rows...)); err != nil {
		t.Fatal(err)
	}
	if n := ask[int](t, db, partitionCount); n != len(rows) {
		t.Errorf("%d partitions, want %d", n, len(rows))
	}
	if n := ask[int](t, db, "select count(*) from mail where seen_at < '2021-01-01'"); n != len(rows) {
		t.Errorf("%d rows, want %d", n, len(rows))
	}
}

func TestAheadPartitions_AreMadeOnce(t *testing.T) {
	db := database(t, false)
	for _, want := range []int{8, 0} {
		if made, err := db.AheadPartitions(t.Context(), DaysAhead); err != nil || made != want {
			t.Errorf("made %d, %v; want %d", made, err, want)
		}
	}
	if _, err := db.AheadPartitions(t.Context(), 1000); err == nil {
		t.Error("a thousand days were made")
	}
}

// The days of the loaders overlap and stand in different orders; a reader holds the table all the while.
func TestCopyRows_ManySensorsMakeTheSameDaysAtOnce(t *testing.T) {
	db := database(t, false)
	reader := another(t, db.Conn().Config().Database)
	tx, err := reader.Conn().Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	if _, err := tx.Exec(t.Context(), "select count(*) from mail"); err != nil {
		t.Fatal(err)
	}
	const sensors, loads, span = 4, 10, 6
	start := time.Now().UTC().AddDate(0, 0, -loads-span)
	var group sync.WaitGroup
	for s := range sensors {
		conn := another(t, db.Conn().Config().Database)
		group.Go(func() {
			for l := range loads {
				var rows []*smtp.Envelope
				for d := range span {
					if s%2 == 1 {
						d = span - 1 - d
					}
					rows = append(rows, at(start.AddDate(0, 0, l+d)))
				}
				if added, err := conn.Load(context.Background(), fmt.Sprint("tap", s%3), fmt.Sprint(s, l),
					encode(rows...)); err != nil || !added {
					t.Errorf("added %v, %v", added, err)
				}
			}
		})
	}
	group.Wait()
	if n := count(t, db); n != sensors*loads*span {
		t.Errorf("%d rows, want %d", n, sensors*loads*span)
	}
	if n := ask[int](t, db, "select sum(rows) from days"); n != sensors*loads*span {
		t.Errorf("%d rows counted, want %d", n, sensors*loads*span)
	}
	if n := ask[int](t, db, "select count(*) from misdated"); n != 0 {
		t.Errorf("%d rows misdated, want none", n)
	}
}

// A connection that has made a day's partition does not ask for it again; but expiry may have dropped it since.
func TestLoad_MakesADayAgainThatWasDropped(t *testing.T) {
	db := database(t, false)
	for _, segment := range []string{"a", "b"} {
		if _, err := db.Load(t.Context(), "tap", segment, encode(at(old))); err != nil {
			t.Fatal(err)
		}
		if n := count(t, db); n != 1 {
			t.Errorf("%d rows after segment %s, want 1", n, segment)
		}
		if r := expire(t, db, impatient); len(r.Dropped) != 1 {
			t.Fatalf("dropped %+v", r)
		}
	}
}
