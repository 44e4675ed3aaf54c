package store

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Status is what 'tap25 db status' shows.
type Status struct {
	Server     string     `json:"server"`
	Version    int32      `json:"schema"`
	Partitions int64      `json:"partitions"`
	Rows       int64      `json:"rows"` // as the loads counted them: exact, and no row is read for it
	Bytes      int64      `json:"bytes"`
	Oldest     *time.Time `json:"oldest"`
	Newest     *time.Time `json:"newest"`
	Held       int64      `json:"held"`
	Misdated   int64      `json:"misdated"`
	Expired    int64      `json:"expired_days"`
	Loads      int64      `json:"loads"` // an estimate once they are many
	Loaded     *time.Time `json:"loaded"`
}

// Status asks the database about what it holds. It reads no envelope but those of the first and the last day, whose
// times an index gives or one day's scan.
func (db *DB) Status(ctx context.Context) (Status, error) {
	var s Status
	if err := db.Check(ctx); err != nil {
		return s, err
	}
	s.Version, _, _ = db.Version(ctx)
	err := db.conn.QueryRow(ctx, `
		with parts as (select inhrelid from pg_inherits where inhparent = 'envelopes'::regclass)
		select current_setting('server_version'), (select count(*) from parts),
		       (select coalesce(sum(pg_total_relation_size(inhrelid)), 0) from parts),
		       (select coalesce(sum(rows), 0) from days), (select max(loaded_at) from days),
		       (select count(*) from held), (select count(*) from misdated),
		       (select count(*) from expired where kind = 'partition'),
		       (select case when reltuples > 1e6 then reltuples::bigint else (select count(*) from loads) end from pg_class where oid = 'loads'::regclass)`).
		Scan(&s.Server, &s.Partitions, &s.Bytes, &s.Rows, &s.Loaded, &s.Held, &s.Misdated, &s.Expired, &s.Loads)
	if err != nil {
		return s, fmt.Errorf("ask for the status: %w", err)
	}
	s.Server, _, _ = strings.Cut(s.Server, " ")
	for fn, to := range map[string]**time.Time{"min": &s.Oldest, "max": &s.Newest} {
		var day *time.Time
		if err := db.conn.QueryRow(ctx, "select "+fn+"(day) from days where rows > 0").Scan(&day); err != nil {
			return s, fmt.Errorf("ask for the status: %w", err)
		}
		if day == nil {
			continue
		}
		err := db.conn.QueryRow(ctx, "select "+fn+"(seen_at) from envelopes where seen_at >= $1 and seen_at < $2", *day, day.AddDate(0, 0, 1)).Scan(to)
		if err != nil {
			return s, fmt.Errorf("ask for the status: %w", err)
		}
	}
	return s, nil
}
