package store

import (
	"context"
	"slices"
)

// RecordStatus is what 'tap25 db status' shows of who read, and of what is dropped.
type RecordStatus struct {
	Retention string `json:"retention"` // as stored; "none" if none is, so that nothing is dropped
	Accesses  int64  `json:"accesses"`
	// numbers without a line in accesses: of what was undone, or refused by an error
	Missing int64 `json:"missing_accesses"`
}

func (db *DB) recordStatus(ctx context.Context, s *Status) error {
	var level string
	err := db.conn.QueryRow(ctx, `
		select coalesce((select coalesce(kept::text, 'for ever') from tap25.retentions order by id desc limit 1), 'none'),
		       (select count(*) from tap25.accesses), (select coalesce(sum(last - first + 1), 0)::bigint from tap25.missing_accesses),
		       current_setting('log_min_messages')`).Scan(&s.Retention, &s.Accesses, &s.Missing, &level)
	if slices.Contains([]string{"fatal", "panic"}, level) {
		s.warn("the server's log does not record who reads what: set log_min_messages = warning in postgresql.conf")
	}
	return err
}
