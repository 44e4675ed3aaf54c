package store

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// A stranger and an auditor have every advisory lock that tap25 ever took: everything goes on.
func TestLocks_AreNotAStrangers(t *testing.T) {
	db := database(t, false)
	bigDay(t, db, 0, 10_000)
	for _, user := range []*DB{login(t, db, "", "stranger"), login(t, db, "tap25_auditor", "auditor")} {
		for _, lock := range []string{"pg_try_advisory_lock(25, n)", "pg_try_advisory_lock((25::bigint << 32) + n)"} {
			run(t, user, "select "+lock+" from generate_series(7000, 12000) n union all select "+
				strings.ReplaceAll(lock, "n)", "n::int)")+
				" from unnest(array[-2147483648, 2147483645, 2147483646, 2147483647, 0]::bigint[]) n")
		}
		refusedIn(t, user, "lock table tap25_internal.making_partitions in access share mode")
		refusedIn(t, user, "lock table tap25_internal.envelopes in access share mode")
	}
	sensor := login(t, db, "tap25_sensor", "sensor")
	for _, conn := range []*DB{sensor, db} {
		run(t, conn, "set lock_timeout = '5s'") // or the test takes for ever
	}
	if err := load(t, sensor, "alpha", "1"); err != nil {
		t.Error(err)
	}
	if _, err := sensor.Load(t.Context(), "alpha", "2", of("alpha", at(old.AddDate(0, 0, 9)), at(old))); err != nil {
		t.Error(err)
	}
	if made, err := sensor.AheadPartitions(t.Context(), DaysAhead); err != nil || made != DaysAhead {
		t.Errorf("%d days made ahead: %v", made, err)
	}
	if done := finish(t, db, soon); len(done) != 2 || done[1].After == 0 {
		t.Errorf("finished %+v, want both days, and one with its indexes", done)
	}
	if r := expire(t, db, impatient); len(r.Dropped) != 2 {
		t.Errorf("%+v", r)
	}
}

// refusedIn is a statement that a transaction refuses for want of a right.
func refusedIn(t *testing.T, db *DB, sql string) {
	t.Helper()
	_, err := db.Conn().Exec(t.Context(), "begin; "+sql, pgx.QueryExecModeSimpleProtocol)
	fails(t, sql, err, "42501")
	run(t, db, "rollback")
}

// A sensor keeps a transaction open in which it has made a day: loads of days that are there do not wait for it.
func TestLoad_OfDaysThatAreThereWaitsForNoMaker(t *testing.T) {
	db := database(t, false)
	if err := load(t, db, "alpha", "1"); err != nil {
		t.Fatal(err)
	}
	hostile := login(t, db, "tap25_sensor", "hostile")
	run(t, hostile, "begin; select tap25_internal.make_partitions(array['2020-01-01'::date]); select "+
		"tap25_internal.make_partitions_ahead(7)")
	run(t, db, "set lock_timeout = '5s'")
	if err := load(t, db, "alpha", "2"); err != nil {
		t.Error(err)
	}
	run(t, db, "set lock_timeout = '100ms'")
	_, err := db.Load(t.Context(), "alpha", "3", of("alpha", at(old)))
	fails(t, "a load of a day that is to be made", err, "55P03")
	if want := `"` + sessionUser(t, hostile) + `" with "tap25"`; err == nil ||
		!strings.Contains(plain(err).Error(), want) {
		t.Errorf("%v; want it to name %s", plain(err), want)
	}
	run(t, hostile, "rollback")
	if _, err := db.Load(t.Context(), "alpha", "3", of("alpha", at(old))); err != nil {
		t.Errorf("the next try: %v", err)
	}
}

func TestLoad_WaitsForALockForAWhileOnly(t *testing.T) {
	db := database(t, false)
	tx, err := db.Conn().Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	var steps pgx.Batch
	beginLoad(&steps, "alpha", encode(at(old)))
	if err := tx.SendBatch(t.Context(), &steps).Close(); err != nil {
		t.Fatal(err)
	}
	var timeout string
	if err := tx.QueryRow(t.Context(), "show lock_timeout").Scan(&timeout); err != nil || timeout != "30s" {
		t.Errorf("a load waits %s for a lock, %v", timeout, err)
	}
	var memory string
	if err := tx.QueryRow(t.Context(), "show work_mem").Scan(&memory); err != nil || memory != "64MB" {
		t.Errorf("a load's rows are counted in %s of memory, %v", memory, err)
	}
	tx.Rollback(t.Context())
	if timeout := ask[string](t, db, "show lock_timeout"); timeout != "0" {
		t.Errorf("the session waits %s behind the load", timeout)
	}
}

