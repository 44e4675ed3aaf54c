package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
)

// editor changes a database with all rights on it.
type editor struct {
	*DB
	tx pgx.Tx
	t  testing.TB
	r  *rand.Rand
}

// disarm drops what keeps an owner from a change.
func (e *editor) disarm() {
	run(e.t, e.DB, `do $$ declare c record; begin
		for c in select conrelid::regclass as t, conname from pg_constraint where contype in ('c', 'f')
			and connamespace = 'tap25_internal'::regnamespace and coninhcount = 0 loop
			execute format('alter table %s drop constraint if exists %I', c.t, c.conname);
		end loop;
		for c in select conrelid::regclass as t, conname from pg_constraint where contype in ('c', 'f')
			and connamespace in ('tap25'::regnamespace, 'tap25_internal'::regnamespace) loop
			execute format('alter table %s drop constraint if exists %I', c.t, c.conname);
		end loop;
		for c in select oid::regclass as t from pg_class where relkind in ('r', 'p')
			and relnamespace in ('tap25'::regnamespace, 'tap25_internal'::regnamespace) loop
			execute format('alter table %s disable trigger all', c.t);
		end loop;
	end $$`)
}

// victim is a row, and what it is of.
type victim struct {
	table, ctid string
	Finding     // sensor, segment and day
}

// victim chooses a row of envelopes or misdated that a link is of.
func (e *editor) victim(table string) (v victim) {
	e.t.Helper()
	err := e.Conn().QueryRow(e.t.Context(), `select e.tableoid::regclass::text, e.ctid::text, l.sensor, l.segment,
			(e.seen_at at time zone 'UTC')::date::text
		from `+table+` e join links l on l.xid = e.xmin order by md5(e.ctid::text || e.tableoid::text || $1) limit 1`,
		fmt.Sprint(e.r.Uint64())).Scan(&v.table, &v.ctid, &v.Sensor, &v.Segment, &v.Day)
	if err != nil {
		e.t.Fatal(err)
	}
	return v
}

// change runs an update of a row.
func (e *editor) change(v victim, set string) {
	e.t.Helper()
	tag, err := e.Conn().Exec(e.t.Context(), "update "+v.table+" set "+set+" where ctid = '"+v.ctid+"'")
	if err != nil || tag.RowsAffected() != 1 {
		e.t.Fatalf("%s: %v, %v", set, tag, err)
	}
}

// link chooses a link of a kind, with its segment.
func (e *editor) link(where string) (id int64, f Finding) {
	e.t.Helper()
	err := e.Conn().QueryRow(e.t.Context(), "select id, sensor, coalesce(segment, '') from links where "+where+
		" order by md5(id::text || $1) limit 1", fmt.Sprint(e.r.Uint64())).Scan(&id, &f.Sensor, &f.Segment)
	if err != nil {
		e.t.Fatal(err)
	}
	return id, f
}

type tamper struct {
	name string
	edit func(e *editor) []Finding
}

// tampers are the kinds of edits; the first are one for each column.
var tampers = slices.Concat(columnTampers(), coverageTampers(), rowTampers, linkTampers, tableTampers, forgeries)
