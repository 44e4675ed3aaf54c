package main

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
)

var update = flag.Bool("update", false, "write the manual page of the SQL anew")

const sqlLong = `
This page describes the objects of schema tap25, which are for people: what they contain or return, and what each column
means. tap25 db psql opens the database with this schema in its search_path. Elsewhere, write tap25.mail_to, or set
search_path = tap25.

The description of an object says whom it is for. An auditor reads mail by cases, an administrator reads none, and the
owner reads all. since and before are times: the rows are those with since <= seen_at < before, and null sets no limit.

psql shows times in the time zone of the session, and a day, seen_at::date, is one of that zone too. SET timezone =
'UTC' sets it. The retention counts days of UTC.

What is in schema tap25_internal is not for people, and changes without notice.`

const sqlExample = `
  SELECT seen_at, client_ip, mail_from, outcome FROM mail_to('marta@orchard.example');

  SELECT open_case('2026-17', 'complaint of a@a.example');
  SELECT * FROM ask_case('2026-17');
  SELECT * FROM case_list('2026-17');`

// The queries give what psql's \d+, \dT+ and \df+ show: for each object or column its name, the line after it, and its
// comment.
const (
	sqlRelations = `
		select c.relname::text, '', obj_description(c.oid, 'pg_class') from pg_class c
		where c.relnamespace = 'tap25'::regnamespace and c.relkind in ('v', 'r') order by 1`
	sqlColumns = `
		select a.attname::text, format_type(a.atttypid, a.atttypmod), col_description(c.oid, a.attnum)
		from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
		where c.relnamespace = 'tap25'::regnamespace and c.relname = $1 order by a.attnum`
	sqlTypes = `
		select t.typname::text,
			coalesce((select string_agg(enumlabel, ', ' order by enumsortorder) from pg_enum where enumtypid = t.oid), ''),
			obj_description(t.oid, 'pg_type')
		from pg_type t left join pg_class c on c.oid = t.typrelid
		where t.typnamespace = 'tap25'::regnamespace and t.typcategory <> 'A' and coalesce(c.relkind, 'c') = 'c'
		order by 1`
	sqlFunctions = `
		select p.proname::text,
			format('(%s) returns %s', pg_get_function_arguments(p.oid), pg_get_function_result(p.oid)),
			obj_description(p.oid, 'pg_proc')
		from pg_proc p where p.pronamespace = 'tap25'::regnamespace order by 1, 2`
)

// TestMan_SQLIsThatOfTheDatabase compares the page with what a migrated database says of itself.
func TestMan_SQLIsThatOfTheDatabase(t *testing.T) {
	server(t)
	conn := migrated(t).Conn()
	p := newRoff(sqlName, "7", "views, tables and functions of tap25's database")
	p.section("SYNOPSIS")
	p.WriteString(bold("tap25 db psql") + "\n")
	p.section("DESCRIPTION")
	p.text(sqlLong)
	p.section("VIEWS AND TABLES")
	for _, relation := range sqlObjects(t, conn, sqlRelations) {
		p.subsection(relation.name)
		p.text(relation.comment)
		for _, c := range sqlObjects(t, conn, sqlColumns, relation.name) {
			p.item(bold(c.name)+" "+italic(c.line), c.comment)
		}
	}
	p.section("TYPES")
	for _, o := range sqlObjects(t, conn, sqlTypes) {
		p.subsection(o.name)
		p.text(o.line + "\n\n" + o.comment)
	}
	p.section("FUNCTIONS")
	for _, f := range sqlObjects(t, conn, sqlFunctions) {
		p.subsection(f.name)
		p.WriteString(bold(f.name) + escaped(f.line) + "\n.PP\n")
		p.text(f.comment)
	}
	p.section("EXAMPLES")
	p.text(sqlExample)
	p.seeAlso("tap25(1)", "tap25-db-psql(1)", "tap25-warrant(1)", "tap25-hold(1)", settingsName+"(5)", "psql(1)")
	if *update {
		if err := os.WriteFile("tap25-sql.7", []byte(p.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(p.String(), sqlPage); diff != "" {
		t.Errorf("tap25-sql.7 is not of this schema (run with -update): -want +got\n%s", diff)
	}
}

// casts are those of defaults: NULL::text.
var casts = regexp.MustCompile(`::\w+`)

type sqlObject struct{ name, line, comment string }

func sqlObjects(t *testing.T, conn *pgx.Conn, query string, args ...any) []sqlObject {
	t.Helper()
	rows, err := conn.Query(t.Context(), "set search_path = tap25, pg_catalog")
	rows.Close()
	if err != nil {
		t.Fatal(err)
	}
	rows, _ = conn.Query(t.Context(), query, args...)
	objects, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (o sqlObject, err error) {
		err = row.Scan(&o.name, &o.line, &o.comment)
		o.line = casts.ReplaceAllString(strings.ReplaceAll(o.line, "timestamp with time zone", "timestamptz"), "")
		return o, err
	})
	if err != nil || len(objects) == 0 {
		t.Fatalf("%d objects: %v", len(objects), err)
	}
	return objects
}
