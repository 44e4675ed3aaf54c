package store

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// before inserts rows as the tap25 of schema 2 did.
const before = `
	create table envelopes_20260102 partition of envelopes for values from ('2026-01-02 00:00Z') to ('2026-01-03 00:00Z');
	create table envelopes_20260103 partition of envelopes for values from ('2026-01-03 00:00Z') to ('2026-01-04 00:00Z');
	insert into envelopes (seen_at, session_id, message_bytes, lost_bytes, mail_no, client_port, server_port, outcome, mail_code, flags, auth, client_ip, server_ip, sensor, mail_from, rcpt_to)
	select timestamptz '2026-01-02 23:59Z' + n * interval '10 s', n, n, n % 3, n, n * 2000, 65535 - n, (enum_range(null::outcome))[1 + n % 6], 250, n % 4, n % 2 = 0,
	       '192.0.2.1', '2001:db8::25', 'tap', 'User' || n || '@A.example', case when n % 5 > 0 then 'x@b.example' end from generate_series(0, 30) n;
	insert into loads (sensor, segment, rows) values ('tap', 'one', 31)`

// later inserts what else there was by a version of the schema.
var later = map[int32]string{
	5: `insert into misdated select e.*, 'before 1990', now() from envelopes e where session_id = 3;
		select add_hold('x@b.example', null, null, null, null, null, 'order'); select add_hold(null, 'c.example', null, null, null, null, 'over'); select drop_hold(2);
		insert into held select e.*, array[1] from envelopes e where session_id = 4;
		insert into expired (day, kind, rows, bytes, version) values ('2024-01-01', 'partition', 5, 8192, '0.1')`,
	6: `insert into warrants (case_id, auditor, mailbox, since, before, valid_until, reason)
		values ('2026-17', session_user, 'User7@a.example', '2026-01-01', '2026-02-01', now() + interval '1 day', 'order');
		select open_case('2026-17', 'test'); insert into accesses (case_id, action, rows) values ('2026-17', 'read', 1)`,
	8: `select summarize_day('2026-01-02'); insert into reindexed values ('2026-01-02', 6, 2, 1, now())`,
}

// oldDatabase is a database of a version that had all in public, with rows, of an owner who is no superuser.
func oldDatabase(t *testing.T, version int32) (db, owner *DB) {
	t.Helper()
	db = database(t, true)
	owner = as(t, db, "pg_read_all_settings", "owner")
	name := sessionUser(t, owner)
	if _, err := db.Conn().Exec(t.Context(), "alter database "+db.Conn().Config().Database+" owner to "+
		name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		db.Conn().Exec(context.Background(), "alter database "+db.Conn().Config().Database+" owner to current_user")
	})
	for v := int32(1); v <= version; v++ {
		err := owner.migrateTo(t.Context(), "public", name, v)
		if sql := later[v]; err == nil && v >= 2 {
			if v == 2 {
				sql = before
			}
			_, err = owner.Conn().Exec(t.Context(), sql)
		}
		if err != nil {
			t.Fatalf("version %d: %v", v, err)
		}
	}
	return db, owner
}

// whole is everything in a relation but nulls, which columns are that an older version lacks.
func whole(t *testing.T, db *DB, relation string) string {
	t.Helper()
	return ask[string](t, db, "select coalesce(string_agg(j::text, e'\n' order by j::text), '') from "+relation+
		" t, jsonb_strip_nulls(to_jsonb(t)) j")
}

// caseMail is what a case opens, without what rows have only since mail_once.
const caseMail = "(select to_jsonb(m) - 'sensors' - 'copies' as line from case_mail('2026-17') m)"

// kept is what a migration leaves as it is: relations and the answers of questions, of which a version has some.
func kept(t *testing.T, db *DB, version int32) map[string]string {
	t.Helper()
	is := map[string]string{}
	for v, names := range map[int32][]string{
		2: {"mail", "loads", "mail_from('uSER7@a.example')", "mail_to('X@b.example')", "mail_from_domain('a.EXAMPLE')",
			"mail_to_domain('b.example')"},
		4: {"days", "(select day from partitions())"},
		5: {"holds", "(select day, kind, rows, bytes, kept, hold_ids, dropped_at, version from expired)", "held",
			"misdated"},
		6: {"(select case_id, auditor, mailbox, domain, network, since, before, valid_until, reason, granted_by, " +
			"granted_at from warrants)",
			"(select at, auditor, case_id, action, purpose, rows, xid from accesses where action = 'open')"},
		8: {"summaries", "prints", "reindexed", "mail_client('192.0.2.1')"}, 9: {caseMail},
	} {
		for _, name := range names {
			// which have no view
			if version >= v && !(strings.HasPrefix(name, "mail") && (version == 3 || version == 4)) {
				is[name] = whole(t, db, name)
			}
		}
	}
	return is
}

