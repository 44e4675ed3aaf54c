package store

import "strings"

// rowTampers are edits of rows, also of those that lie aside.
var rowTampers = []tamper{
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
}

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