// reading opens a case and keeps a transaction open that has read it.
func reading(t *testing.T, db, auditor *DB) {
	t.Helper()
	grant(t, db, db, auditor, "b@b.example")
	run(t, auditor, "select tap25.open_case('2026-17', 'complaint')")
	run(t, auditor, "select tap25.ask_case('2026-17')")
	run(t, auditor, "begin; select count(*) from tap25.case_mail('2026-17')")
}

func alive(t *testing.T, db *DB) bool {
	t.Helper()
	_, err := db.Conn().Exec(context.Background(), "select 1")
	return err == nil
}

func TestExpire_EndsAReaderThatKeepsADayTooLong(t *testing.T) {
	db := database(t, false)
	loadRows(t, db, "tap", at(old))
	auditor, admin := login(t, db, "tap25_auditor", "auditor"), login(t, db, "tap25_admin", "admin")
	reading(t, db, auditor)
	cfg := impatient
	for _, cfg.EndReaders = range []time.Duration{0, -1} { // an hour; never
		r := expire(t, admin, cfg)
		if len(r.Busy) != 1 || len(r.Busy[0].Users) != 1 || r.Busy[0].Users[0].Login != sessionUser(t, auditor) ||
			len(r.Ended) != 0 {
			t.Errorf("after %s: %+v", cfg.EndReaders, r)
		}
	}
	s, err := db.Status(t.Context())
	if err != nil || len(s.Late) != 1 || !strings.Contains(s.Late[0], "2020-02-29") ||
		!strings.Contains(s.Late[0], sessionUser(t, auditor)) {
		t.Errorf("late days %q, %v", s.Late, err)
	}
	cfg.EndReaders = time.Microsecond
	r := expire(t, admin, cfg)
	if len(r.Dropped) != 1 || len(r.Busy) != 0 || len(r.Ended) != 1 || r.Ended[0].Application != "tap25" {
		t.Errorf("a reader of a microsecond: %+v", r)
	}
	if alive(t, auditor) {
		t.Error("the reader goes on")
	}
	if got := ask[bool](t, admin, "select login = $1 and day = '2020-02-29' and ended_by = session_user and "+
		"open_since < at from tap25_internal.ended_sessions", r.Ended[0].Login); !got {
		t.Error("it is not recorded who was ended, and by whom")
	}
	if s, err := db.Status(t.Context()); err != nil || len(s.Late) != 0 {
		t.Errorf("late days %q, %v", s.Late, err)
	}
}

// No load is ended, whatever the time, and nobody of whom tap25 knows nothing; a sensor's session that does nothing is.
func TestExpire_EndsNoLoadAndNoStranger(t *testing.T) {
	db := database(t, false)
	loadRows(t, db, "tap", at(old))
	cfg := impatient
	cfg.EndReaders = time.Microsecond
	sensor, person := login(t, db, "tap25_sensor", "sensor"), login(t, db, "", "person")
	run(t, db, "grant usage on schema tap25_internal to "+sessionUser(t, person)+
		"; grant select on tap25_internal.envelopes to "+sessionUser(t, person))
	owner := another(t, db.Conn().Config().Database)
	const holdsDay = "begin; lock table tap25_internal.envelopes in access share mode"
	run(t, person, holdsDay)
	run(t, owner, holdsDay)
	run(t, sensor, "begin; select * from tap25_internal.begin_load('alpha', array['2020-02-29'::date])")
	ended := make(chan error)
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		_, err := sensor.Conn().Exec(ctx, "select pg_sleep(600)")
		ended <- err
	}()
	wait(t, func() bool {
		return ask[bool](t, db, "select exists (select from pg_stat_activity where usename = $1 and state = 'active')",
			sensor.Conn().Config().User)
	})
	r := expire(t, db, cfg)
	if len(r.Busy) != 1 || len(r.Busy[0].Users) != 3 || len(r.Ended) != 0 || !alive(t, person) || !alive(t, owner) {
		t.Errorf("%+v", r)
	}
	select {
	case err := <-ended:
		t.Errorf("the load was ended: %v", err)
		stop()
	default:
		stop()
		<-ended
	}
	run(t, person, "rollback")
	run(t, owner, "rollback")
	idle := loginAgain(t, db, sensor.Conn().Config().User)
	run(t, idle, "begin; select * from tap25_internal.begin_load('alpha', array['2020-02-29'::date])")
	if r := expire(t, db, cfg); len(r.Ended) != 1 || len(r.Dropped) != 1 || alive(t, idle) {
		t.Errorf("a sensor that does nothing: %+v", r)
	}
}