func TestMigrate_UpgradesASchemaWithRowsInIt(t *testing.T) {
	database(t, false) // which makes the roles
	for version := int32(2); version <= lastInPublic; version++ {
		t.Run(fmt.Sprint(version), func(t *testing.T) { upgrades(t, version) })
	}
}

func upgrades(t *testing.T, version int32) {
	_, db := oldDatabase(t, version)
	want := kept(t, db, version)
	if err := db.Check(t.Context()); err != ErrOlderSchema {
		t.Errorf("before: %v", err)
	}
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if version >= 9 {
		run(t, db, "select ask_case('2026-17')")
	}
	for name, was := range want {
		if is := whole(t, db, name); is != was {
			t.Errorf("%s has changed, from %d octets to %d", name, len(was), len(is))
		}
	}
	if n, all := ask[int](t, db, "select count(*) from mail_from('uSER7@a.example')"),
		count(t, db); n != 1 || all < 31 || version < 5 && all > 31 {
		t.Errorf("%d rows by address, want 1; %d in all", n, all)
	}
	again, err := db.Load(t.Context(), "tap", "one", encode(full()))
	if err != nil || again {
		t.Errorf("a segment was loaded again: %v, %v", again, err)
	}
	if s, err := db.Status(t.Context()); err != nil || s.Rows != 31 || s.Partitions != 2 {
		t.Errorf("%+v, %v", s, err)
	}
	loadRows(t, db, "tap", at(time.Date(2026, 1, 3, 5, 0, 0, 0, time.UTC)))
	r := expire(t, db, ExpireConfig{Retention: Retention{Days: 1}, Version: "test"})
	if len(r.Dropped) < 2 || r.Dropped[0].Rows+r.Dropped[1].Rows != 32 {
		t.Errorf("expired %+v", r)
	}
	if left := lines(t, db, "select relname::text from pg_class where relnamespace = 'public'::regnamespace union "+
		"all select proname::text from pg_proc where pronamespace = 'public'::regnamespace"); len(left) > 0 {
		t.Errorf("in public are still %s", strings.Join(left, ", "))
	}
}

// Views and rights that users have made on tap25's objects go on working, whoever reads them.
func TestMigrate_LeavesUsersTheirViewsAndRights(t *testing.T) {
	database(t, false)
	super, owner := oldDatabase(t, lastInPublic)
	admin, reader := as(t, super, "tap25_admin", "adam"), as(t, super, "pg_monitor", "reader")
	maker := as(t, super, "pg_monitor", "maker")
	for _, step := range []struct {
		db  *DB
		sql string
	}{
		{super, "create schema reports authorization " + sessionUser(t, maker)},
		{owner, "grant select on public.mail to " + sessionUser(t, reader) + ", " + sessionUser(t, maker)},
		{maker, "create view reports.of_b as select * from public.mail where rcpt_to like '%@b.example'"},
		{maker, "grant usage on schema reports to " + sessionUser(t, reader) + "; grant select on reports.of_b to " +
			sessionUser(t, reader)},
		{admin, "select * from public.mail"},
	} {
		if _, err := step.db.Conn().Exec(t.Context(), step.sql); err != nil {
			t.Fatal(err)
		}
	}
	asked := func() []string {
		return []string{whole(t, maker, "reports.of_b"), whole(t, reader, "reports.of_b"), whole(t, reader, "mail")}
	}
	want := asked()
	if err := owner.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := asked(); !slices.Equal(got, want) || want[1] == "" {
		t.Error("the users' views have other rows")
	}
	refused(t, admin, "select * from mail") // which their role let them read
}

