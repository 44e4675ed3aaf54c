package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tap25/store/evidence"
)

// coverageDay is coverage of a sensor that is due to be packed.
type coverageDay struct {
	Day    time.Time
	Sensor string
	Chain  string // whose link signs it
}

// errNotSigned means that coverage is not what links have signed: to sign what is made of it would hide that.
var errNotSigned = errors.New("coverage is not as it was signed")

// packCoverage packs the coverage of the days that are over, each sensor's day in a transaction of its own, and signs
// what it puts in its place. Coverage that is not as it was signed, or whose sums are beyond bigint, stays as it is.
// Without a signer nobody signs, and [DB.Verify] reports the days.
func (db *DB) packCoverage(ctx context.Context, quiet time.Duration, s *Signer) error {
	rows, err := db.conn.Query(ctx, "select day, sensor, chain from tap25_internal.coverage_over($1)", quiet)
	if err != nil {
		return err
	}
	due, err := pgx.CollectRows(rows, pgx.RowToStructByPos[coverageDay])
	if err != nil {
		return err
	}
	for _, d := range due {
		if err := db.packDay(ctx, d, s); err != nil && !errors.Is(err, errNotSigned) && !isState(err, "22003") {
			return fmt.Errorf("the day %s: %w", d.Day.Format(time.DateOnly), err)
		}
	}
	return nil
}

func (db *DB) packDay(ctx context.Context, d coverageDay, s *Signer) error {
	committed := func() {}
	err := pgx.BeginFunc(ctx, db.conn, func(tx pgx.Tx) error {
		p, err := pack(ctx, tx, d)
		if err != nil || s == nil || len(p.longer) == 0 {
			return err
		}
		roots, err := p.roots()
		if err != nil {
			return err
		}
		links := certificates(evidence.Coverage, "", roots)
		for _, l := range links {
			l.Segment = d.Sensor
		}
		committed, err = db.sign(ctx, tx, s, d.Chain, links)
		return err
	})
	if err == nil {
		committed()
	}
	return err
}

// packing is what pack_coverage has done to a sensor's coverage of a day.
type packing struct {
	packedDay
	sensor         string
	minutes        map[uint32][]evidence.Hash // leaves of minutes that went, by their xmin
	before, longer []evidence.Hash            // leaves of longer rows that went, and of those that came
}

// pack packs a sensor's coverage of a day, which is over; nothing if somebody else packs.
func pack(ctx context.Context, tx pgx.Tx, d coverageDay) (*packing, error) {
	rows, err := tx.Query(ctx, "select what, coalesce(id, 0), coalesce(xid, 0), octets from "+
		"tap25_internal.pack_coverage($1, $2)", d.Day, d.Sensor)
	if err != nil {
		return nil, err
	}
	p := &packing{packedDay: newPackedDay(DayNumber(d.Day)), sensor: d.Sensor,
		minutes: map[uint32][]evidence.Hash{}}
	var what string
	var id, xid int64
	var octets []byte
	_, err = pgx.ForEachRow(rows, []any{&what, &id, &xid, &octets}, func() error {
		if what == "link" {
			return p.link(id, uint32(xid), octets)
		}
		if len(octets) != len(evidence.Hash{}) {
			return fmt.Errorf("a leaf has %d octets", len(octets))
		}
		switch leaf := evidence.Hash(octets); what {
		case "minute":
			p.minutes[uint32(xid)] = append(p.minutes[uint32(xid)], leaf)
		case "longer before":
			p.before = append(p.before, leaf)
		default:
			p.longer = append(p.longer, leaf)
		}
		return nil
	})
	return p, err
}

// link takes a link of the day, in the order of their numbers.
func (p *packing) link(id int64, xmin uint32, body []byte) error {
	l, err := evidence.ParseLink(body)
	if err != nil {
		return errNotSigned
	}
	if l.Kind == evidence.Coverage {
		p.pack(l)
		return nil
	}
	for _, r := range l.Days {
		if l.Kind == evidence.Segment && r.Table == evidence.Minutes && r.Day == p.day {
			p.links = append(p.links, &dayLink{id: id, sensor: l.Sensor, xmin: xmin, signed: r})
		}
	}
	return nil
}

// roots returns the root of the longer rows that came, and those of the minutes that went. The error is errNotSigned if
// something went that links have not signed.
func (p *packing) roots() ([]evidence.DayRows, error) {
	roots := []evidence.DayRows{rootOf(evidence.LongerCoverage, p.day, p.longer)}
	for _, l := range p.links {
		if rootOf(evidence.Minutes, p.day, p.minutes[l.xmin]) != l.signed {
			return nil, errNotSigned
		}
		delete(p.minutes, l.xmin)
		roots = append(roots, l.signed)
	}
	var before evidence.DayRows
	if len(p.before) > 0 {
		before = rootOf(evidence.LongerCoverage, p.day, p.before)
	}
	if p.longerRows[p.sensor] != before || len(p.minutes) > 0 {
		return nil, errNotSigned
	}
	return roots, nil
}

func rootOf(table evidence.Table, day int32, leaves []evidence.Hash) evidence.DayRows {
	evidence.Sort(leaves)
	return evidence.DayRows{Table: table, Day: day, Rows: uint64(len(leaves)), Root: evidence.Root(leaves)}
}

// packedDay is what links say of the coverage of a day.
type packedDay struct {
	day        int32
	links      []*dayLink                  // whose minutes no packing has replaced
	longerRows map[string]evidence.DayRows // by sensor: what the last packing has put in their place
}

func newPackedDay(day int32) packedDay {
	return packedDay{day: day, longerRows: map[string]evidence.DayRows{}}
}

// pack takes a link that says what was packed.
func (p *packedDay) pack(c *evidence.Link) {
	for _, r := range c.Days {
		switch {
		case r.Day != p.day:
		case r.Table == evidence.LongerCoverage:
			p.longerRows[c.Segment] = r
		case r.Table == evidence.Minutes:
			if i := slices.IndexFunc(p.links, func(l *dayLink) bool {
				return l.sensor == c.Segment && l.signed == r
			}); i >= 0 {
				p.links = slices.Delete(p.links, i, i+1)
			}
		}
	}
}
