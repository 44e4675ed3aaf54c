package report

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
	"time"

	"tap25/cmd/tap25/terminal"
	"tap25/store/numeral"
)

// Status shows the report of a running sniff: once, or again and again.
type Status struct {
	Control  string        // path of the sniff's socket
	JSON     bool          // without rates
	Watch    bool          // until the context ends
	Interval time.Duration // over which rates are measured, and between repetitions
}

// Run writes to w. The error is that of Ask, or of w.
func (s *Status) Run(ctx context.Context, w io.Writer) error {
	before, err := Ask(ctx, s.Control)
	if err != nil {
		return err
	}
	if s.JSON && !s.Watch {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(before)
	}
	var past trend
	if s.Watch && terminal.Draws(w) {
		past = trend{}
	}
	tick := time.NewTicker(s.Interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now, err := Ask(ctx, s.Control)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if s.JSON {
			err = json.NewEncoder(w).Encode(now)
		} else {
			err = now.show(w, before, past)
		}
		if err != nil || !s.Watch {
			return err
		}
		before = now
	}
}

// show writes a report with the rates since the one before. If there is a past, it adds to that, and overwrites the last
// report on the terminal (ECMA-48: CUP, EL, ED).
func (r *Report) show(w io.Writer, before *Report, past trend) error {
	var b bytes.Buffer
	if err := r.write(&b, before, past); err != nil {
		return err
	}
	text := b.String()
	if past != nil {
		columns, rows := terminal.Size(w)
		w = terminal.Unescaped(w)
		text = fit(terminal.Escape(text), columns, rows)
		text = "\x1b[H" + strings.ReplaceAll(text, "\n", "\x1b[K\n") + "\x1b[J"
	}
	_, err := io.WriteString(w, text)
	return err
}

