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

// reader passes the frames of capture files to workers, and emits their rows, each with its file. Rows are emitted in
// another goroutine while read reads, but never later: when a method has returned, the rows of all frames so far were
// emitted.
type reader struct {
	flows  *reassembly.Flows
	inputs []*input     // of the files that are read
	rows   atomic.Int64 // emitted

	outside, kept int64 // of these, rows outside the period; rows in it and in scope

	cover *coverer // nil: coverage is not recorded

	frames, octets int64
	last           time.Time // the latest time of a frame of the last call of read
}

func newReader(cfg reassembly.Config, workers int, emit func(row)) *reader {
	r := &reader{}
	r.flows = reassembly.NewFlows(cfg, workers, func(file int, e *smtp.Envelope) {
		r.rows.Add(1)
		var of *input
		if file < len(r.inputs) {
			of = r.inputs[file]
		}
		emit(row{e, of})
	})
	return r
}

// read reads all frames of files, of which inputs has the first ones. The end of the last file is not an error.
func (r *reader) read(files *capture.Files, inputs []*input) error {
	r.last, r.inputs = time.Time{}, inputs
	files.KeepFrames(r.flows.Memory)
	defer r.flows.Wait()
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
		r.flows.Frame(f.File, f.Time, f.LinkType, f.Data, f.Length)
	}
}

// end closes all connections after read returned an error, or none. It reports whether all rows of the input were
// emitted. If not, because ctx has ended, or late before all connections were closed, it calls discard; the rows of
// sessions that were open then have the flag gap. A file that is damaged has no more rows.
func (r *reader) end(ctx, late context.Context, err error, discard func()) (whole bool) {
	if whole = err == nil || ctx.Err() == nil; !whole {
		discard()
		r.flows.LeavesOff()
	}
	r.flows.CloseWithin(late)
	if r.cover != nil {
		r.cover.end()
	}
	if whole && r.flows.Stats().Abandoned > 0 {
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
	s := r.flows.Stats()
	c := report.CoverageOf(&s)
	c.FramesSeen, c.Rows = r.frames, r.kept
	return c
}

func (r *reader) summary(elapsed time.Duration) *Summary {
	return &Summary{Frames: r.frames, Octets: r.octets, Rows: r.rows.Load(), OutsidePeriod: r.outside,
		Traffic: r.flows.Stats(), Elapsed: elapsed}
}
