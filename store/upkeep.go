package store

import (
	"context"
	"fmt"
)

// Upkeep makes the partitions of the days ahead, forgets loads that no spool can hold any more (see PruneLoads), and, where a
// retention is given and the database lets this user, drops the days that are older. Long-running commands do it daily.
func (db *DB) Upkeep(ctx context.Context, sensor, oldest string, expire ExpireConfig) (ExpireReport, error) {
	var report ExpireReport
	if _, err := db.AheadPartitions(ctx, DaysAhead); err != nil {
		return report, err
	}
	if _, err := db.PruneLoads(ctx, sensor, oldest); err != nil {
		return report, err
	}
	if expire.Retention == (Retention{}) {
		return report, nil
	}
	var may bool
	err := db.conn.QueryRow(ctx, `select has_function_privilege('expire_day(date, text)', 'execute')
		and has_function_privilege('expire_misdated(timestamptz, text)', 'execute') and has_function_privilege('release_holds(text)', 'execute')`).Scan(&may)
	if err != nil {
		return report, fmt.Errorf("ask whether this user may expire: %w", err)
	}
	if !may {
		return report, nil
	}
	return db.Expire(ctx, expire)
}
