package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tap25/store/numeral"
)

// FinishConfig configures [DB.FinishDays]; its zero value is the default.
type FinishConfig struct {
	Quiet time.Duration // how long nothing was loaded into a day; zero: ten minutes, negative: any time
	Most  int           // days at once, the newest first; zero: all

	Signer *Signer // signs what coverage is packed into; nil: nobody does, and [DB.Verify] reports the days

	// how long a reindex waits for open transactions, without blocking anybody; zero: a minute
	Patience time.Duration
}

// FinishedDay reports what was done for a day that is over.
type FinishedDay struct {
	Day           time.Time
	Summarized    bool
	Before, After int64 // bytes of its indexes, around a reindex; zero: none was due, or this user may not
	Frozen        bool
}

// FinishDays does what is due for the days that are over: it packs their coverage, makes their summaries, and, if the
// user owns them, rebuilds their indexes and freezes their rows. All of it is recorded, and done again if many rows
// came late. None of this blocks a reader or a load; what another connection is doing is left to it. Days that were
// finished are returned with an error too. The error is [ErrPooled] if indexes were left as they are because a pooler
// is in between; all else is done then.
func (db *DB) FinishDays(ctx context.Context, cfg FinishConfig) (done []FinishedDay, err error) {
	if cfg.Quiet == 0 {
		cfg.Quiet = 10 * time.Minute
	}
	if cfg.Patience == 0 {
		cfg.Patience = time.Minute
	}
	if err := db.packCoverage(ctx, max(cfg.Quiet, 0), cfg.Signer); err != nil {
		return nil, fmt.Errorf("pack the coverage of the days that are over: %w", err)
	}
	days, err := db.daysOver(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("list the days that are over: %w", err)
	}
	pooled, err := db.pooledRebuild(ctx, days)
	if err != nil {
		return nil, err
	}
	// A transaction was in the way, of this reindex or freeze, which would be in that of the other days as well.
	waited, seen := false, false
	for _, d := range days {
		did := FinishedDay{Day: d.Day}
		if d.Summary {
			if err := db.conn.QueryRow(ctx, "select tap25_internal.summarize_day($1)", d.Day).
				Scan(&did.Summarized); err != nil {
				return done, fmt.Errorf("summarize the day %s: %w", d.Day.Format(time.DateOnly), err)
			}
		}
		if d.Reindex && !waited && !pooled {
			did.Before, did.After, err = db.reindex(ctx, d, cfg.Patience)
			if waited = inUse(err); err != nil && !waited {
				return done, fmt.Errorf("reindex the day %s: %w", d.Day.Format(time.DateOnly), err)
			}
		}
		if d.Freeze && !waited && !seen {
			if did.Frozen, err = db.freeze(ctx, d); err != nil {
				return done, fmt.Errorf("freeze the day %s: %w", d.Day.Format(time.DateOnly), err)
			}
			seen = !did.Frozen
		}
		if did.Summarized || did.After > 0 || did.Frozen {
			done = append(done, did)
		}
	}
	if pooled {
		return done, fmt.Errorf("rebuild the indexes of days that are over: %w", ErrPooled)
	}
	return done, nil
}

type overDay struct {
	Day                      time.Time
	Summary, Reindex, Freeze bool
	Rows                     int64
	Partition                string
}

// daysOver lists the days for which this user may do something that is due.
func (db *DB) daysOver(ctx context.Context, cfg FinishConfig) ([]overDay, error) {
	rows, err := db.conn.Query(ctx, `select * from (
			select d.day, d.summary_due, d.reindex_due and o.owns as reindex, d.freeze_due and o.owns as freeze,
			       d.rows, p.name
			from tap25_internal.days_over($1) d
			cross join lateral (select 'tap25_internal.' || tap25_internal.partition_name(d.day) as name) p
			join pg_class c on c.oid = p.name::regclass
			cross join lateral (select pg_has_role(c.relowner, 'usage') as owns) o) d
		where d.summary_due or d.reindex or d.freeze
		order by d.day desc limit nullif($2, 0)`, max(cfg.Quiet, 0), cfg.Most)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[overDay])
}

