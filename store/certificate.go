package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tap25/store/evidence"
)

// dropDay drops the partition of a day.
func (db *DB) dropDay(cfg ExpireConfig, day time.Time) drop {
	return func(ctx context.Context, tx pgx.Tx) (dropped []ExpiredDay, _ []*evidence.Link, err error) {
		signed := &signedDay{day: day}
		if cfg.Signer != nil { // before the locks, since a day may have many links
			if err := signed.read(ctx, tx); err != nil {
				return nil, nil, err
			}
		}
		dropped, err = dropRows(ctx, tx, "select $1::date, 'partition', * from tap25_internal.expire_day($1, $2)", day,
			cfg.Version)
		if err != nil || cfg.Signer == nil || len(dropped) == 0 {
			return dropped, nil, err
		}
		if err := signed.read(ctx, tx); err != nil { // what came in between
			return nil, nil, err
		}
		l := &evidence.Link{Kind: evidence.Destroyed, Reason: reason(cfg)}
		l.Days = signed.certify(uint64(dropped[0].Rows))
		if dropped[0].Kept > 0 {
			held, err := readLeaves(ctx, tx, "select * from tap25_internal.held_leaves($1)", []time.Time{day})
			if err != nil {
				return nil, nil, err
			}
			l.Days = append(l.Days, rootsOfLeaves(evidence.Held, held)...)
		}
		return dropped, []*evidence.Link{l}, nil
	}
}

func reason(cfg ExpireConfig) string {
	return "retention: kept from " + cfg.kept.Format(time.DateOnly)
}

func dropRows(ctx context.Context, tx pgx.Tx, sql string, args ...any) ([]ExpiredDay, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[ExpiredDay])
}

// signedDay are the roots of the links of a day that no certificate is of yet.
type signedDay struct {
	day   time.Time
	last  int64 // id of the last link that was read
	roots []evidence.DayRows
}

// read reads the links that were added since it was called last.
func (s *signedDay) read(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, `select id, body from tap25.links where id > $1
		and daterange(first_day, last_day, '[]') @> $2::date order by id`, s.last, s.day)
	if err != nil {
		return err
	}
	day := DayNumber(s.day)
	var body []byte
	_, err = pgx.ForEachRow(rows, []any{&s.last, &body}, func() error {
		l, err := evidence.ParseLink(body)
		if err != nil {
			return fmt.Errorf("a link of the day cannot be read: %w; run 'tap25 verify'", err)
		}
		for _, d := range l.Days {
			switch {
			case d.Day != day:
			case d.Table == evidence.Envelopes && l.Kind == evidence.Segment:
				s.roots = append(s.roots, d)
			case d.Table == evidence.RootsOfTheDay:
				s.roots = nil
			}
		}
		return nil
	})
	return err
}

// certify returns what a certificate says of the day, of which that many rows were counted.
func (s *signedDay) certify(counted uint64) []evidence.DayRows {
	day, signed := DayNumber(s.day), uint64(0)
	for _, r := range s.roots {
		signed += r.Rows
	}
	all := evidence.DayRows{Table: evidence.RootsOfTheDay, Day: day, Rows: max(signed, counted),
		Root: evidence.DayRoot(s.roots)}
	if counted <= signed {
		return []evidence.DayRows{all}
	}
	return []evidence.DayRows{all, {Table: evidence.UnsignedDropped, Day: day, Rows: counted - signed}}
}

// dropMisdated drops the misdated rows that were loaded before the retention.
func (db *DB) dropMisdated(cfg ExpireConfig, cutoff time.Time) drop {
	return func(ctx context.Context, tx pgx.Tx) (dropped []ExpiredDay, _ []*evidence.Link, err error) {
		var gone, held map[int32][]evidence.Hash
		if cfg.Signer != nil {
			gone, err = readLeaves(ctx, tx, "select * from tap25_internal.misdated_leaves($1)", cutoff)
			if err != nil {
				return nil, nil, err
			}
		}
		dropped, err = dropRows(ctx, tx, "select day, 'misdated', rows, bytes, kept from "+
			"tap25_internal.expire_misdated($1, $2)", cutoff, cfg.Version)
		if err != nil || len(gone) == 0 {
			return dropped, nil, err
		}
		if slices.ContainsFunc(dropped, func(d ExpiredDay) bool { return d.Kept > 0 }) {
			if held, err = readLeaves(ctx, tx, "select * from tap25_internal.held_leaves($1)",
				daysIn(gone)); err != nil {
				return nil, nil, err
			}
		}
		links := certificates(evidence.Destroyed, reason(cfg), rootsOfLeaves(evidence.Misdated, gone))
		return dropped, append(links, certificates(evidence.Destroyed, reason(cfg),
			rootsOfLeaves(evidence.Held, held))...), nil
	}
}

// dropReleased drops what holds that have ended kept.
func (db *DB) dropReleased(cfg ExpireConfig) drop {
	return func(ctx context.Context, tx pgx.Tx) (dropped []ExpiredDay, _ []*evidence.Link, err error) {
		var gone map[int32][]evidence.Hash
		if cfg.Signer != nil {
			if gone, err = readLeaves(ctx, tx, "select * from tap25_internal.released_leaves()"); err != nil {
				return nil, nil, err
			}
		}
		dropped, err = dropRows(ctx, tx, "select day, 'held', rows, bytes, 0 from tap25_internal.release_holds($1)",
			cfg.Version)
		if err != nil || len(gone) == 0 {
			return dropped, nil, err
		}
		left, err := readLeaves(ctx, tx, "select * from tap25_internal.held_leaves($1)", daysIn(gone))
		if err != nil {
			return nil, nil, err
		}
		const reason = "the legal holds on these rows have ended"
		links := certificates(evidence.Released, reason, rootsOfLeaves(evidence.ReleasedRows, gone))
		return dropped, append(links, certificates(evidence.Released, reason, heldNow(gone, left))...), nil
	}
}

// heldNow returns the roots of the held rows of the days of which some are gone, also if none is left.
func heldNow(gone, left map[int32][]evidence.Hash) (roots []evidence.DayRows) {
	roots = rootsOfLeaves(evidence.Held, left)
	for day := range gone {
		if len(left[day]) == 0 {
			roots = append(roots, evidence.DayRows{Table: evidence.Held, Day: int32(day), Root: evidence.Root(nil)})
		}
	}
	return roots
}

// daysOfLink bounds the days of one certificate, whose octets are bounded.
const daysOfLink = 10_000

// certificates returns the links that certify roots.
func certificates(kind evidence.Kind, reason string, roots []evidence.DayRows) (links []*evidence.Link) {
	for chunk := range slices.Chunk(roots, daysOfLink) {
		links = append(links, &evidence.Link{Kind: kind, Reason: reason, Days: chunk})
	}
	return links
}

func daysIn(leaves map[int32][]evidence.Hash) (days []time.Time) {
	for d := range maps.Keys(leaves) {
		days = append(days, DayOf(d))
	}
	return days
}

// readLeaves reads leaves by day.
func readLeaves(ctx context.Context, tx pgx.Tx, sql string, args ...any) (map[int32][]evidence.Hash, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	leaves := map[int32][]evidence.Hash{}
	var day time.Time
	var leaf []byte
	_, err = pgx.ForEachRow(rows, []any{&day, &leaf}, func() error {
		if len(leaf) != len(evidence.Hash{}) {
			return fmt.Errorf("a leaf has %d octets", len(leaf))
		}
		d := DayNumber(day)
		leaves[d] = append(leaves[d], evidence.Hash(leaf))
		return nil
	})
	return leaves, err
}
