package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// PackConfig configures [DB.PackDays].
type PackConfig struct {
	OlderThan Retention     // days younger than this stay as they are; zero: all days before today are packed
	Days      []time.Time   // only these, if any
	Most      int           // days at once, the oldest first; zero: all
	Quiet     time.Duration // how long nothing was loaded into a day; zero: ten minutes, negative: any time
}

// PackedDay reports what [DB.PackDays] did to a day.
type PackedDay struct {
	Day           time.Time
	Rows          int64
	Before, After int64 // octets of what was packed with its indexes, and of the day's blocks
	Took          time.Duration
	Busy          error // why it stays as it was; nil: it was packed
}

// PackDays packs days that are over, each in a transaction of its own: either form of a day is there at any time, and
// readers and loads go on. A day that somebody uses, or that got rows meanwhile, is reported as busy, which is no
// error, and is packed the next time. If packing fails, the days that were packed before are returned, too. For a
// distributed database the error is [ErrDistributed].
func (db *DB) PackDays(ctx context.Context, cfg PackConfig) (done []PackedDay, err error) {
	if cfg.Quiet == 0 {
		cfg.Quiet = 10 * time.Minute
	}
	distributed, err := db.distributed(ctx)
	if err == nil && distributed {
		err = ErrDistributed
	}
	if err != nil {
		return nil, fmt.Errorf("pack days: %w", err)
	}
	rows, err := db.conn.Query(ctx, `select d.day,
		coalesce(pg_total_relation_size(to_regclass('tap25_internal.envelopes_' || to_char(d.day, 'YYYYMMDD'))), 0)
		from tap25_internal.days_to_pack(make_interval($1, $2, 0, $3), $4) d
		where $5::date[] is null or d.day = any ($5) order by d.day limit nullif($6, 0)`,
		cfg.OlderThan.Years, cfg.OlderThan.Months, cfg.OlderThan.Days, max(cfg.Quiet, 0), cfg.Days, cfg.Most)
	if err != nil {
		return nil, fmt.Errorf("list the days to pack: %w", err)
	}
	days, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (d PackedDay, err error) {
		err = row.Scan(&d.Day, &d.Before)
		return d, err
	})
	if err != nil {
		return nil, fmt.Errorf("list the days to pack: %w", err)
	}
	for _, d := range days {
		begun := time.Now()
		var packed *int64
		err := db.conn.QueryRow(ctx, "select tap25_internal.pack_day($1)", d.Day).Scan(&packed)
		switch {
		case inUse(err) || isState(err, "40001"):
			d.Busy = err
		case err != nil:
			return done, fmt.Errorf("pack the day %s: %w", d.Day.Format(time.DateOnly), err)
		case packed == nil:
			continue // another session packs, or has packed it
		default:
			d.Rows, d.Took = *packed, time.Since(begun)
			if err := db.conn.QueryRow(ctx, "select coalesce(pg_total_relation_size(to_regclass($1)), 0)",
				"tap25_internal.blocks_"+d.Day.Format("20060102")).Scan(&d.After); err != nil {
				return done, fmt.Errorf("ask for the size of the day %s: %w", d.Day.Format(time.DateOnly), err)
			}
		}
		done = append(done, d)
	}
	return done, nil
}

// isState reports whether the server gave an error with that SQLSTATE.
func isState(err error, state string) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == state
}