func TestMigrate_ManyAtOnce(t *testing.T) {
	database(t, false)
	for _, old := range []bool{false, true} {
		db := database(t, true)
		if old {
			db, _ = oldDatabase(t, lastInPublic)
		}
		var group sync.WaitGroup
		for range 4 {
			other := another(t, db.Conn().Config().Database)
			group.Go(func() {
				if err := other.Migrate(context.Background()); err != nil {
					t.Errorf("from an older schema %v: %v", old, err)
				}
			})
		}
		group.Wait()
		if err := db.Check(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// A migration that was released is never changed: the next one is added.
func TestMigrations_AreNumberedWithoutAGap(t *testing.T) {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil || len(files) < 6 {
		t.Fatalf("%d migrations, %v", len(files), err)
	}
	db := database(t, false)
	have, want, err := db.Version(t.Context())
	if err != nil || have != want || int(want) != len(files) {
		t.Errorf("version %d of %d, %d files, %v", have, want, len(files), err)
	}
}

// What a hostile sensor has written before is not believed, and does not stop the migration.
func TestMigrate_BelievesNoForgedCount(t *testing.T) {
	database(t, false) // makes the roles
	db, owner := oldDatabase(t, lastInPublic)
	hostile := as(t, db, "tap25_sensor", "hostile")
	run(t, hostile, `select begin_load('evil', array['2026-01-02'::date, '2026-01-03'], array[-100000, 0]::bigint[]), begin_load('worse', array['2026-01-02'::date], array[9223372036854775807]);
		insert into envelopes select * from unnest(array[row('2026-01-03 12:00Z', 1, null, null, null, 1, 0, 0, 99, null, null, null, 32767, false, '192.0.2.1', '192.0.2.2', 'evil',
			null, 'hidden@b.example', null, null, null, null, null, null, null)::envelopes]) e`)
	// what was counted still, with a row more
	run(t, owner, "insert into summaries (day, rows, bits) values ('2026-01-03', 25, 0)")
	if err := owner.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := mailOf(t, owner, "hidden@b.example"); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
	got := ask[string](t, owner,
		"select string_agg(concat_ws(' ', day, sensor, rows), ', ' order by day, sensor) from tap25_internal.days")
	if want := "2026-01-02 evil 0, 2026-01-02 tap 6, 2026-01-02 worse 0, 2026-01-03 evil 0, 2026-01-03 tap 25"; got != want {
		t.Errorf("counted %s, want %s", got, want)
	}
	if _, err := hostile.Load(t.Context(), "evil", "1",
		of("evil", at(time.Date(2026, 1, 3, 13, 0, 0, 0, time.UTC)))); err != nil {
		t.Errorf("the next load: %v", err)
	}
	checks := ask[string](t, owner, `select string_agg(conrelid::regclass || ' ' || convalidated, ', ' order by conrelid::regclass::text) from pg_constraint where conname = 'row_values'`)
	if want := "tap25_internal.envelopes false, tap25_internal.envelopes_20260102 true, " +
		"tap25_internal.envelopes_20260103 false, tap25_internal.misdated true"; strings.ReplaceAll(checks,
		"tap25_internal.", "") != strings.ReplaceAll(want, "tap25_internal.", "") {
		t.Errorf("checks %s, want %s", checks, want)
	}
}

// recorded inserts what the tap25 of schemas 6 to 12 recorded, of another user too.
const recorded = `
	insert into warrants (case_id, auditor, mailbox, since, before, valid_until, reason, granted_by, granted_at)
	values ('2026-18', 'paula', 'x', '2026-01-01', '2026-02-01', '2026-01-08', 'order', 'judge', '2026-01-06');
	insert into accesses (at, auditor, case_id, action, purpose, rows) values ('2026-01-07', 'paula', '2026-18', 'open', 'complaint', null), ('2026-01-08', 'paula', '2026-18', 'read', null, 3)`

func TestMigrate_NumbersWhatWasRecorded(t *testing.T) {
	database(t, false)
	for version := int32(6); version <= lastInPublic+1; version++ {
		super, db := oldDatabase(t, min(version, lastInPublic))
		if version > lastInPublic {
			if err := db.leavePublic(t.Context(), sessionUser(t, db)); err != nil {
				t.Fatal(err)
			}
		}
		execute(t, db, recorded)
		if err := db.Migrate(t.Context()); err != nil {
			t.Fatalf("from version %d: %v", version, err)
		}
		const since = `select concat_ws(', ', (select string_agg(concat_ws(' ', id, case_id, granted_by = $1, granted_at < '2026-01-07'), ', ' order by id) from warrants),
			(select string_agg(concat_ws(' ', warrant_id, action, by = $1), ', ' order by id) from warrant_events), (select string_agg(concat_ws(' ', id, auditor = $1, action, rows), ', ' order by id) from accesses),
			(select count(*) from missing_accesses), (select count(dropped_by) from expired))`
		const want = "1 2026-17 t f, 2 2026-18 f t, 1 migrated t, 2 migrated t, 1 t open, 2 t read 1, 3 f open, 4 f " +
			"read 3, 0, 0"
		if got := ask[string](t, super, since, sessionUser(t, db)); got != want {
			t.Errorf("from version %d: %s, want %s", version, got, want)
		}
		if !ask[bool](t, db, "select open_case('2026-17', 'complaint')") ||
			ask[int](t, db, "select ask_case('2026-17')") != 6 ||
			ask[int](t, db, "select count(*) from case_mail('2026-17')") != 1 {
			t.Errorf("from version %d: the warrant opens nothing", version)
		}
		if n := ask[int](t, db, "select max(id) from accesses"); n != 7 {
			t.Errorf("from version %d: the last access is %d, want 7", version, n)
		}
		for _, sql := range []string{"delete from accesses", "update accesses set purpose = ''",
			"update warrants set reason = ''", "delete from expired"} {
			refused(t, db, sql)
		}
	}
}
