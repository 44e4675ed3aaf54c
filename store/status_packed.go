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

// packedStatus adds days to the status, packed or not, of which Bytes and Rows are already those of the other tables and
// of all.
func (db *DB) packedStatus(ctx context.Context, s *Status) error {
	var packed int64
	err := db.conn.QueryRow(ctx, `select count(distinct day), coalesce(sum(rows), 0)::bigint,
		(select coalesce(sum(pg_total_relation_size(inhrelid)), 0)::bigint from pg_inherits
		 where inhparent = 'tap25_internal.block_prints'::regclass),
		(select (t.day + r.kept)::date - t.day from (select kept from tap25.retentions order by id desc limit 1) r,
		 (select (now() at time zone 'UTC')::date as day) t)
		from tap25_internal.packs`).Scan(&s.PackedDays, &s.PackedRows, &packed, &s.kept)
	if err != nil {
		return err
	}
	blocks, err := db.daySizes(ctx, s)
	if err != nil {
		return err
	}
	packed += blocks
	s.HotBytesPerRow = s.Bytes / max(s.Rows-s.PackedRows, 1)
	s.PackedBytesPerRow = packed / max(s.PackedRows, 1)
	s.Bytes += packed
	s.HotGrowth = s.RowsADay * s.HotBytesPerRow
	s.Growth = s.HotGrowth
	if s.PackedRows > 0 {
		s.Growth = s.RowsADay * s.PackedBytesPerRow
	}
	return nil
}

// daySizes adds the sizes of days that are not packed to Bytes, and returns those of the others. It notes when which
// are dropped by the retention in force. Each size is asked for once: it takes a look at each file of the day.
func (db *DB) daySizes(ctx context.Context, s *Status) (packed int64, err error) {
	rows, err := db.conn.Query(ctx, `
		select i.inhparent = 'tap25_internal.blocks'::regclass, tap25_internal.size_of(i.inhrelid::regclass),
			case when c.relname ~ '_[0-9]{8}$' then greatest((to_date(right(c.relname, 8), 'YYYYMMDD') + 1 + r.kept)::date
				- (now() at time zone 'UTC')::date, 1) end
		from pg_inherits i join pg_class c on c.oid = i.inhrelid
		left join (select kept from tap25.retentions order by id desc limit 1) r on true
		where i.inhparent in ('tap25_internal.envelopes'::regclass, 'tap25_internal.blocks'::regclass)`)
	if err != nil {
		return 0, err
	}
	s.expiring = map[int]int64{}
	var isPacked bool
	var bytes int64
	var left *int
	_, err = pgx.ForEachRow(rows, []any{&isPacked, &bytes, &left}, func() error {
		if isPacked {
			packed += bytes
		} else {
			s.Bytes += bytes
		}
		if left != nil {
			s.expiring[*left] += bytes
		}
		return nil
	})
	return packed, err
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