// write writes a report with the rates since the one before: of each counter its share of what it is a part of, and if
// there is a past, a bar of that share and how the rate has changed.
func (r *Report) write(w io.Writer, before *Report, past trend) error {
	var table bytes.Buffer
	t := tabwriter.NewWriter(&table, 0, 8, 2, ' ', tabwriter.AlignRight)
	seconds := max(r.At.Sub(before.At).Seconds(), 1e-3)
	part := func(name string, n, was, whole int64) {
		rate, share := float64(n-was)/seconds, ""
		if whole > 0 {
			share = Share(n, whole)
		}
		fmt.Fprintf(t, "%s\t%s\t%s/s\t%s\t%s\n", name, numeral.Grouped(n), numeral.Grouped(int64(math.Round(rate))), share,
			past.columns(name, rate, n, whole))
	}
	line := func(name string, n, was int64) { part(name, n, was, 0) }
	r.writeState(w)
	line("frames seen", r.Seen, before.Seen)
	part("= dropped by design", Sum(r.Dropped), Sum(before.Dropped), r.Seen)
	part("+ ring full", r.RingFull, before.RingFull, r.Seen)
	part("+ delivered", r.Delivered, before.Delivered, r.Seen)
	part("= read", r.Read, before.Read, r.Delivered)
	part("+ waiting in rings", r.waiting(), before.waiting(), r.Delivered)
	line("octets read", r.Octets, before.Octets)
	if b, was := r.Bodies, before.Bodies; b != nil && was != nil {
		line("octets left in the kernel", b.Octets, was.Octets)
	}
	line("octets lost", r.LostBytes, before.LostBytes)
	line("sessions", r.Sessions, before.Sessions)
	line("rows", r.Rows, before.Rows)
	for outcome, n := range Named(r.Outcomes) {
		if n > 0 {
			part(outcome, n, before.Outcomes[outcome], r.Rows)
		}
	}
	all, emitted := "rows", r.Rows
	if r.Store != nil && before.Store != nil {
		line("coverage", r.Store.Coverage, before.Store.Coverage)
		all, emitted = "rows, coverage", emitted+r.Store.Coverage
	}
	if r.OutOfScope != nil {
		part(all+" = out of scope", Sum(r.OutOfScope), Sum(before.OutOfScope), emitted)
	}
	if s, b := r.Store, before.Store; s != nil && b != nil {
		first := all + " = spooled"
		if r.OutOfScope != nil {
			first = "+ spooled"
		}
		part(first, s.Spooled, b.Spooled, emitted)
		part("+ in memory", s.InMemory, b.InMemory, emitted)
		part("+ lost to a full spool", s.Lost, b.Lost, emitted)
		taken := s.Spooled + s.Found
		part("loaded", s.Loaded, b.Loaded, taken)
		part("waiting in the spool", s.Waiting, b.Waiting, taken)
		part("set aside", s.SetAside, b.SetAside, taken)
		line("kept after their load", s.Kept, b.Kept)
		line("lost by the database, reloaded", s.Reloaded, b.Reloaded)
		line("lost by the database, waiting", s.Reloading, b.Reloading)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for row := range strings.Lines(table.String()) { // without the blanks of columns that are empty
		if _, err := fmt.Fprintln(w, strings.TrimRight(row, " \n")); err != nil {
			return err
		}
	}
	if len(r.Unopened) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(w, "frames that may hold tunnels which tap25 does not read: %s\n", UnopenedText(r.Unopened))
	return err
}

// writeState writes what runs, and what is not as it should be.
func (r *Report) writeState(w io.Writer) {
	fmt.Fprintf(w, "tap25 sniff, process %d, sensor %s, running for %s since %s\n",
		r.PID, r.Sensor, r.At.Sub(r.Started).Round(time.Second), r.Started.Format(time.RFC3339))
	for _, i := range r.Interfaces {
		fmt.Fprintf(w, "interface %s: %s\n", i.Name, i.state())
	}
	if r.Scope != "" {
		fmt.Fprintf(w, "scope: SHA-256 %s\n", r.Scope)
	}
	for _, reason := range r.NotLive {
		fmt.Fprintf(w, "not live: %s\n", reason)
	}
	for _, reason := range r.NotReady {
		fmt.Fprintf(w, "not ready: %s\n", reason)
	}
	for _, reason := range r.Degraded {
		fmt.Fprintf(w, "degraded: %s\n", reason)
	}
	if r.Clock != nil && !r.Clock.Synchronized {
		fmt.Fprintln(w, "the clock is not synchronized: the times of rows may be wrong")
	}
	if r.Store != nil {
		r.Store.writeState(w, r.At)
	}
}

// writeState writes what waits, what there is room for, and when rows last came to the database.
func (s *Store) writeState(w io.Writer, now time.Time) {
	if !s.CoveredTo.IsZero() {
		fmt.Fprintf(w, "coverage is recorded up to %s\n", s.CoveredTo.Format(time.RFC3339))
	}
	fmt.Fprintf(w, "spool: %s of %s, the oldest rows wait for %s%s\n", Bytes(s.SpoolBytes), Bytes(s.SpoolLimit),
		Span(s.Age), s.SpoolDisk.free())
	size, load := "size not known", "none since the start"
	if s.DatabaseBytes > 0 {
		size = Bytes(s.DatabaseBytes)
	}
	if !s.LastLoad.IsZero() {
		load = Span(now.Sub(s.LastLoad)) + " ago"
	}
	fmt.Fprintf(w, "database: %s, last load %s%s\n", size, load, s.DatabaseDisk.free())
	fmt.Fprintf(w, "growth: %s\nretention: %s\n", s.Forecast.text(), s.Retention)
}

// free is "" for a disk that is not known.
func (d *Disk) free() string {
	if d == nil {
		return ""
	}
	return fmt.Sprintf(", %s of the disk are free", Bytes(d.Free))
}

func (i *Interface) state() string {
	mode := "generic XDP"
	if i.Native {
		mode = "native XDP"
	}
	switch {
	case i.Away:
		return "gone"
	case !i.Up:
		return mode + ", down"
	}
	return mode + ", up"
}
