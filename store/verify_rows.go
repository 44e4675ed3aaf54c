package store

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tap25/store/evidence"
)

// mostLeaves bounds the leaves in memory of segments of which not all rows were read yet: 256 MiB.
const mostLeaves = 8 << 20

var errManyLeaves = errors.New("too many segments lack rows, or their rows are too far apart, to verify the day in " +
	"bounded memory")

// dayLink is a link that has rows on a day.
type dayLink struct {
	id      int64
	sensor  string
	segment string
	xmin    uint32
	signed  evidence.DayRows

	leaves []evidence.Hash
	read   uint64 // rows
	ok     bool
}

// destruction is a link that has signed one.
type destruction struct {
	id int64
	*evidence.Link
}

// dayCheck is the verification of a day of one table.
type dayCheck struct {
	*verifier
	table evidence.Table
	day   int32

	links    []*dayLink
	byXmin   map[uint32][]*dayLink
	certs    []destruction
	leaves   int               // in memory
	unknown  map[string]uint64 // rows that have the xmin of no link, by sensor
	inBlocks map[string]uint64 // packed rows that no link is of, by sensor
}

// day verifies the rows of one day of a table.
func (v *verifier) day(ctx context.Context, tx pgx.Tx, table evidence.Table, day int32) error {
	d := &dayCheck{verifier: v, table: table, day: day, byXmin: map[uint32][]*dayLink{}, unknown: map[string]uint64{}}
	if err := d.readLinks(ctx, tx); err != nil {
		return err
	}
	switch table {
	case evidence.Held:
		return d.heldRows(ctx, tx)
	case evidence.Minutes:
		if err := d.packed(ctx, tx); err != nil {
			return err
		}
	}
	dropped, certified := d.destroyed()
	for _, l := range d.links[dropped:] {
		d.byXmin[l.xmin] = append(d.byXmin[l.xmin], l)
	}
	if err := d.packedRows(ctx, tx, d.links[dropped:]); err != nil {
		return err
	}
	if err := d.copyOut(ctx, tx, d.query(), d.row); err != nil {
		return err
	}
	if err := d.byOrder(ctx, tx, d.links[dropped:]); err != nil {
		return err
	}
	if gone, err := d.gone(ctx, tx, d.links[dropped:], certified); gone || err != nil {
		return err
	}
	d.addPacked()
	for _, l := range d.links[dropped:] {
		d.judge(l, d.noun())
	}
	d.judgeUnknown(certified)
	return nil
}

// readLinks reads the links and certificates that name the day.
func (d *dayCheck) readLinks(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, `select id, sensor, key, case when xmin is distinct from tap25_internal.restored_links()
			then coalesce(xid::text::bigint, 0) else 0 end, body, signature from tap25.links
		where daterange(first_day, last_day, '[]') @> $1::date order by id`, DayOf(d.day))
	if err != nil {
		return err
	}
	var id, xmin int64
	var sensor string
	var key int32
	var body, signature []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &sensor, &key, &xmin, &body, &signature}, func() error {
		l, err := evidence.ParseLink(body)
		if err != nil {
			return nil // the chain has found it
		}
		for _, r := range l.Days {
			if l.Kind == evidence.Segment && r.Table == d.table && r.Day == d.day {
				d.links = append(d.links, &dayLink{id: id, sensor: sensor, segment: l.Segment, xmin: uint32(xmin),
					signed: r})
			}
		}
		public := d.keys[key]
		if l.Kind != evidence.Segment && public != nil && ed25519.Verify(public, body, signature) {
			d.certs = append(d.certs, destruction{id, l})
		}
		return nil
	})
	return err
}

func (d *dayCheck) query() string {
	if d.table == evidence.Minutes {
		return d.coverageQuery() + " and not packed order by loaded_at, ctid" // for byOrder: space is used again
	}
	return fmt.Sprintf("select %s, %s, %s from tap25_internal.%s where seen_at >= '%s'::timestamptz and "+
		"seen_at < '%s'::timestamptz", d.byLoad, columns, laterColumns, map[evidence.Table]string{
		evidence.Envelopes: "envelopes", evidence.Misdated: "misdated", evidence.Held: "held"}[d.table],
		timestamp(d.day), timestamp(d.day+1))
}

func timestamp(day int32) string { return DayOf(day).Format("2006-01-02 15:04:05Z07:00") }

