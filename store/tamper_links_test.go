package store

import "fmt"

// linkTampers are edits of links, loads, keys and certificates, and removals of what they are of.
var linkTampers = []tamper{
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
