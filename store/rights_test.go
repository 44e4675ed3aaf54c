package store

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
)

var update = flag.Bool("update", false, "write schema.sql, and the expected functions and rights of testdata, anew")

// checkGolden holds lines against a file of testdata.
func checkGolden(t *testing.T, name string, lines []string) {
	t.Helper()
	path, got := filepath.Join("testdata", name), strings.Join(lines, "\n")+"\n"
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s differs; read the change and write it with -update:\n%s", path, diff)
	}
}

// lines are the rows of a query of one column.
func lines(t testing.TB, db *DB, sql string, args ...any) []string {
	t.Helper()
	rows, err := db.Conn().Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Every function of tap25's: owner, security, volatility, settings and who may execute it.
func TestFunctions_AreAsReviewed(t *testing.T) {
	db := database(t, false)
	checkGolden(t, "functions.golden", lines(t, db, `
		select concat_ws(' | ', format('%s.%s(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes)), case when p.proowner = n.nspowner then 'the owner''s' else 'of ' || p.proowner::regrole end, l.lanname,
			case p.prosecdef when true then 'security definer' else 'security invoker' end,
			case p.provolatile when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end, case p.proparallel when 's' then 'parallel safe' end,
			case when p.prosqlbody is not null then 'names bound' end, nullif('set ' || array_to_string(p.proconfig, ', '), 'set '),
			'execute: ' || coalesce((select string_agg(case a.grantee when 0 then 'PUBLIC' else a.grantee::regrole::text end, ', ' order by a.grantee::regrole::text)
				from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a where a.grantee <> p.proowner), 'nobody'))
		from pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_language l on l.oid = p.prolang
		where n.nspname in ('tap25', 'tap25_internal') order by n.nspname, p.proname, p.oid::regprocedure::text`))
}

// The functions that run with their owner's rights, and triggers, search the system's schema alone and know no settings
// of their caller's; nothing of tap25's is in public; the others either have their names bound or search as the former
// do.
func TestFunctions_SearchNoSchemaOfOthers(t *testing.T) {
	db := database(t, false)
	wrong := lines(t, db, `
		select p.oid::regprocedure::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace
		where n.nspname in ('tap25', 'tap25_internal') and not case
			when p.prosecdef or p.prorettype = 'trigger'::regtype then
				p.proconfig @> array['search_path=pg_catalog, pg_temp', 'DateStyle=ISO, YMD', 'TimeZone=UTC']
			else p.prosqlbody is not null or p.proconfig @> array['search_path=pg_catalog, pg_temp'] end`)
	if len(wrong) > 0 {
		t.Errorf("these search other schemas, or take settings of the caller's: %s", strings.Join(wrong, ", "))
	}
	wrong = lines(t, db, `
		select p.oid::regprocedure::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace
		where n.nspname in ('tap25', 'tap25_internal') and p.prosqlbody is null and position(chr(92) in p.prosrc) > 0`)
	if len(wrong) > 0 { // the body is parsed at the call
		t.Errorf("these have a backslash, which standard_conforming_strings of the caller's gives another meaning: %s",
			strings.Join(wrong, ", "))
	}
	left := lines(t, db, `select relname::text from pg_class where relnamespace = 'public'::regnamespace
		union all select proname::text from pg_proc where pronamespace = 'public'::regnamespace
		union all select typname::text from pg_type where typnamespace = 'public'::regnamespace`)
	if len(left) > 0 {
		t.Errorf("in public are %s", strings.Join(left, ", "))
	}
}

// The matrix of role, verb and object, for a user of none of the roles too.
func TestRights_AreAsReviewed(t *testing.T) {
	db := database(t, false)
	loadRows(t, db, "tap", at(old)) // for a day's table
	stranger := sessionUser(t, as(t, db, "pg_monitor", "stranger"))
	if _, err := db.Conn().Exec(t.Context(), "revoke pg_monitor from "+stranger); err != nil {
		t.Fatal(err)
	}
	got := lines(t, db, rightsQuery, stranger)
	checkGolden(t, "rights.golden", got)
}

// rightsQuery lists each object with what each role may do with it.
const rightsQuery = `
	with roles as (
		select * from (values (1, $1, 'stranger'), (2, 'tap25_sensor', 'sensor'), (3, 'tap25_auditor', 'auditor'), (4, 'tap25_approver', 'approver'), (5, 'tap25_admin', 'admin')) r (turn, role, shown)
	), objects as (
		select 1 as turn, 'database' as kind, datname::text as name, 'this' as shown, null::oid as oid from pg_database where datname = current_database()
		union all
		select 2, 'schema', nspname::text, nspname::text, oid from pg_namespace where nspname in ('tap25', 'tap25_internal', 'public')
		union all
		select case relkind when 'S' then 5 else 3 end, case relkind when 'S' then 'sequence' when 'v' then 'view' else 'table' end, relname, relnamespace::regnamespace || '.' || relname, oid
		from pg_class where relnamespace in ('tap25'::regnamespace, 'tap25_internal'::regnamespace) and relkind in ('r', 'p', 'v', 'm', 'f', 'S')
		union all
		select 4, 'column', c.relname, c.relnamespace::regnamespace || '.' || c.relname || '.' || a.attname, c.oid
		from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attacl is not null where c.relnamespace in ('tap25'::regnamespace, 'tap25_internal'::regnamespace)
		union all
		select 6, 'function', proname, format('%s.%s(%s)', pronamespace::regnamespace, proname, oidvectortypes(proargtypes)), oid from pg_proc where pronamespace in ('tap25'::regnamespace, 'tap25_internal'::regnamespace)
			or pronamespace = 'pg_catalog'::regnamespace and proname in ('lo_creat', 'lo_create', 'lo_from_bytea', 'lo_import', 'lo_export')
		union all
		select 7, 'type', typname, typnamespace::regnamespace || '.' || typname, oid from pg_type where typnamespace in ('tap25'::regnamespace, 'tap25_internal'::regnamespace) and typtype = 'e'
	), verbs as (
		select * from (values ('database', array['connect', 'temporary', 'create']), ('schema', array['usage', 'create']),
			('table', array['select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger']), ('view', array['select', 'insert', 'update', 'delete', 'trigger']),
			('column', array['select', 'insert', 'update', 'references']), ('sequence', array['usage', 'select', 'update']), ('function', array['execute']),
			('type', array['usage'])) v (kind, verbs)
	)
	select o.kind || ' ' || o.shown || ': ' || coalesce(string_agg(r.shown || ' ' || m.may, '; ' order by r.turn), 'nobody')
	from objects o join verbs using (kind) cross join roles r cross join lateral (
		select nullif(string_agg(verb, ' ' order by n), '') as may from unnest(verbs) with ordinality v (verb, n) where case o.kind
			when 'database' then has_database_privilege(r.role, o.name, verb)
			when 'schema' then has_schema_privilege(r.role, o.oid, verb)
			when 'sequence' then has_sequence_privilege(r.role, o.oid, verb)
			when 'function' then has_function_privilege(r.role, o.oid, verb)
			when 'type' then has_type_privilege(r.role, o.oid, verb)
			when 'column' then has_column_privilege(r.role, o.oid, split_part(o.shown, '.', -1), verb)
			else has_table_privilege(r.role, o.oid, verb) end) m
	group by o.turn, o.kind, o.shown order by o.turn, o.shown`
