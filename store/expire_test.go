package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"tap25/reassembly/smtp"
)

// old is a day that every retention of these tests drops.
var old = time.Date(2020, 2, 29, 12, 0, 0, 0, time.UTC)

// impatient gives a day in use up soon.
var impatient = ExpireConfig{Version: "test", Patience: 300 * time.Millisecond}

// expire expires by the stored retention, or the one of cfg, else by two years.
func expire(t testing.TB, db *DB, cfg ExpireConfig) ExpireReport {
	t.Helper()
	report, err := db.Expire(context.Background(), cfg)
	if errors.Is(err, ErrNoRetention) {
		cfg.Retention = Retention{Years: 2}
		report, err = db.Expire(context.Background(), cfg)
	}
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestParseRetention(t *testing.T) {
	for s, want := range map[string]Retention{"730d": {Days: 730}, "24mo": {Months: 24}, "2y": {Years: 2},
		"1d": {Days: 1}} {
		if got, err := ParseRetention(s); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "0d", "-1d", "2", "2w", "2m", "1.5y", "2y ", "999999d", "y"} {
		if got, err := ParseRetention(s); err == nil {
			t.Errorf("%q is read as %+v", s, got)
		}
	}
}

func TestExpire_DropsDaysThatAreWhollyOlder(t *testing.T) {
	db := database(t, false)
	now := time.Date(2026, 3, 10, 15, 0, 0, 0, time.UTC)
	first := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC) // kept by 9 days of retention
	loadRows(t, db, "tap", at(first.Add(-time.Microsecond)), at(first.Add(-25*time.Hour)), at(first.Add(-26*time.Hour)),
		at(first), at(now))
	cfg := ExpireConfig{Retention: Retention{Days: 9}, Version: "1.2", Now: now}

	dry := cfg
	dry.DryRun = true
	if r := expire(t, db, dry); len(r.Dropped) != 2 || r.Dropped[0].Rows != 2 || r.Dropped[1].Rows != 1 ||
		!r.Cutoff.Equal(first) {
		t.Errorf("dry run: %+v", r)
	}
	if n := count(t, db); n != 5 {
		t.Fatalf("%d rows behind a dry run, want 5", n)
	}
	size := ask[int64](t, db, "select pg_total_relation_size('envelopes_20260227')")
	report := expire(t, db, cfg)
	want := []ExpiredDay{
		{Day: first.AddDate(0, 0, -2), Kind: "partition", Rows: 2, Bytes: size},
		{Day: first.AddDate(0, 0, -1), Kind: "partition", Rows: 1, Bytes: size},
	}
	if diff := cmp.Diff(want, report.Dropped); diff != "" {
		t.Error(diff)
	}
	if n := count(t, db); n != 2 {
		t.Errorf("%d rows, want 2", n)
	}
	recorded := ask[string](t, db, "select string_agg(concat_ws(' ', day, kind, rows, bytes = $1, version, "+
		"dropped_at > now() - interval '1 hour'), ', ' order by day) from expired", size)
	if want := "2026-02-27 partition 2 t 1.2 t, 2026-02-28 partition 1 t 1.2 t"; recorded != want {
		t.Errorf("recorded %s, want %s", recorded, want)
	}
	if r := expire(t, db, cfg); len(r.Dropped) != 0 || len(r.Busy) != 0 {
		t.Errorf("the second time: %+v", r)
	}
}

func TestExpire_ReaderFinishesAndTheDayGoesLater(t *testing.T) {
	db := database(t, false)
	loadRows(t, db, "tap", at(old), at(old))
	reader := another(t, db.Conn().Config().Database)
	tx, err := reader.Conn().Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	read := func() (n int) {
		if err := tx.QueryRow(t.Context(), "select count(*) from mail").Scan(&n); err != nil {
			t.Error(err)
		}
		return n
	}
	read()
	if r := expire(t, db, impatient); len(r.Busy) != 1 || len(r.Dropped) != 0 {
		t.Errorf("beside a reader: %+v", r)
	}
	if n := read(); n != 2 {
		t.Errorf("the reader sees %d rows, want 2", n)
	}
	tx.Commit(t.Context())
	if r := expire(t, db, impatient); len(r.Dropped) != 1 || r.Dropped[0].Rows != 2 {
		t.Errorf("behind the reader: %+v", r)
	}
}

