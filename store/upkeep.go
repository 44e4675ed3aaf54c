package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"
)

// UpkeepReport reports what [DB.Upkeep] did.
type UpkeepReport struct {
	ExpireReport
	Finished []FinishedDay
	Packed   []PackedDay
}

// upkeepDays is how many days one Upkeep finishes, and packs: a database with years of days has other things to do as
// well.
const upkeepDays = 12

// Upkeep makes the partitions of the days ahead and forgets loads that no spool can hold any more (see
// [DB.PruneLoads]). If a retention is given and the database lets this user, it drops the days that are older than both
// it and the stored one. Then it finishes days that are over, and packs those that are older than packAfter, unless
// that is zero. Long-running commands do it hourly. The report is valid with an error too, which is [ErrPooled] as for
// [DB.FinishDays].
func (db *DB) Upkeep(ctx context.Context, sensor, oldest string, expire ExpireConfig, packAfter Retention) (
	report UpkeepReport, err error) {
	may, err := db.mayExpire(ctx)
	if err != nil {
		return report, err
	}
	ended, err := db.makeAhead(ctx, may, cmp.Or(expire.EndReaders, endReaders))
	if err != nil {
		return report, err
	}
	if _, err := db.PruneLoads(ctx, sensor, oldest); err != nil {
		return report, err
	}
	if expire.Retention != (Retention{}) && may {
		report.ExpireReport, err = db.expireAnyway(ctx, expire)
	}
	report.Ended = append(ended, report.Ended...)
	if err != nil {
		return report, err
	}
	report.Finished, err = db.FinishDays(ctx, FinishConfig{Most: upkeepDays, Signer: expire.Signer})
	if err != nil && !errors.Is(err, ErrPooled) || packAfter == (Retention{}) {
		return report, err
	}
	packed, packErr := db.PackDays(ctx, PackConfig{OlderThan: packAfter, Most: upkeepDays})
	if errors.Is(packErr, ErrDistributed) {
		packErr = nil
	}
	report.Packed = packed
	return report, cmp.Or(packErr, err)
}

// makeAhead makes the partitions of the days ahead; if a session has kept them from being made for too long, it ends
// that if it may.
func (db *DB) makeAhead(ctx context.Context, may bool, older time.Duration) (ended []DayUser, err error) {
	if _, err = db.AheadPartitions(ctx, DaysAhead); !inUse(err) || !may {
		return nil, err
	}
	users, err := db.endBlockers(ctx, nil, older)
	if err != nil {
		return nil, err
	}
	for _, u := range users {
		if u.Ended {
			ended = append(ended, u)
		}
	}
	_, err = db.AheadPartitions(ctx, DaysAhead)
	return ended, err
}

// mayExpire reports whether this user may drop days.
func (db *DB) mayExpire(ctx context.Context) (may bool, err error) {
	err = db.conn.QueryRow(ctx, `select has_function_privilege('tap25_internal.expire_day(date, text)', 'execute')
		and has_function_privilege('tap25_internal.expire_misdated(timestamptz, text)', 'execute')
		    and has_function_privilege('tap25_internal.release_holds(text)', 'execute')
		and has_function_privilege('tap25_internal.end_blockers(date, interval)', 'execute')
		and has_function_privilege('tap25_internal.mark_dropped_loads()', 'execute')`).Scan(&may)
	if err != nil {
		return false, fmt.Errorf("check if this user may drop days: %w", err)
	}
	return may, nil
}

// expireAnyway expires by the stored retention if the one of cfg is shorter.
func (db *DB) expireAnyway(ctx context.Context, cfg ExpireConfig) (ExpireReport, error) {
	report, err := db.Expire(ctx, cfg)
	if errors.Is(err, ErrShorterRetention) {
		cfg.Retention = Retention{}
		report, err = db.Expire(ctx, cfg)
		report.Shorter = true
	}
	return report, err
}
