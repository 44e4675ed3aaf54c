package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tap25/store/evidence"
)

// packedRows gives the rows of the day that are packed to their links, which blocks name by their numbers. A link's
// rows of a day are packed together.
func (d *dayCheck) packedRows(ctx context.Context, tx pgx.Tx, links []*dayLink) error {
	if d.table != evidence.Envelopes {
		return nil
	}
	byID := map[uint32][]*dayLink{}
	for _, l := range links {
		byID[uint32(l.id)] = append(byID[uint32(l.id)], l)
	}
	d.inBlocks = map[string]uint64{}
	query := fmt.Sprintf("select link, %s, %s from (select coalesce(p.link, 0)::integer as link, (p.e).* "+
		"from tap25_internal.blocks b cross join lateral tap25_internal.unpack(b) p where b.day = '%s') r",
		columns, laterColumns, dateOf(d.day))
	return copyOutOf(ctx, tx, query, wideCount, func(link uint32, tuple []byte) error {
		if its := byID[link]; len(its) > 0 {
			return d.give(its, tuple)
		}
		d.inBlocks[sensorOf(tuple)]++
		return nil
	})
}

// addPacked adds the packed rows that no link is of to those of the day's partition.
func (d *dayCheck) addPacked() {
	for sensor, n := range d.inBlocks {
		d.unknown[sensor] += n
	}
}
