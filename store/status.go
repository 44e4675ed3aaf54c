package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Status is what 'tap25 db status' shows; sizes are in bytes.
type Status struct {
	Server      string     `json:"server"`
	Version     int32      `json:"schema"`
	Partitions  int64      `json:"partitions"`
	Rows        int64      `json:"rows"` // the exact sum of what each load counted; no row is read
	Bytes       int64      `json:"bytes"`
	BytesPerRow int64      `json:"bytes_per_row"` // of all rows; PackedStatus tells packed ones apart
	RowsADay    int64      `json:"rows_a_day"`    // of the days with rows among the seven before today
	Oldest      *time.Time `json:"oldest"`
	Newest      *time.Time `json:"newest"`
	Summarized  int64      `json:"summarized_days"`
	Reindexed   int64      `json:"reindexed_days"`
	Frozen      int64      `json:"frozen_days"`
	IndexBits   int        `json:"index_bits"`        // of a hash, in the indexes of addresses of new days
	IndexedFor  int64      `json:"indexed_for_a_day"` // how many rows a day that is for
	Servers     int        `json:"servers,omitempty"` // that have rows, of a distributed database; else 0
	Held        int64      `json:"held"`
	Misdated    int64      `json:"misdated"`
	Expired     int64      `json:"expired_days"`
	Loads       int64      `json:"loads"` // an estimate once they are many
	Loaded      *time.Time `json:"last_load"`
	Lag         *float64   `json:"lag_seconds"`         // since the last load
	Late        []string   `json:"late_days,omitempty"` // days that expiry could not drop, with who used them
	PackedStatus
	RecordStatus
	Warning string `json:"warning,omitempty"`
}

// locksPerDay is what a question that is not bounded in time locks for each day: the partition and its indexes.
const locksPerDay = 9

// rowsADay is SQL for the rows of a day, by the days with rows among the seven before today.
const rowsADay = `(select coalesce(sum(rows) / count(distinct day), 0)::bigint from tap25_internal.days
	where day between (now() at time zone 'UTC')::date - 7 and (now() at time zone 'UTC')::date - 1 and rows > 0)`

// statusQuery counts what the database holds. It reads no envelope.
const statusQuery = `
with parts as (select inhrelid from pg_inherits where inhparent = 'tap25_internal.envelopes'::regclass)
select current_setting('server_version'), (select count(*) from parts),
       case when exists (select from tap25_internal.summaries)
             then pg_total_relation_size('tap25_internal.summaries') else 0 end
           + (select coalesce(sum(pg_total_relation_size(inhrelid)), 0) from pg_inherits
              where inhparent = 'tap25_internal.prints'::regclass),
       (select count(*) from tap25_internal.summaries), (select count(*) from tap25_internal.reindexed),
       (select count(*) from tap25_internal.frozen), v.bits, v.rows_a_day,
       (select coalesce(sum(rows), 0)::bigint from tap25_internal.days),
       ` + rowsADay + `,
       (select max(loaded_at) from tap25_internal.days),
       (select extract(epoch from now() - max(loaded_at))::float8 from tap25_internal.days),
       (select count(*) from tap25.expired where kind = 'partition'),
       (select case when reltuples > 1e6 then reltuples::bigint
                    else (select count(*) from tap25_internal.loads) end
        from pg_class where oid = 'tap25_internal.loads'::regclass),
       current_setting('max_locks_per_transaction')::bigint * current_setting('max_connections')::bigint,
       current_setting('jit')::bool, e.oldest, e.newest, e.held, e.misdated
from tap25_internal.ends() e cross join tap25_internal.expected_volume v`

// Status asks the database about what it holds. It reads no envelope but those of the first and the last day, whose
// times an index gives or one day's scan. Errors are those of [DB.Check] and the server's.
func (db *DB) Status(ctx context.Context) (Status, error) {
	var s Status
	if err := db.Check(ctx); err != nil {
		return s, err
	}
	s.Version, _, _ = db.Version(ctx)
	var locks int64
	var jit bool
	err := db.conn.QueryRow(ctx, statusQuery).Scan(&s.Server, &s.Partitions, &s.Bytes, &s.Summarized, &s.Reindexed,
		&s.Frozen, &s.IndexBits, &s.IndexedFor, &s.Rows, &s.RowsADay, &s.Loaded, &s.Lag,
		&s.Expired, &s.Loads, &locks, &jit, &s.Oldest, &s.Newest, &s.Held, &s.Misdated)
	if err != nil {
		return s, fmt.Errorf("ask for the status: %w", err)
	}
	s.Server, _, _ = strings.Cut(s.Server, " ")
	if err := db.packedStatus(ctx, &s); err != nil {
		return s, fmt.Errorf("ask for the status: %w", err)
	}
	d, err := distribution(ctx, db.conn)
	if err != nil {
		return s, fmt.Errorf("ask for the status: %w", err)
	}
	s.Servers = d.Workers
	s.BytesPerRow = s.Bytes / max(s.Rows, 1)
	if jit {
		s.warn("jit is on, and compiling a query over hundreds of days can take seconds: set jit = off in " +
			"postgresql.conf")
	}
	if need := s.Partitions * locksPerDay; 2*need > locks {
		s.warn(fmt.Sprintf("a query over all days takes %d of about %d locks: set max_locks_per_transaction = 512 in "+
			"postgresql.conf", need, locks))
	}
	s.warnOfVolume()
	if err := db.warnOfStrangers(ctx, &s); err != nil {
		return s, err
	}
	if err := db.recordStatus(ctx, &s); err != nil {
		return s, fmt.Errorf("ask for the status: %w", err)
	}
	s.Late, err = db.late(ctx)
	return s, err
}

// Size returns the size of the database in bytes: that of its files, system tables and indexes included. A sensor may
// ask.
func (db *DB) Size(ctx context.Context) (n int64, err error) {
	err = db.conn.QueryRow(ctx, "select pg_catalog.pg_database_size(pg_catalog.current_database())").Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("ask for the size of the database: %w", err)
	}
	return n, nil
}

// late lists the days that expiry could not drop, each as a line for people.
func (db *DB) late(ctx context.Context) ([]string, error) {
	rows, err := db.conn.Query(ctx, `
		select format('the day %s cannot be dropped since %s: in use by %s', to_char(day, 'YYYY-MM-DD'),
		              to_char(since at time zone 'UTC', 'YYYY-MM-DD HH24:MI'), coalesce(nullif(users, ''), 'a load'))
		from tap25_internal.late_days order by day`)
	if err != nil {
		return nil, fmt.Errorf("ask which days are late: %w", err)
	}
	late, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("ask which days are late: %w", err)
	}
	return late, nil
}

func (s *Status) warn(text string) {
	if s.Warning != "" {
		s.Warning += "; "
	}
	s.Warning += text
}

// warnOfStrangers adds a warning for each right in this database that others than tap25's users have.
func (db *DB) warnOfStrangers(ctx context.Context, s *Status) error {
	creators, err := db.Creators(ctx)
	if err != nil {
		return err
	}
	if text := creatorsWarning(creators); text != "" {
		s.warn(text)
	}
	open, err := db.OpenToAll(ctx)
	if err != nil {
		return err
	}
	if open {
		s.warn("any login of this server may connect to this database and see how many rows each day has: run REVOKE " +
			"CONNECT, TEMPORARY ON DATABASE " +
			pgx.Identifier{db.conn.Config().Database}.Sanitize() + " FROM PUBLIC;")
	}
	return nil
}
