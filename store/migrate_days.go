package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// daysToCheck gives the statements for each day, of which the first is null if it was run.
const daysToCheck = `
		select case when k.oid is null then format('alter table tap25_internal.%I add constraint in_day check ('
				'seen_at >= %L and seen_at < %L) not valid', c.relname, to_char(d.day, 'YYYY-MM-DD 00:00+00'),
				to_char(d.day + interval '1 day', 'YYYY-MM-DD 00:00+00')) end,
		       format('alter table tap25_internal.%I validate constraint in_day', c.relname)
		from pg_inherits i join pg_class c on c.oid = i.inhrelid
		cross join lateral (select to_date(right(c.relname, 8), 'YYYYMMDD')::timestamp as day) d
		left join pg_constraint k on k.conrelid = c.oid and k.conname = 'in_day'
		where i.inhparent = to_regclass('tap25_internal.envelopes') and c.relname ~ '^envelopes_[0-9]{8}$'
		    and not coalesce(k.convalidated, false) and exists (select from pg_index x where x.indrelid = i.inhparent
		        and pg_get_indexdef(x.indexrelid) like '%bucket%') order by c.relname`

// checkDays prepares the days of an older schema for migration 27. That detaches the days, attaches them again, and
// keeps loads and questions away meanwhile. With a constraint that has been validated, it reads no row. Each step is a
// transaction of its own, beside which rows are loaded and asked for. What is broken off is taken up again.
func (db *DB) checkDays(ctx context.Context) error {
	type steps struct{ Add, Validate *string }
	var days []steps
	err := db.onSafePath(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, daysToCheck)
		if err == nil {
			days, err = pgx.CollectRows(rows, pgx.RowToStructByPos[steps])
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("list the days: %w", err)
	}
	for _, d := range days {
		for _, step := range []*string{d.Add, d.Validate} {
			if step == nil {
				continue
			}
			err := db.onSafePath(ctx, func(tx pgx.Tx) error {
				_, err := tx.Exec(ctx, *step)
				return err
			})
			if err != nil {
				return fmt.Errorf("check the times of a day: %w", err)
			}
		}
	}
	return nil
}

// onSafePath runs statements in a transaction that finds nothing but the system's functions and operators. The
// connection need not do so before the schema is out of public, nor through a pooler.
func (db *DB) onSafePath(ctx context.Context, run func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, db.conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "set local search_path = "+safePath); err != nil {
			return err
		}
		return run(tx)
	})
}
