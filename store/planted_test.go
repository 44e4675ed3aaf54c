package store

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tap25/store/storetest"
)

// plant makes, as a stranger, functions, operators, types and tables in a schema with the names that tap25's functions
// and statements use, of more exact types than the system's. Whatever of it runs as another than the stranger fails,
// and says so.
const plant = `
do $plant$
declare
	n text; a text; o text;
begin
	execute 'create function here.sprung() returns void language plpgsql as $$ begin
		if current_user::pg_catalog.text operator(pg_catalog.<>) %thief%::pg_catalog.text then raise ''planted code runs as %'', current_user; end if; end $$';
	foreach n in array %names% loop
		foreach a in array array['', 'text', 'text,text', 'text,name', 'text,oid', 'text,regclass', 'text,text,text', 'text,text,int', 'text,text,regclass,text', 'name', 'name,oid,text', 'oid', 'oid,text',
			'regclass', 'date', 'date,text', 'timestamp,text', 'text,timestamp', 'text,timestamptz', 'timestamptz', 'text,date', 'interval', 'inet', 'cidr', 'bigint', 'int', 'smallint', 'numeric', 'int,int',
			'bigint,bigint', 'numeric,numeric', 'smallint,int', 'text[]', 'date[]', 'bigint[]', 'date[],bigint[]', 'text[],text', 'bigint[],bigint', 'jsonb', 'bytea', 'text,inet', 'text,text,inet', 'date,jsonb', 'text,bigint'] loop
			begin
				execute pg_catalog.format('create function here.%I(%s) returns text language plpgsql as $$ begin perform here.sprung(); return null; end $$', n, a);
			exception when others then null; end;
		end loop;
	end loop;
	foreach a in array array['text,text', 'text,name', 'name,text', 'name,name', 'name,oid', 'oid,oid', 'bigint,bigint', 'bigint,int', 'int,int', 'smallint,int', 'smallint,smallint', 'numeric,numeric', 'numeric,int', 'numeric,bigint', 'date,date',
		'date,int', 'date,text', 'timestamptz,timestamptz', 'timestamptz,interval', 'timestamp,interval', 'inet,inet', 'inet,text', 'jsonb,text', 'jsonb,jsonb', 'bigint[],bigint[]', 'text[],text[]', 'xid8,xid8', 'boolean,boolean', 'int,text', 'regclass,oid', 'oid,regclass'] loop
		begin
			execute pg_catalog.format('create function here.trap(%s) returns boolean language plpgsql as $$ begin perform here.sprung(); return null; end $$', a);
		exception when others then null; end;
		foreach o in array array['=', '<>', '<', '>', '<=', '>=', '||', '&', '|', '<<', '>>', '<<=', '>>=', '<@', '@>', '&&', '?', '~', '~~', '+', '-', '*', '/', '%'] loop
			begin
				execute pg_catalog.format('create operator here.%s (function = here.trap, leftarg = %s, rightarg = %s)', o, pg_catalog.split_part(a, ',', 1), pg_catalog.split_part(a, ',', 2));
			exception when others then null; end;
		end loop;
	end loop;
	foreach n in array array['jsonb', 'inet', 'regclass', 'date', 'name', 'xid8', 'outcome', 'warrants', 'holds'] loop
		begin
			execute pg_catalog.format('create domain here.%I as text check (here.sprung() is null)', n);
		exception when others then null; end;
	end loop;
end $plant$`

// plantTables makes tables of the names of tap25's, as far as they are free; whoever writes to them springs the trap.
const plantTables = `
do $plant$
declare n text;
begin
	create or replace function here.sprung_by() returns trigger language plpgsql as $$ begin perform here.sprung(); return null; end $$;
	foreach n in array array['envelopes', 'misdated', 'held', 'loads', 'days', 'summaries', 'prints', 'reindexed', 'accesses', 'expired', 'mail', 'mail_days', 'mail_aside', 'pg_roles', 'pg_class', 'pg_inherits'] loop
		begin
			execute pg_catalog.format('create table here.%I (day date, sensor text, case_id text, rows bigint)', n);
			execute pg_catalog.format('create trigger sprung before insert or update or delete on here.%I for each statement execute function here.sprung_by()', n);
		exception when others then null; end;
	end loop;
end $plant$`

// called finds what may be the name of a function in SQL.
var called = regexp.MustCompile(`\b([a-z_][a-z0-9_]*)\s*\(`)

// callees are the names of the system's functions that the functions of this tap25, and the statements of the program,
// call.
func callees(t *testing.T, db *DB) []string {
	t.Helper()
	steps, err := migrationSQL()
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"count", "sum", "max", "min", "now", "has_function_privilege", "pg_size_pretty",
		"pg_indexes_size", "split_part"}
	for _, m := range called.FindAllStringSubmatch(strings.Join(steps, "\n"), -1) {
		names = append(names, m[1])
	}
	return lines(t, db, "select distinct proname::text from pg_proc where pronamespace = 'pg_catalog'::regnamespace "+
		"and proname = any ($1)", names)
}

