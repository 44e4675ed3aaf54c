package store

import (
	"context"
	"fmt"
)

// UpkeepReport is what Upkeep did.
type UpkeepReport struct {
	ExpireReport
	Finished []FinishedDay
}

// upkeepDays is how many days one Upkeep finishes: a database with years of days has other things to do as well.
const upkeepDays = 12

// Upkeep makes the partitions of the days ahead, forgets loads that no spool can hold any more (see PruneLoads), where a
// retention is given and the database lets this user, drops the days that are older, and finishes days that are over.
// Long-running commands do it hourly.
func (db *DB) Upkeep(ctx context.Context, sensor, oldest string, expire ExpireConfig) (report UpkeepReport, err error) {
	if _, err := db.AheadPartitions(ctx, DaysAhead); err != nil {
		return report, err
	}
	if _, err := db.PruneLoads(ctx, sensor, oldest); err != nil {
		return report, err
	}
	if expire.Retention != (Retention{}) {
		if report.ExpireReport, err = db.expireIfAllowed(ctx, expire); err != nil {
			return report, err
		}
	}
	report.Finished, err = db.FinishDays(ctx, FinishConfig{Most: upkeepDays})
	return report, err
}

func (db *DB) expireIfAllowed(ctx context.Context, cfg ExpireConfig) (report ExpireReport, err error) {
	var may bool
	err = db.conn.QueryRow(ctx, `select has_function_privilege('tap25_internal.expire_day(date, text)', 'execute')
		and has_function_privilege('tap25_internal.expire_misdated(timestamptz, text)', 'execute') and has_function_privilege('tap25_internal.release_holds(text)', 'execute')`).Scan(&may)
	if err != nil {
		return report, fmt.Errorf("ask whether this user may expire: %w", err)
	}
	if !may {
		return report, nil
	}
	return db.Expire(ctx, cfg)
}