func TestExpire_WriterFinishesAndItsRowsAreCounted(t *testing.T) {
	db := database(t, false)
	loadRows(t, db, "tap", at(old))
	writer := another(t, db.Conn().Config().Database)
	tx, err := writer.Conn().Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	if err := copyAll(t.Context(), tx, "tap", encode(at(old), at(old))); err != nil {
		t.Fatal(err)
	}
	if r := expire(t, db, impatient); len(r.Busy) != 1 || len(r.Dropped) != 0 {
		t.Errorf("beside a writer: %+v", r)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := expire(t, db, impatient); len(r.Dropped) != 1 || r.Dropped[0].Rows != 3 {
		t.Errorf("behind the writer: %+v", r)
	}
}

// Writers, readers and two expiries at once: nobody gets an error, and every row is in the table or recorded as
// dropped.
func TestExpire_BesideLoadsAndReadersEveryRowIsAccountedFor(t *testing.T) {
	db := database(t, false)
	name := db.Conn().Config().Database
	cfg := impatient
	cfg.Retention = Retention{Years: 2}
	var done atomic.Bool
	var others, writers sync.WaitGroup
	for range 2 {
		expirer, reader := another(t, name), another(t, name)
		others.Go(func() {
			for !done.Load() {
				if _, err := expirer.Expire(context.Background(), cfg); err != nil {
					t.Errorf("expire: %v", err)
					return
				}
			}
		})
		others.Go(func() {
			for !done.Load() {
				if _, err := reader.Conn().Exec(context.Background(),
					"select * from mail_to('b@b.example')"); err != nil {
					t.Errorf("read: %v", err)
					return
				}
			}
		})
	}
	const sensors, loads = 3, 40
	for s := range sensors {
		conn := another(t, name)
		writers.Go(func() {
			for l := range loads {
				rows := []*smtp.Envelope{at(old.AddDate(0, 0, l%3)), at(time.Now()), at(old.AddDate(0, 0, (l+s)%4))}
				if _, err := conn.Load(context.Background(), fmt.Sprint("tap", s), fmt.Sprint(l),
					encode(rows...)); err != nil {
					t.Errorf("load: %v", err)
				}
			}
		})
	}
	writers.Wait()
	done.Store(true)
	others.Wait()
	expired := ask[int](t, db, "select coalesce(sum(rows), 0) from expired")
	if n := count(t, db); n+expired != 3*sensors*loads || expired == 0 {
		t.Errorf("%d rows and %d expired, want %d together", n, expired, 3*sensors*loads)
	}
	if n := ask[int](t, db, "select sum(rows) from days"); n != count(t, db) {
		t.Errorf("%d rows counted, %d there", n, count(t, db))
	}
}

func TestExpire_MisdatedRowsGoByTheTimeTheyWereLoaded(t *testing.T) {
	db := database(t, false)
	loadRows(t, db, "tap", at(time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)),
		at(time.Date(2106, 1, 1, 0, 0, 0, 0, time.UTC)))
	if r := expire(t, db, impatient); len(r.Dropped) != 0 {
		t.Errorf("dropped at once: %+v", r)
	}
	yearsGoBy(t, db)
	if r := expire(t, db, impatient); len(r.Dropped) != 1 || r.Dropped[0].Kind != "misdated" || r.Dropped[0].Rows != 2 {
		t.Errorf("three years on: %+v", r)
	}
	if n := count(t, db); n != 0 {
		t.Errorf("%d rows, want none", n)
	}
}

// Two sensors expire at the same time: the rows are gone once, and the record says so once.
func TestExpire_MisdatedRowsAreCountedOnce(t *testing.T) {
	db := database(t, false)
	loadRows(t, db, "tap", at(time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)))
	yearsGoBy(t, db)
	execute(t, db, "select set_retention('1 year')")
	const expires = "select count(*) from tap25_internal.expire_misdated(now() - interval '2 years', 'x')"
	tx, err := db.Conn().Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), expires); err != nil {
		t.Fatal(err)
	}
	second := again(t, db)
	done := make(chan error)
	go func() {
		_, err := second.Conn().Exec(t.Context(), expires)
		done <- err
	}()
	wait(t, func() bool {
		return ask[bool](t, db, "select exists (select from pg_stat_activity where wait_event_type = 'Lock' and pid = $1)",
			int(second.Conn().PgConn().PID()))
	})
	if err := errors.Join(tx.Commit(t.Context()), <-done); err != nil {
		t.Fatal(err)
	}
	if n := ask[int](t, db, "select sum(rows) from expired where kind = 'misdated'"); n != 1 {
		t.Errorf("%d rows noted as expired, of one", n)
	}
}

// BenchmarkExpire drops a day of a million rows, with its summary.
func BenchmarkExpire(b *testing.B) {
	db := database(b, false)
	for b.Loop() {
		b.StopTimer()
		err := pgx.BeginFunc(b.Context(), db.Conn(), func(tx pgx.Tx) error {
			if _, err := tx.Exec(b.Context(), "select * from tap25_internal.begin_load('tap', "+
				"array['2020-02-29'::date])"); err != nil {
				return err
			}
			_, err := tx.Exec(b.Context(), `insert into envelopes (seen_at, session_id, mail_no, client_port, server_port, outcome, flags, auth, client_ip, server_ip, sensor, mail_from, rcpt_to, helo)
				select timestamptz '2020-02-29 00:00Z' + n * interval '80 ms', n, 1, 0, 0, 1, 0, false, inet '10.0.0.0' + n % 65536, '10.1.1.1', 'tap',
				md5(n::text) || '@a.example', md5((-n)::text) || '@b.example', 'mx.example' from generate_series(1, 1000000) n`)
			return err
		})
		if err == nil {
			_, err = db.Conn().Exec(b.Context(), "select summarize_day('2020-02-29')")
		}
		if err == nil { // as a day that old has been: else autovacuum may come to it just then
			_, err = db.Conn().Exec(b.Context(), "vacuum analyze")
		}
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if r := expire(b, db, impatient); len(r.Dropped) != 1 {
			b.Fatalf("%+v", r)
		}
	}
}
