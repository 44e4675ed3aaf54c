package archive

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"tap25/reassembly/smtp"
	"tap25/store"
)

// A file is loaded in parts, each of which ends with a mail if that mail is not longer than longest parts: so rows that
// are the same in all columns are in one part. partOctets also bounds the memory.
const (
	partRows   = 10_000
	partOctets = 16 << 20
	longest    = 16
)

// part is rows of a file, by their sensor.
type part struct {
	rows   map[string][][]byte
	last   *smtp.Envelope
	number int // in the file, from 0
	count  int
	octets int
}

func (p *part) add(e *smtp.Envelope, row []byte) {
	if p.rows == nil {
		p.rows = map[string][][]byte{}
	}
	p.rows[e.Sensor] = append(p.rows[e.Sensor], slices.Clone(row))
	p.last = e
	p.count++
	p.octets += len(row)
}

// fullBefore reports whether the part ends before a row.
func (p *part) fullBefore(e *smtp.Envelope) bool {
	full := max(p.count/partRows, p.octets/partOctets)
	return full >= longest || full >= 1 && (!e.SeenAt.Equal(p.last.SeenAt) || e.SessionID != p.last.SessionID ||
		e.MailNo != p.last.MailNo)
}

// next empties the part.
func (p *part) next() { *p = part{number: p.number + 1} }

// key names a segment of a part.
func key(digest string, number int) string { return fmt.Sprintf("import-%s-%d", digest, number) }

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
func (i *Importer) load(ctx context.Context, f *os.File, digest string) (done FileReport, err error) {
	var p part
	flush := func() error {
		for _, sensor := range slices.Sorted(maps.Keys(p.rows)) {
			rows := p.rows[sensor]
			added, err := i.DB.LoadMissing(ctx, sensor, key(digest, p.number), rows)
			if err != nil {
				return err
			}
			done.Added += int64(added)
			done.Held += int64(len(rows) - added)
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
		if p.count > 0 && p.fullBefore(e) {
			if err := flush(); err != nil {
				return done, err
			}
		}
		p.add(e, row)
	}
	return done, flush()
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
