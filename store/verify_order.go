package store

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"tap25/store/evidence"
)

// byOrder gives the rows of a restored dump, whose xmin is that of the restore, to the links that have none: in the
// order in which they are on disk, which is that of the loads.
func (d *dayCheck) byOrder(ctx context.Context, tx pgx.Tx, links []*dayLink) error {
	if !d.restored || len(d.unknown) == 0 {
		return nil
	}
	queues := map[string][]*dayLink{}
	for _, l := range links {
		if l.read == 0 {
			queues[l.sensor] = append(queues[l.sensor], l)
		}
	}
	before := map[string]uint64{} // rows of before there was evidence come first
	if d.table == evidence.Envelopes {
		for b, n := range d.before {
			if b.table == evidence.BeforeEvidence && b.day == d.day {
				before[b.sensor] = n - min(n, d.inBlocks[b.sensor])
			}
		}
	}
	d.unknown = map[string]uint64{}
	return d.copyOut(ctx, tx, d.query(), func(xmin uint32, tuple []byte) error {
		if len(d.byXmin[xmin]) > 0 {
			return nil
		}
		sensor := sensorOf(tuple)
		if before[sensor] > 0 {
			before[sensor]--
			d.unknown[sensor]++
			return nil
		}
		queue := queues[sensor]
		if i := slices.IndexFunc(queue, func(l *dayLink) bool { return l.read < l.signed.Rows }); i >= 0 {
			queues[sensor] = queue[i:]
			return d.add(queue[i], tuple)
		}
		d.unknown[sensor]++
		return nil
	})
}
