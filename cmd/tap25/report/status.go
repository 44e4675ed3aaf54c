package report

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"tap25/cmd/tap25/terminal"
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
			err = now.show(w, before, s.Watch && terminal.Is(w))
		}
		if err != nil || !s.Watch {
			return err
		}
		before = now
	}
}

// show writes a report with the rates since the one before. If over is set, it overwrites the last one on the terminal
// (ECMA-48: CUP, EL, ED).
func (r *Report) show(w io.Writer, before *Report, over bool) error {
	var b bytes.Buffer
	if err := r.write(&b, before); err != nil {
		return err
	}
	text := b.String()
	if over {
		w, text = terminal.Unescaped(w), "\x1b[H"+strings.ReplaceAll(terminal.Escape(text), "\n", "\x1b[K\n")+"\x1b[J"
	}
	_, err := io.WriteString(w, text)
	return err
}

// write writes a report with the rates since the one before.
func (r *Report) write(w io.Writer, before *Report) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	seconds := r.At.Sub(before.At).Seconds()
	line := func(name string, n, was int64) {
		fmt.Fprintf(t, "%s\t%d\t%.0f/s\t\n", name, n, float64(n-was)/max(seconds, 1e-3))
	}
	r.writeState(w)
	line("frames seen", r.Seen, before.Seen)
	line("= dropped by design", Sum(r.Dropped), Sum(before.Dropped))
	line("+ ring full", r.RingFull, before.RingFull)
	line("+ delivered", r.Delivered, before.Delivered)
	line("= read", r.Read, before.Read)
	line("+ waiting in rings", r.waiting(), before.waiting())
	line("octets read", r.Octets, before.Octets)
	line("octets lost", r.LostBytes, before.LostBytes)
	line("sessions", r.Sessions, before.Sessions)
	line("rows", r.Rows, before.Rows)
	for outcome, n := range Named(r.Outcomes) {
		if n > 0 {
			line(outcome, n, before.Outcomes[outcome])
		}
	}
	all := "rows"
	if r.Store != nil && before.Store != nil {
		line("coverage", r.Store.Coverage, before.Store.Coverage)
		all = "rows, coverage"
	}
	if r.OutOfScope != nil {
		line(all+" = out of scope", Sum(r.OutOfScope), Sum(before.OutOfScope))
	}
	if s, b := r.Store, before.Store; s != nil && b != nil {
		first := all + " = spooled"
		if r.OutOfScope != nil {
			first = "+ spooled"
		}
		line(first, s.Spooled, b.Spooled)
		line("+ in memory", s.InMemory, b.InMemory)
		line("+ lost to a full spool", s.Lost, b.Lost)
		line("loaded", s.Loaded, b.Loaded)
		line("waiting in the spool", s.Waiting, b.Waiting)
		line("set aside", s.SetAside, b.SetAside)
		line("kept after their load", s.Kept, b.Kept)
		line("lost by the database, reloaded", s.Reloaded, b.Reloaded)
		line("lost by the database, waiting", s.Reloading, b.Reloading)
	}
	if err := t.Flush(); err != nil || len(r.Unopened) == 0 {
		return err
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
	if r.Store != nil && !r.Store.CoveredTo.IsZero() {
		fmt.Fprintf(w, "coverage is recorded up to %s\n", r.Store.CoveredTo.Format(time.RFC3339))
	}
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