// plantIn plants functions of these names, and all else, in a schema.
func plantIn(t *testing.T, db, thief *DB, schema string, names []string) {
	t.Helper()
	least := 30 * len(names)
	fill := strings.NewReplacer("here.", schema+".", "%thief%", "''"+sessionUser(t, thief)+"''", "%names%",
		"array['"+strings.Join(names, "','")+"']")
	run(t, thief, fill.Replace(plant))
	run(t, thief, fill.Replace(plantTables))
	for _, kind := range []struct {
		catalog, owner string
		least          int
	}{{"pg_proc", "proowner", least}, {"pg_operator", "oprowner", 500}, {"pg_class", "relowner", 5},
		{"pg_type", "typowner", 15}} {
		sql := "select pg_catalog.count(*) from pg_catalog." + kind.catalog + " where " + kind.owner +
			" = $1::pg_catalog.regrole"
		if n := ask[int](t, db, sql, sessionUser(t, thief)); n < kind.least {
			t.Fatalf("%d of %s are planted, want %d", n, kind.catalog, kind.least)
		}
	}
}

// strangers makes users of the roles and one of none, who search a schema first.
func strangers(t *testing.T, db *DB, path string) (sensor, auditor, admin, thief *DB) {
	t.Helper()
	sensor, auditor, admin = as(t, db, "tap25_sensor", "tap1"), as(t, db, "tap25_auditor", "paula"),
		as(t, db, "tap25_admin", "adam")
	thief = as(t, db, "pg_monitor", "thief")
	for _, u := range []*DB{sensor, auditor, admin, thief} {
		if _, err := u.Conn().Exec(t.Context(), "set search_path = "+path); err != nil {
			t.Fatal(err)
		}
	}
	return sensor, auditor, admin, thief
}

// Public was open before the migration, as up to PostgreSQL 14, and is opened again after it: what was planted there
// runs as nobody, whoever calls whichever function with it on his path.
func TestPlanted_CodeInPublicRunsAsNobody(t *testing.T) {
	database(t, false)
	super, owner := oldDatabase(t, lastInPublic)
	open := func() {
		if _, err := super.Conn().Exec(t.Context(),
			"grant create on schema public to public; grant temporary on database "+super.Conn().Config().Database+
				" to public"); err != nil {
			t.Fatal(err)
		}
	}
	open()
	// The system's schema last: planted objects of the same types win as well.
	sensor, auditor, admin, thief := strangers(t, super, "public, tap25, tap25_internal, pg_catalog")
	plantIn(t, super, thief, "public", callees(t, super))
	if err := owner.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	open()
	run(t, thief, strings.ReplaceAll(plantTables, "here.", "public."))
	if n := ask[int](t, super, "select count(*) from pg_class where relowner = $1::regrole and relkind = 'r'",
		sessionUser(t, thief)); n < 16 {
		t.Fatalf("%d tables are planted, want 16", n)
	}
	callEverything(t, super, owner, sensor, auditor, admin)
}

// The same in the schema of temporary objects, where everybody may create whom the database lets.
func TestPlanted_TemporaryTablesAreNotTapsOwn(t *testing.T) {
	database(t, false)
	super, owner := oldDatabase(t, lastInPublic)
	if err := owner.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := super.Conn().Exec(t.Context(),
		"grant temporary on database "+super.Conn().Config().Database+" to public"); err != nil {
		t.Fatal(err)
	}
	sensor, auditor, admin, _ := strangers(t, super, "pg_temp, tap25, tap25_internal, pg_catalog")
	for _, u := range []*DB{sensor, auditor, admin} {
		plantIn(t, super, u, "pg_temp", []string{"format", "lower"}) // which are not found there
	}
	callEverything(t, super, owner, sensor, auditor, admin)
}