// freeze freezes the rows of a day, so that no later VACUUM reads them again (PostgreSQL documentation, "Preventing
// Transaction ID Wraparound Failures"). It waits for nobody. done is false if an open transaction or another VACUUM kept
// some of the rows from it: each load writes its line of days too, whose xmin is that of the newest rows. After a day of
// that, the rows are left to autovacuum.
func (db *DB) freeze(ctx context.Context, d overDay) (done bool, err error) {
	if _, err := db.conn.Exec(ctx, "vacuum (freeze, skip_locked) "+d.Partition); err != nil {
		return false, err
	}
	tag, err := db.conn.Exec(ctx, `insert into tap25_internal.frozen (day, rows)
		select $2, $3 from pg_class c
		cross join (select min(age(xmin)) as age, max(loaded_at) as at from tap25_internal.days where day = $2) l
		where c.oid = $1::text::regclass and (age(c.relfrozenxid) < l.age or l.at < now() - interval '1 day')
		on conflict (day) do update set rows = excluded.rows, made_at = now()`, d.Partition, d.Day, d.Rows)
	return tag.RowsAffected() > 0, err
}

// reindex rebuilds the indexes of a day, packed as full as they go, beside readers and writers; nothing is done if
// another connection does so. It is many transactions: what one that was broken off has left, the next removes.
func (db *DB) reindex(ctx context.Context, d overDay, patience time.Duration) (before, after int64, err error) {
	release, ok, err := db.onlyRebuild(ctx)
	if err != nil || !ok {
		return 0, 0, err
	}
	defer release()
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWithin)
		defer cancel()
		_, resetErr := db.conn.Exec(ctx, "reset lock_timeout")
		if !db.conn.IsClosed() {
			err = errors.Join(err, resetErr)
		}
	}()
	const size = "select tap25_internal.size_of_indexes($1::regclass)"
	if err := db.conn.QueryRow(ctx, size, d.Partition).Scan(&before); err != nil {
		return 0, 0, err
	}
	steps, err := db.reindexSteps(ctx, d.Partition)
	if err != nil {
		return 0, 0, err
	}
	for _, step := range append([]string{fmt.Sprintf("set lock_timeout = %d", patience.Milliseconds())}, steps...) {
		if _, err := db.conn.Exec(ctx, step); err != nil {
			return 0, 0, err
		}
	}
	if err := db.conn.QueryRow(ctx, size, d.Partition).Scan(&after); err != nil {
		return 0, 0, err
	}
	_, err = db.conn.Exec(ctx, `insert into tap25_internal.reindexed (day, rows, bytes_before, bytes)
		values ($1, $2, $3, $4)
		on conflict (day) do update set rows = excluded.rows, bytes_before = excluded.bytes_before,
		    bytes = excluded.bytes, made_at = now()`, d.Day, d.Rows, before, after)
	return before, after, err
}

// reindexSteps are the statements that rebuild a day's indexes, each a transaction of its own or more: first away with
// what a reindex that was broken off has left (PostgreSQL documentation, REINDEX, "Rebuilding Indexes Concurrently").
func (db *DB) reindexSteps(ctx context.Context, partition string) ([]string, error) {
	rows, err := db.conn.Query(ctx, `select case when not i.indisvalid
		then format('drop index concurrently tap25_internal.%I', c.relname)
			else format('alter index tap25_internal.%I set (fillfactor = 100)', c.relname) end
		from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am a on a.oid = c.relam
		where i.indrelid = $1::regclass and (not i.indisvalid and c.relname ~ '_cc(new|old)\d*$'
			or i.indisvalid and a.amname = 'btree'
			    and not coalesce(c.reloptions @> array['fillfactor=100'], false))`, partition)
	if err != nil {
		return nil, err
	}
	steps, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return append(steps, "reindex table concurrently "+partition), err
}

// String returns a line for people.
func (d FinishedDay) String() string {
	var did []string
	if d.Summarized {
		did = append(did, "summarized")
	}
	if d.After > 0 {
		did = append(did, fmt.Sprintf("indexes rebuilt, %s bytes to %s", numeral.Grouped(d.Before),
			numeral.Grouped(d.After)))
	}
	if d.Frozen {
		did = append(did, "rows frozen")
	}
	return d.Day.Format(time.DateOnly) + ": " + strings.Join(did, ", ")
}
