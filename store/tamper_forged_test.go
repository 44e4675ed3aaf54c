package store

import (
	"crypto/ed25519"
	"fmt"

	"tap25/store/evidence"
)

// forgeries are edits that a forger makes agree with each other.
var forgeries = []tamper{
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