// row takes a row that is there.
func (d *dayCheck) row(xmin uint32, tuple []byte) error {
	if its := d.byXmin[xmin]; len(its) > 0 {
		return d.give(its, tuple)
	}
	d.unknown[sensorOf(tuple)]++
	return nil
}

// give gives a row to the first of some links that lacks one.
func (d *dayCheck) give(its []*dayLink, tuple []byte) error {
	for _, l := range its {
		if l.read < l.signed.Rows {
			return d.add(l, tuple)
		}
	}
	its[len(its)-1].read++
	its[len(its)-1].ok = false
	return nil
}

// add gives a row to a link, and compares the root if it was the last.
func (d *dayCheck) add(l *dayLink, tuple []byte) error {
	l.leaves = append(l.leaves, evidence.LeafOf(tuple))
	if d.leaves++; d.leaves > mostLeaves {
		return errManyLeaves
	}
	if l.read++; l.read == l.signed.Rows {
		evidence.Sort(l.leaves)
		l.ok = evidence.Root(l.leaves) == l.signed.Root
		d.leaves -= len(l.leaves)
		l.leaves = nil
	}
	return nil
}

// judge reports what is wrong with the rows of a link.
func (d *dayCheck) judge(l *dayLink, noun string) {
	what := ""
	switch {
	case l.ok:
		switch {
		case d.cfg.Sensor != "" && d.cfg.Sensor != l.sensor:
		case d.table == evidence.Minutes:
			d.report.Coverage += int64(l.signed.Rows)
		default:
			d.report.Segments++
			d.report.Rows += int64(l.signed.Rows)
		}
		return
	case l.read < l.signed.Rows:
		what = fmt.Sprintf("%d of %s are missing: they were deleted, changed or moved", l.signed.Rows-l.read,
			plural(l.signed.Rows, noun))
	case l.read > l.signed.Rows:
		what = fmt.Sprintf("%s more than the %d that were signed", plural(l.read-l.signed.Rows, noun), l.signed.Rows)
	default:
		what = fmt.Sprintf("something in its %s was changed", plural(l.signed.Rows, noun))
	}
	d.find(Finding{Sensor: l.sensor, Segment: l.segment, Day: dateOf(d.day), What: what})
}

// judgeUnknown reports rows that no link is of, and compares them with how many there were before evidence.
func (d *dayCheck) judgeUnknown(certified bool) {
	if d.table == evidence.Misdated {
		for sensor, n := range d.unknown {
			d.misdated[sensor] += n
		}
		return
	}
	sensors := map[string]bool{}
	for sensor := range d.unknown {
		sensors[sensor] = true
	}
	for b := range d.before {
		if d.table == evidence.Envelopes && b.table == evidence.BeforeEvidence && b.day == d.day {
			sensors[b.sensor] = true
		}
	}
	for _, sensor := range slices.Sorted(maps.Keys(sensors)) {
		n, before := d.unknown[sensor], d.before[rowsBefore{sensor, evidence.BeforeEvidence, d.day}]
		if certified || d.table != evidence.Envelopes {
			before = 0
		}
		if n > before {
			d.find(Finding{Sensor: sensor, Day: dateOf(d.day), What: plural(n-before, d.noun()) +
				" of no segment: inserted, changed, or moved here"})
		}
		if n < before {
			d.find(Finding{Sensor: sensor, Day: dateOf(d.day),
				What: fmt.Sprintf("%d of %s of before there was evidence are "+
					"missing", before-n, plural(before, "row"))})
		}
		d.uncovered(sensor, dateOf(d.day), min(n, before))
	}
}

// copyRowsOut calls row with each row of a query: its xmin, and a leaf's prefix and the canonical form.
func copyRowsOut(ctx context.Context, tx pgx.Tx, query string, row func(xmin uint32, prefixed []byte) error) error {
	// in the order of the disk, by one process
	_, err := tx.Exec(ctx, `select set_config(name, 'off', true) from (values ('synchronize_seqscans'),
			('enable_indexscan'),
		('enable_bitmapscan'), ('enable_indexonlyscan')) s (name)
		union all select set_config('max_parallel_workers_per_gather', '0', true)`)
	if err != nil {
		return err
	}
	return copyOutOf(ctx, tx, query, wideCount, row)
}

