package replay

import (
	"context"
	"io"
	"sync/atomic"
	"time"

	"tap25/capture"
	"tap25/cmd/tap25/report"
	"tap25/reassembly"
	"tap25/reassembly/smtp"
	"tap25/store"
)

// input is a capture file, with the parts that a follower cuts its rows into.
type input struct {
	parts
	held bool       // the database has its rows
	days store.Days // of its rows
}

// row is a row with the file of the frame that completed it.
type row struct {
	*smtp.Envelope
	of *input // nil: standard input, or a file without a key
}

// reader passes the frames of capture files to an Assembler, and emits its rows, each with its file.
type reader struct {
	asm  *reassembly.Assembler
	of   *input       // the file of the frame that asm has got last
	rows atomic.Int64 // emitted

	outside, kept int64 // of these, rows outside the period; rows in it and in scope

	cover *coverer // nil: coverage is not recorded

	frames, octets int64
	last           time.Time // the latest time of a frame of the last call of read
}

func newReader(cfg reassembly.Config, emit func(row)) *reader {
	r := &reader{}
	cfg.Emit = func(e *smtp.Envelope) {
		r.rows.Add(1)
		emit(row{e, r.of})
	}
	r.asm = reassembly.New(cfg)
	return r
}

// read reads all frames of files, of which inputs has the first ones. The end of the last file is not an error.
func (r *reader) read(files *capture.Files, inputs []*input) error {
	r.last = time.Time{}
	var f capture.Frame
	for {
		if err := files.Next(&f); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if r.cover != nil {
			r.cover.frame(&f)
		}
		r.frames++
		r.octets += int64(len(f.Data))
		if f.Time.After(r.last) {
			r.last = f.Time
		}
		if r.of = nil; f.File < len(inputs) {
			r.of = inputs[f.File]
		}
		r.asm.Frame(f.Time, f.LinkType, f.Data, f.Length)
	}
}

// end closes the Assembler after read returned an error, or none. It reports whether all rows of the input were
// emitted. If not, because ctx has ended, or late before all connections were closed, it calls discard; the rows of
// sessions that were open then have the flag gap. A file that is damaged has no more rows.
func (r *reader) end(ctx, late context.Context, err error, discard func()) (whole bool) {
	if whole = err == nil || ctx.Err() == nil; !whole {
		discard()
		r.asm.LeavesOff()
	}
	r.asm.CloseWithin(late)
	if r.cover != nil {
		r.cover.end()
	}
	if whole && r.asm.Stats().Abandoned > 0 {
		whole = false
		discard()
	}
	return whole
}

// recordInto has the coverage of what is read made; nil: not.
func (r *reader) recordInto(c *coverer) {
	if r.cover = c; c != nil {
		c.totals = r.covered
	}
}

// covered counts for the coverage.
func (r *reader) covered() store.CoverageCounts {
	s := r.asm.Stats()
	c := report.CoverageOf(&s)
	c.FramesSeen, c.Rows = r.frames, r.kept
	return c
}

func (r *reader) summary(elapsed time.Duration) *Summary {
	return &Summary{Frames: r.frames, Octets: r.octets, Rows: r.rows.Load(), OutsidePeriod: r.outside,
		Traffic: r.asm.Stats(), Elapsed: elapsed}
}
