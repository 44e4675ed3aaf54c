package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"tap25/store/evidence"
)

// destroyed verifies the certificates of the day, and returns how many of its links are of rows that were dropped, and
// whether there is a certificate. A certificate is of the links that were added before it and after the certificate
// before it: expiry and loads exclude each other.
func (d *dayCheck) destroyed() (dropped int, certified bool) {
	switch d.table {
	case evidence.Misdated:
		return d.misdatedDropped(), false
	case evidence.Minutes: // no retention drops them
		return 0, false
	}
	for _, c := range d.certs {
		for _, r := range c.Days {
			if r.Table != evidence.RootsOfTheDay || r.Day != d.day {
				continue
			}
			certified = true
			var roots []evidence.DayRows
			var rows uint64
			for ; dropped < len(d.links) && d.links[dropped].id < c.id; dropped++ {
				roots = append(roots, d.links[dropped].signed)
				rows += d.links[dropped].signed.Rows
			}
			for _, u := range c.Days {
				if u.Table == evidence.UnsignedDropped && u.Day == d.day {
					rows += u.Rows
				}
			}
			if evidence.DayRoot(roots) != r.Root || rows != r.Rows {
				d.find(Finding{Day: dateOf(d.day),
					What: "the destruction certificate of the day is not of the links that " +
						"the day has: links were removed or added"})
				continue
			}
			d.report.Destroyed++
		}
	}
	return dropped, certified
}

// misdatedDropped is destroyed for misdated rows, which expire by the time of their load: all of a segment at once. A
// certificate has their number and root by the day that they claim.
func (d *dayCheck) misdatedDropped() (dropped int) {
	for _, c := range d.certs {
		for _, r := range c.Days {
			if r.Table != evidence.Misdated || r.Day != d.day {
				continue
			}
			var rows uint64
			for ; dropped < len(d.links) && d.links[dropped].id < c.id && rows < r.Rows; dropped++ {
				rows += d.links[dropped].signed.Rows
			}
			d.report.Destroyed++
		}
	}
	return dropped
}

// heldRows compares the rows of the day that legal holds keep with what was last signed of them.
func (d *dayCheck) heldRows(ctx context.Context, tx pgx.Tx) error {
	var leaves []evidence.Hash
	sensors := map[string]uint64{}
	if err := d.copyOut(ctx, tx, d.query(), func(_ uint32, tuple []byte) error {
		if leaves = append(leaves, evidence.LeafOf(tuple)); len(leaves) > mostLeaves {
			return errManyLeaves
		}
		sensors[sensorOf(tuple)]++
		return nil
	}); err != nil {
		return err
	}
	var signed *evidence.DayRows
	for _, c := range d.certs {
		for _, r := range c.Days {
			if r.Table == evidence.Held && r.Day == d.day {
				signed = &r
			}
		}
	}
	if signed == nil { // no certificate has named the day: the rows are of before there was evidence
		for sensor, n := range sensors {
			d.held[sensor] += n
		}
		return nil
	}
	evidence.Sort(leaves)
	if uint64(len(leaves)) != signed.Rows || evidence.Root(leaves) != signed.Root {
		d.find(Finding{Day: dateOf(d.day), What: "the rows that legal holds keep of this day are not those that were " +
			"signed: " + plural(uint64(len(leaves)), "row") + " are there, and " + plural(signed.Rows, "row") +
			" were signed"})
		return nil
	}
	d.report.Held += int64(len(leaves))
	return nil
}
