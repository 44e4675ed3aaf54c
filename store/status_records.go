package store

import (
	"context"
	"slices"
	"time"
)

// RecordStatus is what 'tap25 db status' shows of who read, and of what is dropped.
type RecordStatus struct {
	Retention string `json:"retention"` // as stored; "none" if none is, so that nothing is dropped
	Accesses  int64  `json:"accesses"`
	// numbers without a line in accesses: of what was undone, or refused by an error
	Missing int64 `json:"missing_accesses"`

	Covered  *time.Time `json:"covered_to"`       // the end of the latest coverage
	Covering []string   `json:"covering_sensors"` // the sensors of which there is coverage of the last three minutes
}

func (db *DB) recordStatus(ctx context.Context, s *Status) error {
	var level string
	err := db.conn.QueryRow(ctx, `
		select coalesce((select coalesce(kept::text, 'for ever') from tap25.retentions order by id desc limit 1), 'none'),
		       (select count(*) from tap25.accesses), (select coalesce(sum(last - first + 1), 0)::bigint from tap25.missing_accesses),
		       current_setting('log_min_messages'), (select max(before) from tap25.coverage where program = 'sniff'),
		       coalesce((select array_agg(distinct sensor order by sensor) from tap25.coverage where program = 'sniff'
		           and before > now() - interval '3 minutes'), '{}')`).
		Scan(&s.Retention, &s.Accesses, &s.Missing, &level, &s.Covered, &s.Covering)
	if slices.Contains([]string{"fatal", "panic"}, level) {
		s.warn("the server's log does not record who reads what: set log_min_messages = warning in postgresql.conf")
	}
	return err
}
