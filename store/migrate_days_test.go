package store

import "testing"

// scansOfDays is how often the partitions of days were read whole, by sessions that have ended or say so.
const scansOfDays = "select sum(seq_scan)::int from pg_stat_user_tables where relname ~ '^envelopes_'"

// The migration that gives each day indexes of its own waits for who reads. It has checked the days' times by then, and
// reads no row while others wait for it. A migration that was broken off is taken up again.
func TestMigrate_ReadsNoRowWhileOthersWait(t *testing.T) {
	db := migratedTo(t, 26)
	for i := range 3 {
		loadRows(t, db, "tap", at(old.AddDate(0, 0, i)))
	}
	execute(t, db, "select summarize_day(day) from days",
		"update days set rows = 20000000 where day = '2020-03-01'")
	want := whole(t, db, "mail")
	reader, hasty := another(t, db.Conn().Config().Database), another(t, db.Conn().Config().Database)
	execute(t, reader, "begin", "lock table only envelopes in access share mode")
	execute(t, hasty, "set lock_timeout = '100ms'")
	wantBlocked(t, hasty.Migrate(t.Context()), reader, "locks are held by")
	const checked = "select count(*) from pg_constraint where conname = 'in_day' and convalidated"
	if n := ask[int](t, db, checked); n != 3 {
		t.Errorf("the times of %d days are checked, want 3", n)
	}
	execute(t, reader, "rollback")
	// As if it had been broken off before that day.
	execute(t, db, "alter table envelopes_20200302 drop constraint in_day")
	for _, session := range []*DB{db, reader, hasty} { // none tells later what it read before
		execute(t, session, "select pg_stat_force_next_flush()")
	}
	before := ask[int](t, hasty, scansOfDays)
	if err := hasty.checkDays(t.Context()); err != nil {
		t.Fatal(err)
	}
	execute(t, hasty, "select pg_stat_force_next_flush()")
	if n := ask[int](t, hasty, scansOfDays) - before; n != 1 {
		t.Errorf("%d days are checked again, want 1", n)
	}
	if err := hasty.migrateTo(t.Context(), internalSchema, sessionUser(t, db), 27); err != nil {
		t.Fatal(err)
	}
	execute(t, hasty, "select pg_stat_force_next_flush()")
	if n := ask[int](t, hasty, scansOfDays) - before; n != 1 {
		t.Errorf("the migration reads %d days, want none", n-1)
	}
	if n := ask[int](t, db, "select count(*) from pg_constraint where conname = 'in_day'"); n != 0 {
		t.Errorf("%d constraints are left", n)
	}
	if whole(t, db, "mail") != want {
		t.Error("the rows have changed")
	}
	const indexes = "envelopes_20200229 bucket 4, envelopes_20200301 bucket 4, envelopes_20200302 bucket 4"
	if got := addressIndexes(t, db, "true"); got != indexes {
		t.Errorf("indexes %s, want %s", got, indexes)
	}
	if bits := ask[int](t, db, "select bits from expected_volume"); bits != 24 {
		t.Errorf("the indexes of new days have %d bits, want 24", bits)
	}
	if n := ask[int](t, db, "select count(*) from prints group by day having count(*) > 0 limit 1"); n == 0 {
		t.Error("the prints are gone")
	}
}