// Readers who take turns, each for less than the time: once the day is late for that time, whoever has it is ended.
func TestExpire_EndsReadersWhoTakeTurns(t *testing.T) {
	db := database(t, false)
	loadRows(t, db, "tap", at(old))
	auditor := login(t, db, "tap25_auditor", "auditor")
	reading(t, db, auditor)
	if r := expire(t, db, impatient); len(r.Busy) != 1 || len(r.Ended) != 0 {
		t.Fatalf("%+v", r)
	}
	// in which others have read, and this one for a moment
	run(t, db, "update late_days set since = since - interval '2 hours'")
	if r := expire(t, db, impatient); len(r.Ended) != 1 || len(r.Dropped) != 1 || alive(t, auditor) {
		t.Errorf("%+v", r)
	}
}

// A sensor keeps a transaction open in which it has made a day, and with it all others from making theirs.
func TestUpkeep_EndsWhoKeepsPartitionsFromBeingMade(t *testing.T) {
	db := database(t, false)
	hostile := login(t, db, "tap25_sensor", "hostile")
	run(t, hostile, "begin; select tap25_internal.make_partitions(array['2020-01-01'::date])")
	run(t, db, "set lock_timeout = '100ms'")
	if _, err := db.Upkeep(t.Context(), "tap", "", ExpireConfig{}, Retention{}); !inUse(err) {
		t.Errorf("in the first hour: %v", err)
	}
	report, err := db.Upkeep(t.Context(), "tap", "", ExpireConfig{EndReaders: time.Microsecond}, Retention{})
	if err != nil || len(report.Ended) != 1 || report.Ended[0].Login != hostile.Conn().Config().User ||
		alive(t, hostile) {
		t.Errorf("%+v, %v", report.Ended, err)
	}
}

// An owner who is no superuser may end others' sessions by two roles of the server alone, and says so.
func TestExpire_SaysWhatAnOwnerLacksToEndAReader(t *testing.T) {
	admin := database(t, true)
	name := admin.Conn().Config().Database
	owner := login(t, admin, "", "owner")
	user := sessionUser(t, owner)
	run(t, admin, "alter database "+name+" owner to "+user)
	t.Cleanup(func() {
		admin.Conn().Exec(context.Background(),
			"alter database "+name+" owner to current_user; reassign owned by "+user+" to current_user",
			pgx.QueryExecModeSimpleProtocol)
	})
	if err := owner.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	loadRows(t, owner, "tap", at(old))
	auditor := login(t, admin, "tap25_auditor", "auditor")
	reading(t, admin, auditor)
	cfg := impatient
	cfg.EndReaders = time.Microsecond
	for _, role := range []string{"pg_read_all_stats", "pg_signal_backend"} {
		r := expire(t, owner, cfg)
		if len(r.Ended) != 0 || len(r.Busy) != 1 ||
			!strings.Contains(r.Busy[0].String(), "grant "+role) && !strings.Contains(r.Busy[0].String(), ", "+role) ||
			!alive(t, auditor) {
			t.Errorf("without %s: %+v", role, r)
		}
		run(t, admin, "grant "+role+" to "+user)
	}
	if r := expire(t, owner, cfg); len(r.Ended) != 1 || len(r.Dropped) != 1 || alive(t, auditor) {
		t.Errorf("with both: %+v", r)
	}
}

// Two who rebuild indexes at once: one does, and drops no index that the other is building.
func TestFinishDays_OnlyOneRebuildsIndexes(t *testing.T) {
	db := database(t, false)
	bigDay(t, db, 0, 10_000)
	other := another(t, db.Conn().Config().Database)
	release, ok, err := other.onlyRebuild(t.Context())
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if done := finish(t, db, soon); len(done) != 1 || done[0].After != 0 {
		t.Errorf("beside another: %+v", done)
	}
	release()
	if done := finish(t, db, soon); len(done) != 1 || done[0].After == 0 {
		t.Errorf("behind the other: %+v", done)
	}
}
