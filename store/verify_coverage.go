package store

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"tap25/store/evidence"
)

// packed verifies the longer coverage of the day, which the last packing of each sensor has signed. It leaves the links
// whose minutes no packing has replaced.
func (d *dayCheck) packed(ctx context.Context, tx pgx.Tx) error {
	p := newPackedDay(d.day)
	p.links = d.links
	for _, c := range d.certs {
		if c.Kind == evidence.Coverage && belongs(c.Link) {
			p.pack(c.Link)
		}
	}
	d.links = p.links
	longer := map[string]*dayLink{}
	for sensor, signed := range p.longerRows {
		longer[sensor] = &dayLink{sensor: sensor, signed: signed}
	}
	if err := d.copyOut(ctx, tx, d.coverageQuery()+" and packed", func(_ uint32, tuple []byte) error {
		sensor := sensorOf(tuple)
		if longer[sensor] == nil {
			longer[sensor] = &dayLink{sensor: sensor}
		}
		return d.give([]*dayLink{longer[sensor]}, tuple)
	}); err != nil {
		return err
	}
	for _, sensor := range slices.Sorted(maps.Keys(longer)) {
		d.judge(longer[sensor], "longer coverage record")
	}
	return nil
}

func (d *dayCheck) coverageQuery() string {
	return fmt.Sprintf("select xmin, %s from tap25.coverage where since >= '%s'::timestamptz and "+
		"since < '%s'::timestamptz", coverageColumns, timestamp(d.day), timestamp(d.day+1))
}

// copyOut calls row with each row of a query of the day's table.
func (d *dayCheck) copyOut(ctx context.Context, tx pgx.Tx, query string,
	row func(xmin uint32, prefixed []byte) error) error {
	if d.table == evidence.Minutes {
		return copyOutOf(ctx, tx, query, coverageCount, row)
	}
	return copyRowsOut(ctx, tx, query, row)
}

// noun is what a row of the day's table is called.
func (d *dayCheck) noun() string {
	if d.table == evidence.Minutes {
		return "coverage record"
	}
	return "row"
}
