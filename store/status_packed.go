package store

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// PackedStatus is what 'tap25 db status' shows of packed days, and of the growth of all.
type PackedStatus struct {
	PackedDays        int64 `json:"packed_days"`
	PackedRows        int64 `json:"packed_rows"`
	HotBytesPerRow    int64 `json:"bytes_per_row_unpacked"`
	PackedBytesPerRow int64 `json:"bytes_per_row_packed"`
	// what a day's rows take for good, and what the rows of a day take until they are packed
	Growth    int64 `json:"bytes_a_day"`
	HotGrowth int64 `json:"bytes_a_day_unpacked"`

	expiring map[int]int64 // the octets of days, by how many days from now they are dropped
	kept     *int          // how many days a new one is kept; nil: for ever
}

// packedStatus adds packed days to the status, of which Bytes and Rows are already those of the others and of all.
func (db *DB) packedStatus(ctx context.Context, s *Status) error {
	var packed int64
	err := db.conn.QueryRow(ctx, `select count(distinct day), coalesce(sum(rows), 0)::bigint,
		(select coalesce(sum(pg_total_relation_size(inhrelid)), 0)::bigint from pg_inherits
		 where inhparent in ('tap25_internal.blocks'::regclass, 'tap25_internal.block_prints'::regclass))
		from tap25_internal.packs`).Scan(&s.PackedDays, &s.PackedRows, &packed)
	if err != nil {
		return err
	}
	s.HotBytesPerRow = s.Bytes / max(s.Rows-s.PackedRows, 1)
	s.PackedBytesPerRow = packed / max(s.PackedRows, 1)
	s.Bytes += packed
	s.HotGrowth = s.RowsADay * s.HotBytesPerRow
	s.Growth = s.HotGrowth
	if s.PackedRows > 0 {
		s.Growth = s.RowsADay * s.PackedBytesPerRow
	}
	return db.expiring(ctx, s)
}

// expiring asks when which octets are dropped by the retention in force.
func (db *DB) expiring(ctx context.Context, s *Status) error {
	rows, err := db.conn.Query(ctx, `
		with today as (select (now() at time zone 'UTC')::date as day),
		     stored as (select kept from tap25.retentions order by id desc limit 1)
		select greatest((p.day + 1 + r.kept)::date - t.day, 1), p.bytes, (t.day + r.kept)::date - t.day
		from stored r cross join today t left join tap25_internal.partitions() p on true where r.kept is not null`)
	if err != nil {
		return err
	}
	s.expiring = map[int]int64{}
	var left, kept int
	var bytes *int64
	_, err = pgx.ForEachRow(rows, []any{&left, &bytes, &kept}, func() error {
		s.kept = new(kept)
		if bytes != nil {
			s.expiring[left] += *bytes
		}
		return nil
	})
	return err
}

// mostDaysAhead is how far FullIn looks.
const mostDaysAhead = 3650

// FullIn returns in how many days so many free octets are filled, if mail keeps coming as it did in the last week and
// days are dropped by the retention in force; false: not within ten years.
func (s *Status) FullIn(free int64) (days int, full bool) {
	for day := 1; day <= mostDaysAhead; day++ {
		free += s.expiring[day]
		if s.kept == nil || day <= *s.kept {
			free -= s.Growth // later, what a day brings is what another one leaves
		}
		if free <= 0 {
			return day, true
		}
	}
	return 0, false
}
