package store

import (
	"crypto/ed25519"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"tap25/store/evidence"
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

// otherValue is an expression for another value of a column, by its type.
func otherValue(column, kind string) string {
	switch kind {
	case "boolean":
		return "not " + column
	case "inet":
		return "coalesce(" + column + ", '10.0.0.1') + 1"
	case "text":
		return "coalesce(" + column + " || 'x', '')"
	case "bytea":
		return `coalesce(` + column + ` || '\x00', '')`
	case "timestamp with time zone":
		return column + " + interval '1 microsecond'"
	}
	return "coalesce(" + column + ", 0) + 1"
}

// tampers are the kinds of edits; the first are one for each column.
var tampers = slices.Concat(columnTampers(), coverageTampers(), []tamper{
	{"delete", func(e *editor) []Finding {
		v := e.victim("envelopes")
		run(e.t, e.DB, "delete from "+v.table+" where ctid = '"+v.ctid+"'")
		return []Finding{v.Finding}
	}},
	{"delete a segment", func(e *editor) []Finding {
		v := e.victim("envelopes")
		run(e.t, e.DB, "delete from "+v.table+" where xmin = (select xmin from "+v.table+" where ctid = '"+v.ctid+"')")
		return []Finding{v.Finding}
	}},
	{"insert", func(e *editor) []Finding {
		v := e.victim("envelopes")
		run(e.t, e.DB, "create temp table x as select * from "+v.table+" where ctid = '"+v.ctid+
			"'; update x set session_id = -1; "+
			"insert into "+v.table+" select * from x")
		return []Finding{{Sensor: v.Sensor, Day: v.Day}}
	}},
	{"insert of a new sensor", func(e *editor) []Finding {
		v := e.victim("envelopes")
		run(e.t, e.DB, "create temp table x as select * from "+v.table+" where ctid = '"+v.ctid+
			"'; update x set sensor = 'new'; "+
			"insert into "+v.table+" select * from x")
		return []Finding{{Sensor: "new", Day: v.Day}}
	}},
	{"duplicate", func(e *editor) []Finding {
		v := e.victim("envelopes")
		run(e.t, e.DB, "insert into "+v.table+" select * from "+v.table+" where ctid = '"+v.ctid+"'")
		return []Finding{{Sensor: v.Sensor, Day: v.Day}}
	}},
	{"move to another day", func(e *editor) []Finding {
		v := e.victim("envelopes")
		to := map[string]string{"2020-03-01": "2020-03-02", "2020-03-02": "2020-03-01"}[v.Day]
		run(e.t, e.DB, "update envelopes set seen_at = seen_at + (date '"+to+"' - date '"+v.Day+
			"') * interval '1 day' "+
			"where tableoid = '"+v.table+"'::regclass and ctid = '"+v.ctid+"'")
		return []Finding{v.Finding, {Sensor: v.Sensor, Day: to}}
	}},
	{"move to misdated", func(e *editor) []Finding {
		v := e.victim("envelopes")
		run(e.t, e.DB, "insert into misdated ("+columns+", reason) select "+columns+", 'before 1990' from "+v.table+
			" where ctid = '"+v.ctid+"'; delete from "+v.table+" where ctid = '"+v.ctid+"'")
		return []Finding{v.Finding, {Sensor: v.Sensor, What: "misdated"}}
	}},
	{"swap", func(e *editor) []Finding {
		a, b := e.victim("envelopes"), e.victim("envelopes")
		for a.ctid == b.ctid && a.table == b.table {
			b = e.victim("envelopes")
		}
		run(e.t, e.DB, "create temp table x as select session_id as a, (select session_id from "+b.table+
			" where ctid = '"+b.ctid+
			"') as b, seen_at as s from "+a.table+" where ctid = '"+a.ctid+"'")
		e.change(a, "session_id = (select b from x), helo = 'swapped'")
		e.change(b, "session_id = (select a from x), helo = 'swapped'")
		return []Finding{a.Finding, b.Finding}
	}},
	{"edit a misdated row", func(e *editor) []Finding {
		v := e.victim("misdated")
		e.change(v, "rcpt_to = 'other@x.example'")
		return []Finding{v.Finding, {Sensor: v.Sensor, What: "misdated"}}
	}},
	{"delete a misdated row", func(e *editor) []Finding {
		v := e.victim("misdated")
		run(e.t, e.DB, "delete from misdated where ctid = '"+v.ctid+"'")
		return []Finding{v.Finding}
	}},
	{"edit a held row", func(e *editor) []Finding {
		run(e.t, e.DB, "update held set mail_from = 'other@x.example' where ctid = (select ctid from held order by "+
			"random() limit 1)")
		return []Finding{{What: "legal holds"}}
	}},
	{"delete a held row", func(e *editor) []Finding {
		run(e.t, e.DB, "delete from held where ctid = (select ctid from held order by random() limit 1)")
		return []Finding{{What: "legal holds"}}
	}},
	{"insert a held row of another day", func(e *editor) []Finding {
		run(e.t, e.DB, "create temp table x as select * from held limit 1; update x set seen_at = '2020-01-01 "+
			"12:00Z'; insert into held select * from x")
		return []Finding{{What: "held"}}
	}},
	{"edit a link", func(e *editor) []Finding {
		id, f := e.link("true")
		run(e.t, e.DB, fmt.Sprintf("update links set body = set_byte(body, %[1]d %% length(body), get_byte(body, "+
			"%[1]d %% length(body)) # %[2]d) where id = %[3]d",
			e.r.IntN(1000), 1+e.r.IntN(255), id))
		return []Finding{f}
	}},
	{"edit a signature", func(e *editor) []Finding {
		id, f := e.link("true")
		run(e.t, e.DB, fmt.Sprintf("update links set signature = set_byte(signature, %[1]d, get_byte(signature, "+
			"%[1]d) # %[2]d) where id = %[3]d",
			e.r.IntN(64), 1+e.r.IntN(255), id))
		return []Finding{f}
	}},
	{"edit a link's columns", func(e *editor) []Finding {
		id, f := e.link("segment is not null and sensor <> ''")
		set := []string{"first_day = first_day - 1", "last_day = last_day + 1", "number = number + 1000", "xid = '3'",
			"sensor = 'other'",
			"added_at = added_at - interval '2 days'"}
		run(e.t, e.DB, fmt.Sprintf("update links set %s where id = %d", set[e.r.IntN(len(set))], id))
		return []Finding{{Segment: f.Segment}}
	}},
	{"delete a link", func(e *editor) []Finding {
		id, f := e.link("true")
		run(e.t, e.DB, fmt.Sprintf("delete from links where id = %d", id))
		return []Finding{{Sensor: f.Sensor}}
	}},
	{"swap two links", func(e *editor) []Finding {
		a, f := e.link("sensor = 'tap'")
		run(e.t, e.DB, fmt.Sprintf(`update links l set body = x.body, signature = x.signature from (select * from links where sensor = 'tap') x
			where l.id in (%[1]d, (select min(id) from links where sensor = 'tap' and id <> %[1]d)) and x.id in (%[1]d, (select min(id) from links where sensor = 'tap' and id <> %[1]d)) and x.id <> l.id`, a))
		return []Finding{{Sensor: f.Sensor}}
	}},
	{"edit loads", func(e *editor) []Finding {
		_, f := e.link("segment is not null and sensor <> ''")
		set := []string{"rows = rows + 1", "segment = 'other'", "sensor = 'other'",
			"loaded_at = loaded_at - interval '2 days'", "rows = rows"}
		run(e.t, e.DB, fmt.Sprintf("update loads set %s where sensor = '%s' and segment = '%s'",
			set[e.r.IntN(len(set))], f.Sensor, f.Segment))
		return []Finding{f}
	}},
	{"delete of loads", func(e *editor) []Finding {
		_, f := e.link("segment is not null and sensor <> ''")
		run(e.t, e.DB, fmt.Sprintf("delete from loads where sensor = '%s' and segment = '%s'", f.Sensor, f.Segment))
		return []Finding{f}
	}},
	{"insert into loads", func(e *editor) []Finding {
		run(e.t, e.DB, "insert into loads (sensor, segment, rows) values ('tap', 'invented', 5)")
		return []Finding{{Sensor: "tap", Segment: "invented"}}
	}},
	{"edit a key", func(e *editor) []Finding {
		run(e.t, e.DB, `update keys set public_key = set_byte(public_key, 5, get_byte(public_key, 5) # 1)`)
		return []Finding{{What: "key"}}
	}},
	{"delete a key", func(e *editor) []Finding {
		run(e.t, e.DB, "delete from keys")
		return []Finding{{Sensor: "tap", What: "key"}}
	}},
	{"edit a head", func(e *editor) []Finding {
		run(e.t, e.DB, "update chains set number = number - 1 where sensor = 'tap'")
		return []Finding{{Sensor: "tap", What: "head"}}
	}},
	{"delete a certificate", func(e *editor) []Finding {
		run(e.t, e.DB, "delete from links where sensor = ''; delete from chains where sensor = ''")
		return []Finding{{Day: "2020-02-29", What: "without a certificate"}}
	}},
	{"rows of before that never were", func(e *editor) []Finding {
		v := e.victim("envelopes")
		run(e.t, e.DB, "insert into "+v.table+" select * from "+v.table+" where ctid = '"+v.ctid+"'; "+
			"insert into before_evidence values ('"+v.Sensor+"', 6, '"+v.Day+"', 1)")
		return []Finding{{Sensor: v.Sensor, Day: v.Day, What: "of no segment"}}
	}},
	{"a day that is gone", func(e *editor) []Finding {
		run(e.t, e.DB, "drop table envelopes_20200302")
		return []Finding{{Day: "2020-03-02", What: "without a certificate"}}
	}},
	{"a chain that is cut short with its rows", cutTail},
	{"a whole sensor", func(e *editor) []Finding {
		last := ask[int64](e.t, e.DB, "select max(number) from links where sensor = 'tap'")
		run(e.t, e.DB, `delete from envelopes where sensor = 'tap'; delete from misdated where sensor = 'tap';
			delete from links where sensor in ('tap', ''); delete from loads where sensor = 'tap';
			delete from chains where sensor in ('tap', ''); delete from held`)
		return []Finding{{Sensor: "tap", What: fmt.Sprint("the witness has its link ", last)}}
	}},
	{"all that a key has signed", func(e *editor) []Finding {
		run(e.t, e.DB, "truncate envelopes, misdated, held, links, loads, chains, keys")
		return []Finding{{What: "no chain is by the given key"}}
	}},
	{"rows of a day that does not look like one", func(e *editor) []Finding {
		v := e.victim("envelopes")
		run(e.t, e.DB, `create table tap25_internal.envelopes_x partition of envelopes
			for values from ('1999-01-01Z') to ('1999-01-05Z');
			create temp table x as select * from `+v.table+` where ctid = '`+v.ctid+`';
			update x set seen_at = '1999-01-02Z'; insert into envelopes select * from x`)
		return []Finding{{What: "envelopes_x"}}
	}},
	{"rows of a day that the database does not name", func(e *editor) []Finding {
		v := e.victim("envelopes")
		run(e.t, e.DB, `select tap25_internal.make_partition('1999-01-02');
			create or replace function tap25_internal.partitions() returns table (day date, bytes bigint)
				language sql stable return null::record;
			create temp table x as select * from `+v.table+` where ctid = '`+v.ctid+`';
			update x set seen_at = '1999-01-02Z'; insert into envelopes select * from x`)
		return []Finding{{Sensor: v.Sensor, Day: "1999-01-02", What: "of no segment"}}
	}},
	{"a day's partition for three days", func(e *editor) []Finding {
		run(e.t, e.DB, `alter table envelopes detach partition envelopes_20200302;
			alter table envelopes attach partition envelopes_20200302
				for values from ('2020-03-02Z') to ('2020-03-05Z')`)
		return []Finding{{What: "envelopes_20200302"}}
	}},
	{"a policy that shows verify other rows", func(e *editor) []Finding {
		run(e.t, e.DB, `alter table misdated enable row level security; create policy p on misdated using (current_setting('application_name') <> 'verify')`)
		return []Finding{{What: "misdated is not a table"}}
	}},
	{"a view in place of a table", func(e *editor) []Finding {
		run(e.t, e.DB, `alter table misdated rename to other;
			create view tap25_internal.misdated as select xmin, * from other`)
		return []Finding{{What: "misdated is not a table"}}
	}},
	{"an order of links that is not theirs", func(e *editor) []Finding {
		run(e.t, e.DB, `alter table links alter id drop identity;
			update links set id = 1000 where sensor = 'tap' and number = 2`)
		return []Finding{{Sensor: "tap", What: "its columns were changed"}}
	}},
	{"rows of two segments", func(e *editor) []Finding {
		a, b := e.victim("envelopes"), e.victim("envelopes")
		for a.Segment == b.Segment && a.Sensor == b.Sensor {
			b = e.victim("envelopes")
		}
		for _, from := range []victim{a, b} {
			run(e.t, e.DB, "update "+from.table+" set helo = helo where ctid = '"+from.ctid+"'")
		}
		return []Finding{a.Finding, b.Finding, {Day: a.Day, What: "of no segment"}, {Day: b.Day, What: "of no segment"}}
	}},
	{"an old link again", func(e *editor) []Finding {
		id, f := e.link("segment is not null and number = (select max(number) from links c where c.sensor = links.sensor)")
		next := ask[int64](e.t, e.DB, fmt.Sprintf("select number + 1 from links where id = %d", id))
		run(e.t, e.DB, fmt.Sprintf(`create temp table x as select * from links where id = %d;
			update x set id = 1000, number = number + 1, segment = segment || '+';
			insert into links overriding system value select * from x`, id))
		return []Finding{{Sensor: f.Sensor, What: fmt.Sprintf("link %d: it was changed", next)}}
	}},
	{"places of two links", func(e *editor) []Finding {
		run(e.t, e.DB, `update links l set xid = x.xid from links x where l.sensor = 'tap' and x.sensor = 'tap' and
			(l.number, x.number) in ((1, 2), (2, 1))`)
		return []Finding{{Sensor: "tap", Segment: "tap segment 0"}, {Sensor: "tap", Segment: "tap segment 1"}}
	}},
	{"a certificate that another key has signed", func(e *editor) []Finding {
		_, own, err := ed25519.GenerateKey(nil)
		if err != nil {
			e.t.Fatal(err)
		}
		public := own.Public().(ed25519.PublicKey)
		l := evidence.Link{Kind: evidence.Destroyed, Key: evidence.Fingerprint(public), Number: 1}
		body := l.Append(nil)
		run(e.t, e.DB, `drop table envelopes_20200302;
			insert into keys (id, fingerprint, public_key) overriding system value values (99, sha256('x'), '\x00')`)
		run(e.t, e.DB, `update keys set fingerprint = $1, public_key = $2 where id = 99`,
			fingerprintOf(public), []byte(public))
		run(e.t, e.DB, `insert into links (id, sensor, key, number, first_day, last_day, body, signature)
			overriding system value values (1000, '', 99, 1, '2020-03-02', '2020-03-02', $1, $2)`, body,
			ed25519.Sign(own, body))
		return []Finding{{What: "none of the given"}, {Day: "2020-03-02", What: "without a certificate"}}
	}},
	{"a row and all hashes", func(e *editor) []Finding { return recompute(e, nil) }},
	{"a row, all hashes and signatures", func(e *editor) []Finding {
		_, own, err := ed25519.GenerateKey(nil)
		if err != nil {
			e.t.Fatal(err)
		}
		return recompute(e, own)
	}},
})

// columnTampers are an edit of each column of a row.
func columnTampers() (all []tamper) {
	kinds := map[string]string{"seen_at": "timestamp with time zone", "auth": "boolean", "client_ip": "inet",
		"server_ip": "inet",
		"origin_ip": "inet", "sensor": "text", "mail_from": "text", "rcpt_to": "text", "helo": "text",
		"queue_id":      "text",
		"mail_from_raw": "bytea", "rcpt_to_raw": "bytea", "envid": "text", "orcpt": "text", "tls_server_name": "text",
		"network": "text"}
	for _, c := range strings.Split(columns+", "+laterColumns, ", ") {
		all = append(all, tamper{"edit " + c, func(e *editor) []Finding {
			v := e.victim("envelopes")
			e.change(v, c+" = "+otherValue(c, kinds[c]))
			return []Finding{v.Finding}
		}})
	}
	return all
}

// cutTail removes the last links of a chain with all that belongs to them, so that the rest agrees with itself.
func cutTail(e *editor) []Finding {
	keep := 1 + e.r.IntN(5)
	run(e.t, e.DB, fmt.Sprintf(`create temp table gone as select * from links where sensor = 'tap' and number > %d;
		delete from envelopes e using gone where e.xmin = gone.xid; delete from misdated e using gone where e.xmin = gone.xid;
		delete from coverage c using gone where c.xmin = gone.xid;
		delete from loads d using gone where d.segment = gone.segment; delete from links l using gone where l.id = gone.id;
		update chains c set number = l.number, hash = sha256(l.body) from links l where c.sensor = 'tap' and l.sensor = 'tap' and l.number = %[1]d;
		delete from links where sensor = ''; delete from chains where sensor = ''; delete from held`, keep))
	return []Finding{{Sensor: "tap", What: "witness"}}
}

// recompute changes a row and computes roots and hashes anew, with the old signatures or with those of another key.
func recompute(e *editor, own ed25519.PrivateKey) []Finding {
	v := e.victim("envelopes")
	run(e.t, e.DB, "create temp table x as select xmin as was from "+v.table+" where ctid = '"+v.ctid+"'")
	// a new xmin for all rows of the segment on that day, as that of an insert would be
	run(e.t, e.DB, "update "+v.table+" set helo = coalesce(helo, '') || 'x' where ctid = '"+v.ctid+"'; "+
		"update "+v.table+" t set helo = helo from x where t.xmin = x.was")
	e.resign(v, own)
	return []Finding{{Sensor: v.Sensor}}
}

// resign writes the chain of a row's sensor anew, with the roots of what is there now.
func (e *editor) resign(v victim, own ed25519.PrivateKey) {
	e.t.Helper()
	var tuples [][]byte
	tx, err := e.tx.Begin(e.t.Context())
	if err != nil {
		e.t.Fatal(err)
	}
	err = copyRowsOut(e.t.Context(), tx, "select e.xmin, "+columns+", "+laterColumns+" from "+v.table+
		" e where e.xmin::text = "+
		"(select max(xmin::text::bigint)::text from "+v.table+")", func(_ uint32, prefixed []byte) error {
		tuples = append(tuples, append([]byte(nil), prefixed...))
		return nil
	})
	if err != nil {
		e.t.Fatal(err)
	}
	if err := tx.Commit(e.t.Context()); err != nil {
		e.t.Fatal(err)
	}
	var leaves []evidence.Hash
	for _, p := range tuples {
		leaves = append(leaves, evidence.LeafOf(p))
	}
	evidence.Sort(leaves)
	var fingerprint evidence.Hash
	if own != nil {
		fingerprint = evidence.Fingerprint(own.Public().(ed25519.PublicKey))
		run(e.t, e.DB, fmt.Sprintf(`update keys set fingerprint = '\x%s', public_key = '\x%x'`, fingerprint,
			own.Public()))
	}
	prev := evidence.Hash{}
	for _, n := range lines(e.t, e.DB, "select id::text from links where sensor = $1 order by number", v.Sensor) {
		l, err := evidence.ParseLink(ask[[]byte](e.t, e.DB, "select body from links where id = $1::text::bigint", n))
		if err != nil {
			e.t.Fatal(err)
		}
		if l.Segment == v.Segment {
			for i, d := range l.Days {
				if dateOf(d.Day) == v.Day {
					l.Days[i].Root = evidence.Root(leaves)
				}
			}
		}
		l.Prev = prev
		set := ""
		if own != nil {
			l.Key = fingerprint
			set = fmt.Sprintf(`, signature = '\x%x'`, ed25519.Sign(own, l.Append(nil)))
		}
		prev = evidence.HashOf(l.Append(nil))
		run(e.t, e.DB, fmt.Sprintf(`update links set body = '\x%x'%s where id = %s`, l.Append(nil), set, n))
	}
	run(e.t, e.DB, fmt.Sprintf(`update chains set hash = '\x%s' where sensor = '%s'`, prev, v.Sensor))
}
