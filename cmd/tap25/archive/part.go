package archive

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"tap25/store"
)

// A file is loaded in parts, which are cut by these alone, so that the same file always has the same. partOctets also
// bounds the memory.
const (
	partRows   = 10_000
	partOctets = 16 << 20
)

// part is rows of a file, by their sensor.
type part struct {
	rows   map[string][][]byte
	number int // in the file, from 0
	count  int
	octets int
}

func (p *part) add(sensor string, row []byte) {
	if p.rows == nil {
		p.rows = map[string][][]byte{}
	}
	p.rows[sensor] = append(p.rows[sensor], slices.Clone(row))
	p.count++
	p.octets += len(row)
}

func (p *part) full() bool { return p.count >= partRows || p.octets >= partOctets }

// next empties the part.
func (p *part) next() { *p = part{number: p.number + 1} }

// key names a segment of a part. It has the form of that of a captured file: a source that can give the rows again
// after retention has dropped them.
func key(digest string, number int) string { return fmt.Sprintf("replay-%s-%d", digest, number) }

// check reads a whole file, and returns how many rows it has. The error names the first row that the database would not
// take.
func check(ctx context.Context, f *os.File) (rows int64, err error) {
	for row, err := range rowsOf(ctx, f) {
		if err == nil {
			if _, err = store.CheckRow(row); err != nil {
				err = fmt.Errorf("row %d: %w", rows+1, err)
			}
		}
		if err != nil {
			return rows, err
		}
		rows++
	}
	return rows, nil
}

// load loads a file that check has read.
func (i *Importer) load(ctx context.Context, f *os.File, digest string, from *Database) (done FileReport, err error) {
	var p part
	flush := func() error {
		for n, sensor := range slices.Sorted(maps.Keys(p.rows)) {
			rows := p.rows[sensor]
			if p.number == 0 && n == 0 {
				if err := i.isAway(ctx, sensor, digest, rows[0], from); err != nil {
					return err
				}
			}
			added, err := i.DB.Load(ctx, sensor, key(digest, p.number), rows)
			if err != nil {
				return err
			}
			if added {
				done.Added += int64(len(rows))
			} else {
				done.Held += int64(len(rows))
			}
		}
		p.next()
		return nil
	}
	for row, err := range rowsOf(ctx, f) {
		if err != nil {
			return done, err
		}
		e, err := store.CheckRow(row)
		if err != nil {
			return done, err
		}
		done.First, done.Last = earlier(done.First, e.SeenAt), later(done.Last, e.SeenAt)
		if p.add(e.Sensor, row); p.full() {
			if err := flush(); err != nil {
				return done, err
			}
		}
	}
	return done, flush()
}

// isAway returns an error if the database is the one that the file was exported from, and has its rows still.
func (i *Importer) isAway(ctx context.Context, sensor, digest string, row []byte, from *Database) error {
	if from == nil {
		return nil
	}
	identity, err := i.DB.Identity(ctx, sensor, i.Signer)
	if err != nil || identity != from.Identity {
		return err
	}
	begun, err := i.DB.Loaded(ctx, sensor, key(digest, 0))
	if err != nil || begun {
		return err
	}
	e, err := store.ParseRow(row)
	if err != nil {
		return err
	}
	day := e.SeenAt.UTC().Truncate(24 * time.Hour)
	dropped, err := i.DB.Dropped(ctx, day)
	if err == nil && !dropped {
		err = fmt.Errorf("this database, from which it was exported, has not dropped %s: the import would add its "+
			"rows a second time", day.Format(time.DateOnly))
	}
	return err
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
