package store

import (
	"fmt"
	"strings"
)

// coverageVictim chooses a coverage record: a minute with its segment, or a longer one.
func (e *editor) coverageVictim(longer bool) (v victim) {
	e.t.Helper()
	query := `select 'tap25.coverage', c.ctid::text, c.sensor, l.segment, c.since::date::text
		from tap25.coverage c join tap25.links l on l.xid = c.xmin where not c.packed`
	if longer {
		query = "select 'tap25.coverage', c.ctid::text, c.sensor, '', c.since::date::text from tap25.coverage c where packed"
	}
	err := e.Conn().QueryRow(e.t.Context(), query+" order by md5(c.ctid::text || $1) limit 1", fmt.Sprint(e.r.Uint64())).
		Scan(&v.table, &v.ctid, &v.Sensor, &v.Segment, &v.Day)
	if err != nil {
		e.t.Fatal(err)
	}
	if longer {
		v.What = "longer coverage record"
	}
	return v
}

// otherCoverage is an expression for another value of a column of coverage.
func otherCoverage(column string) string {
	switch column {
	case "since", "before":
		return column + " + interval '1 microsecond'"
	case "sensor", "program", "scope", "version":
		return "coalesce(" + column + " || 'x', '')"
	case "interfaces":
		return "coalesce(interfaces || 'x'::text, '{}')"
	case "started", "stopped", "clock_synchronised":
		return column + " is not true"
	case "clock_offset", "clock_error":
		return "coalesce(" + column + " + '1 microsecond', '0')"
	}
	return "coalesce(" + column + " + 1, 0)"
}

// coverageTampers are edits of coverage: of each column, and of whole records.
func coverageTampers() (all []tamper) {
	for _, c := range strings.Split(coverageColumns, ", ") {
		all = append(all, tamper{"edit coverage's " + c, func(e *editor) []Finding {
			v := e.coverageVictim(e.r.IntN(2) == 0)
			e.change(v, c+" = "+otherCoverage(c))
			return []Finding{v.Finding}
		}})
	}
	return append(all, []tamper{
		{"delete coverage", func(e *editor) []Finding {
			v := e.coverageVictim(e.r.IntN(2) == 0)
			run(e.t, e.DB, "delete from coverage where ctid = '"+v.ctid+"'")
			return []Finding{v.Finding}
		}},
		{"delete the coverage of a day", func(e *editor) []Finding {
			v := e.coverageVictim(true)
			run(e.t, e.DB, "delete from coverage where sensor = '"+v.Sensor+"' and since::date = '"+v.Day+"'")
			return []Finding{v.Finding}
		}},
		{"insert coverage", func(e *editor) []Finding {
			v := e.coverageVictim(e.r.IntN(2) == 0)
			run(e.t, e.DB, "insert into coverage select * from coverage where ctid = '"+v.ctid+"'")
			return []Finding{{Sensor: v.Sensor, Day: v.Day, What: "coverage record"}}
		}},
		{"insert coverage of a day without any", func(e *editor) []Finding {
			run(e.t, e.DB, fmt.Sprintf("create temp table x as select * from coverage limit 1; update x set sensor = 'tap', "+
				"packed = %v, since = since - interval '1 year', before = before - interval '1 year'; "+
				"insert into coverage select * from x", e.r.IntN(2) == 0))
			return []Finding{{Sensor: "tap", What: "coverage record"}}
		}},
		{"move coverage to another day", func(e *editor) []Finding {
			v := e.coverageVictim(e.r.IntN(2) == 0)
			e.change(v, "since = since + interval '1 day', before = before + interval '1 day'")
			return []Finding{v.Finding, {Sensor: v.Sensor, Day: e.dayAfter(v.Day), What: "coverage record"}}
		}},
		{"call coverage packed, or not", func(e *editor) []Finding {
			v := e.coverageVictim(e.r.IntN(2) == 0)
			e.change(v, "packed = not packed")
			return []Finding{v.Finding}
		}},
		{"delete the link of a packing", func(e *editor) []Finding {
			id, _ := e.link("sensor = '' and segment = 'tap'")
			run(e.t, e.DB, fmt.Sprintf("delete from links where id = %d", id))
			return []Finding{{Sensor: "tap", What: "coverage record"}, {What: "it does not name the hash"}}
		}},
		{"edit coverage, and pack it", func(e *editor) []Finding {
			v := e.coverageVictim(false)
			e.change(v, "ring_full = ring_full + 1")
			run(e.t, e.DB, "select tap25_internal.pack_coverage('"+v.Day+"', '"+v.Sensor+"')")
			return []Finding{v.Finding, {Sensor: v.Sensor, Day: v.Day, What: "longer coverage record"}}
		}},
	}...)
}

func (e *editor) dayAfter(day string) string {
	e.t.Helper()
	return ask[string](e.t, e.DB, "select ($1::date + 1)::text", day)
}
