package store

// tableTampers are changes of what the tables are, so that verify might read other rows than people do.
var tableTampers = []tamper{
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
}