// copyOutOf calls row with each row of a query: its xmin, which is the first column, and a leaf's prefix and the tuple
// of the other columns.
func copyOutOf(ctx context.Context, tx pgx.Tx, query string, count uint16,
	row func(xmin uint32, prefixed []byte) error) error {
	out := &copyOut{count: count, row: row}
	if _, err := tx.Conn().PgConn().CopyTo(ctx, out, "copy ("+query+") to stdout (format binary)"); err != nil {
		return cmp.Or(out.err, err)
	}
	return out.err
}

// copyOut reads COPY's binary format.
type copyOut struct {
	count  uint16 // of columns, without xmin
	row    func(xmin uint32, prefixed []byte) error
	rest   []byte
	begun  bool
	buffer []byte
	err    error
}

var errCopy = errors.New("the server's COPY has another form than expected")

// Write takes the next octets.
func (c *copyOut) Write(p []byte) (int, error) {
	c.rest = append(c.rest, p...)
	const header = 11 + 4 + 4
	if !c.begun {
		if len(c.rest) < header {
			return len(p), nil
		}
		c.begun, c.rest = true, c.rest[header:]
	}
	used := 0
	for c.err == nil {
		n := tupleLength(c.rest[used:])
		if n <= 0 {
			if n < 0 {
				c.err = errCopy
			}
			break
		}
		tuple := c.rest[used : used+n]
		if binary.BigEndian.Uint16(tuple) != c.count+1 || binary.BigEndian.Uint32(tuple[2:]) != 4 {
			c.err = errCopy
			break
		}
		c.buffer = binary.BigEndian.AppendUint16(append(c.buffer[:0], evidence.LeafPrefix), c.count)
		c.buffer = append(c.buffer, tuple[10:]...)
		c.err = c.row(binary.BigEndian.Uint32(tuple[6:]), c.buffer)
		used += n
	}
	c.rest = append(c.rest[:0], c.rest[used:]...)
	return len(p), c.err
}

// tupleLength returns the length of the tuple that octets begin with; 0 if it is not whole yet or the end, less if it
// is none.
func tupleLength(b []byte) int {
	if len(b) < 2 || binary.BigEndian.Uint16(b) == 0xffff {
		return 0
	}
	at := 2
	for range binary.BigEndian.Uint16(b) {
		if len(b) < at+4 {
			return 0
		}
		n := int32(binary.BigEndian.Uint32(b[at:]))
		if n < -1 {
			return -1
		}
		at += 4 + int(max(n, 0))
	}
	if len(b) < at {
		return 0
	}
	return at
}

// sensorOf returns the sensor of a row or of coverage in its canonical form, after a leaf's prefix.
func sensorOf(prefixed []byte) string {
	index := 16
	if IsCoverage(prefixed[1:]) {
		index = 2
	}
	rest := prefixed[3:]
	for range index {
		rest = rest[4+max(0, int32(binary.BigEndian.Uint32(rest))):]
	}
	return string(rest[4 : 4+max(0, int32(binary.BigEndian.Uint32(rest)))])
}

// gone finds a day that was dropped without a certificate, although it had rows of links or of before there was
// evidence.
func (d *dayCheck) gone(ctx context.Context, tx pgx.Tx, links []*dayLink, certified bool) (bool, error) {
	expected := len(links) > 0
	for b := range d.before {
		expected = expected || !certified && b.table == evidence.BeforeEvidence && b.day == d.day
	}
	if d.table != evidence.Envelopes || !expected {
		return false, nil
	}
	var partition bool
	if err := tx.QueryRow(ctx, "select exists (select from tap25_internal.partitions() p where p.day = $1)",
		DayOf(d.day)).Scan(&partition); err != nil || partition {
		return false, err
	}
	var by, version string
	var at time.Time
	err := tx.QueryRow(ctx, `select dropped_by, version, dropped_at from tap25.expired where day = $1
		and kind = 'partition'
		order by dropped_at desc limit 1`, DayOf(d.day)).Scan(&by, &version, &at)
	what := "the day was destroyed without a certificate"
	switch {
	case err == nil:
		what += fmt.Sprintf(": the table expired says by %s at %s, with version %s", by, at.UTC().Format(time.RFC3339),
			version)
	case errors.Is(err, pgx.ErrNoRows):
		what += ", and the table expired does not have it"
	default:
		return false, err
	}
	d.find(Finding{Day: dateOf(d.day), What: what})
	return true, nil
}
