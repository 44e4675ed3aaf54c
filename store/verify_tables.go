package store

import (
	"context"
	"fmt"
	"time"

	"tap25/store/evidence"
)

// tables verifies that the tables are those that people's questions read, so that no rows are beside those that verify
// reads: each day is a table of its own under its name, and no view, rule or policy stands for a table. It notes the
// days.
func (v *verifier) tables(ctx context.Context) error {
	tx, err := v.snapshot(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx)
	if _, err := tx.Exec(ctx, "set local timezone = 'UTC'; set local datestyle = 'ISO'"); err != nil {
		return err
	}
	rows, err := tx.Query(ctx, `select w.name, coalesce(c.relkind::text, ''), coalesce(c.relrowsecurity or
			c.relhasrules or w.kind = 'r' and exists (select from pg_inherits i where i.inhparent = c.oid), false),
			w.kind::text, w.bound
		from (select * from unnest('{envelopes,blocks,misdated,held,loads,chains,evidence,before_evidence}'::text[],
				'{p,p,r,r,r,r,r,r}'::"char"[], array_fill('tap25_internal'::text, '{8}')) f (name, kind, schema)
				cross join (values (null::text)) b (bound)
			union all select t.name, 'r', 'tap25', null from (values ('links'), ('keys')) t (name)
			union all select c.relname, 'r', n.nspname, coalesce(pg_get_expr(c.relpartbound, c.oid), '')
			from pg_inherits i join pg_class c on c.oid = i.inhrelid join pg_namespace n on n.oid = c.relnamespace
			where i.inhparent in ('tap25_internal.envelopes'::regclass, 'tap25_internal.blocks'::regclass)) w
		left join pg_namespace n on n.nspname = w.schema
		left join pg_class c on c.relnamespace = n.oid and c.relname = w.name order by 1`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name, kind, want string
		var altered bool
		var bound *string
		if err := rows.Scan(&name, &kind, &altered, &want, &bound); err != nil {
			return err
		}
		if kind != want || altered {
			v.find(Finding{What: fmt.Sprintf("%s is not a table as tap25 makes it: people may read other rows than "+
				"verify does", name)})
		}
		if bound == nil {
			continue
		}
		day, ok := dayOfPartition(name, *bound)
		if !ok {
			v.find(Finding{What: fmt.Sprintf("the partition %s is not one of a day as tap25 makes it: verify does "+
				"not know its rows", name)})
			continue
		}
		v.days[evidence.Envelopes][DayNumber(day)] = true
	}
	return rows.Err()
}

// dayOfPartition returns the day of a partition of envelopes or of blocks, if its name and its bound are of one.
func dayOfPartition(name, bound string) (day time.Time, ok bool) {
	for _, p := range []struct{ name, bound string }{
		{"envelopes_20060102", "FOR VALUES FROM ('%s 00:00:00+00') TO ('%s 00:00:00+00')"},
		{"blocks_20060102", "FOR VALUES FROM ('%s') TO ('%s')"},
	} {
		if day, err := time.Parse(p.name, name); err == nil {
			return day, bound == fmt.Sprintf(p.bound, day.Format(time.DateOnly), day.AddDate(0, 0, 1).Format(time.DateOnly))
		}
	}
	return time.Time{}, false
}