// callEverything has each user call each function that he may, in a database that oldDatabase made, and the program do
// all that it does as the owner.
func callEverything(t *testing.T, super, owner, sensor, auditor, admin *DB) {
	t.Helper()
	approve(t, super, ask[int64](t, owner, "select tap25.apply_for_warrant(case_id, reason, array[$1::pg_catalog.name], "+
		"array[mailbox], since, before, valid_until) from tap25.warrants", sessionUser(t, auditor)))
	run(t, owner, "select tap25.set_retention('1 day')")
	for _, c := range []struct {
		db  *DB
		sql string
	}{
		{sensor, "begin; select tap25_internal.make_partitions(array['2026-01-04', " +
			"'2026-01-05']::pg_catalog.date[]); select tap25_internal.enter_loads('tap', '{x}', '{1}'), " +
			"tap25_internal.begin_load('tap', '{2026-01-04}'); insert into tap25_internal.envelopes (seen_at, " +
			"session_id, mail_no, client_port, server_port, outcome, flags, auth, client_ip, server_ip, sensor) " +
			"values ('2026-01-04', 1, 1, 0, 0, 1, 0, false, '192.0.2.1', '192.0.2.2', 'tap'); commit"},
		{sensor, "select tap25_internal.make_partitions_ahead(7), tap25_internal.prune_loads('tap', 'x'), " +
			"tap25_internal.summarize_day('2026-01-03'), tap25_internal.days_over('0')"},
		{auditor, "select tap25.open_case('2026-17', 'test')"},
		{auditor, "select tap25.ask_case('2026-17')"},
		{auditor, "select tap25.case_mail('2026-17')"},
		{auditor, "select tap25.case_list('2026-17'), tap25.case_answer(1), tap25.case_completeness('2026-17')"},
		{auditor, "select * from tap25.my_cases"},
		{owner, "select tap25.mail_to('x@b.example'), tap25.mail_from_domain('a.example', '2026-01-01', '2026-02-01')"},
		{owner, "select tap25.mail_to_domain('b.example'), tap25.mail_client('192.0.2.1'), " +
			"tap25.mail_server('2001:db8::/32'), tap25.mail_from('a@b.example')"},
		{admin, "select tap25.add_hold('User9@a.example', null, null, null, null, null, 'order')"},
		{admin, "select tap25.drop_hold(3)"},
		{admin, "select tap25_internal.release_holds('test'), tap25_internal.days_over('0')"},
		{admin, "select tap25.bind_sensor('tap25_sensor', 'other'), tap25_internal.end_blockers('2026-01-02', '0')"},
		{admin, "select tap25_internal.expire_day('2026-01-02', 'test'), " +
			"tap25_internal.expire_misdated('2026-01-03', 'test')"},
		{admin, "select tap25.apply_for_warrant('x', 'order', array[session_user], '{192.0.2.0/24}', '2026-01-01', '2026-02-01', " +
			"'2099-01-01')"},
		{admin, "select tap25.end_warrant(1, 'test'), " +
			"tap25.set_retention(null); select * from tap25.missing_accesses"},
	} {
		if _, err := c.db.Conn().Exec(t.Context(), c.sql); err != nil {
			t.Errorf("%s: %v", c.sql, err)
		}
	}
	if n := ask[int](t, owner, "select pg_catalog.count(*) from tap25.accesses where action = 'shown' and case_id = "+
		"'2026-17' and auditor = $1 and rows = 1", sessionUser(t, auditor)); n != 2 {
		t.Errorf("%d showings are recorded, want 2", n)
	}
	programAs(t, owner)
}

// programAs does what the program does, on a connection of its own as a user.
func programAs(t *testing.T, user *DB) {
	t.Helper()
	c := storetest.Cluster(t)
	// no path but its own
	db, err := Open(t.Context(), strings.Replace(c.DSN(), "dbname=postgres", "dbname="+user.Conn().Config().Database,
		1))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Conn().Exec(t.Context(), "set session authorization "+sessionUser(t, user)); err != nil {
		t.Fatal(err)
	}
	loadRows(t, db, "tap", at(time.Now()), at(old), at(time.Unix(1, 0)))
	id := hold(t, db, "b@b.example", nil)
	if _, err := db.Holds(t.Context(), true); err != nil {
		t.Error(err)
	}
	for range 11000 / 1000 { // a day that is worth a reindex
		var rows [][]byte
		for range 1000 {
			rows = append(rows, AppendRow(nil, at(old)))
		}
		if _, err := db.Load(t.Context(), "tap",
			ask[string](t, db, "select pg_catalog.gen_random_uuid()::pg_catalog.text"), rows); err != nil {
			t.Fatal(err)
		}
	}
	if done := finish(t, db, soon); !slices.ContainsFunc(done, func(d FinishedDay) bool {
		return d.Summarized && d.After > 0
	}) {
		t.Errorf("no day was summarized and reindexed: %v", done)
	}
	if err := db.DropHold(t.Context(), id); err != nil {
		t.Error(err)
	}
	if _, _, err := db.bisect(t.Context(), "tap", encode(full())); err != nil {
		t.Error(err)
	}
	if _, err := db.Note(t.Context(), "tap", []FileKey{{Key: "a"}}); err != nil {
		t.Error(err)
	}
	if yes, err := db.Loaded(t.Context(), "tap", "a"); !yes || err != nil {
		t.Errorf("noted %v, %v", yes, err)
	}
	if _, err := db.Upkeep(context.Background(), "tap", "x",
		ExpireConfig{Retention: Retention{Years: 1}, Version: "test"}, Retention{}); err != nil {
		t.Error(err)
	}
	if _, err := db.Expire(t.Context(), ExpireConfig{DryRun: true}); err != nil {
		t.Error(err)
	}
	if _, err := db.Status(t.Context()); err != nil {
		t.Error(err)
	}
	if err := db.GrantRoles(t.Context()); err != nil {
		t.Error(err)
	}
}
