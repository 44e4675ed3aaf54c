package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// liveStatus holds the settings of tap25 status.
type liveStatus struct {
	control  string
	json     bool
	watch    bool
	interval time.Duration
}

func statusCommand() *cobra.Command {
	s := &liveStatus{}
	cmd := &cobra.Command{
		Use:   "status [--json] [--watch]",
		Short: "Show the counters of the running tap25 sniff",
		Long: "status asks the tap25 sniff that runs on this machine for its counters, twice, to show rates too. The counters add up:\n" +
			"seen = dropped by design + ring full + delivered, and delivered = read + waiting in the rings. sniff answers only\n" +
			"root, the user that it runs as, and the user that started it. 'tap25 db status' shows what the database holds.",
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if s.control == "" {
				if s.control, err = controlPath(); err != nil {
					return err
				}
			}
			if s.interval <= 0 {
				return &usageError{errors.New("--interval must be greater than 0")}
			}
			return s.run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(&s.control, "control", "", "unix socket of the sniff (default: that of tap25 sniff)")
	f.BoolVar(&s.json, "json", false, "print JSON, without rates; with --watch one line each time")
	f.BoolVar(&s.watch, "watch", false, "repeat until Ctrl-C")
	f.DurationVar(&s.interval, "interval", time.Second, "time over which rates are measured, and between repetitions")
	return cmd
}

func (s *liveStatus) run(ctx context.Context, w io.Writer) error {
	before, err := askReport(ctx, s.control)
	if err != nil {
		return err
	}
	if s.json && !s.watch {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(before)
	}
	tick := time.NewTicker(s.interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now, err := askReport(ctx, s.control)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if s.json {
			err = json.NewEncoder(w).Encode(now)
		} else {
			err = now.show(w, before, s.watch && isTerminal(w))
		}
		if err != nil || !s.watch {
			return err
		}
		before = now
	}
}

// askReport asks a running sniff for its report.
func askReport(ctx context.Context, path string) (*report, error) {
	d := net.Dialer{Timeout: controlTimeout}
	c, err := d.DialContext(ctx, "unix", path)
	switch {
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("ask tap25 sniff: %w; run this as root, or as the user that runs tap25 sniff", err)
	case err != nil:
		return nil, fmt.Errorf("ask tap25 sniff: %w; check that it runs and has this --control", err)
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	if err := c.SetDeadline(time.Now().Add(2 * controlTimeout)); err != nil {
		return nil, err
	}
	r := &report{}
	if err := json.NewDecoder(c).Decode(r); err != nil {
		return nil, fmt.Errorf("ask tap25 sniff: no answer: %w; run this as root, or as the user that runs tap25 sniff", err)
	}
	return r, nil
}

// show writes a report with the rates since the one before. If over is set, it overwrites the last one on the terminal (ECMA-48:
// CUP, EL, ED).
func (r *report) show(w io.Writer, before *report, over bool) error {
	var b bytes.Buffer
	if err := r.write(&b, before); err != nil {
		return err
	}
	text := b.String()
	if over {
		w, text = unescaped(w), "\x1b[H"+strings.ReplaceAll(shown(text), "\n", "\x1b[K\n")+"\x1b[J"
	}
	_, err := io.WriteString(w, text)
	return err
}

// write writes a report with the rates since the one before.
func (r *report) write(w io.Writer, before *report) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	seconds := r.At.Sub(before.At).Seconds()
	line := func(name string, n, was int64) {
		fmt.Fprintf(t, "%s\t%d\t%.0f/s\t\n", name, n, float64(n-was)/max(seconds, 1e-3))
	}
	fmt.Fprintf(w, "tap25 sniff, process %d, sensor %s, running for %s since %s\n",
		r.PID, r.Sensor, r.At.Sub(r.Started).Round(time.Second), r.Started.Format(time.RFC3339))
	for _, i := range r.Interfaces {
		fmt.Fprintf(w, "interface %s: %s\n", i.Name, i.state())
	}
	for _, reason := range r.NotLive {
		fmt.Fprintf(w, "not live: %s\n", reason)
	}
	for _, reason := range r.NotReady {
		fmt.Fprintf(w, "not ready: %s\n", reason)
	}
	if r.Store != nil && r.Store.Away {
		fmt.Fprintln(w, "the database does not answer: rows wait in the spool")
	}
	line("frames seen", r.Seen, before.Seen)
	line("= dropped by design", sumOf(r.Dropped), sumOf(before.Dropped))
	line("+ ring full", r.RingFull, before.RingFull)
	line("+ delivered", r.Delivered, before.Delivered)
	line("= read", r.Read, before.Read)
	line("+ waiting in rings", r.waiting(), before.waiting())
	line("octets read", r.Octets, before.Octets)
	line("octets lost", r.LostBytes, before.LostBytes)
	line("sessions", r.Sessions, before.Sessions)
	line("rows", r.Rows, before.Rows)
	for outcome, n := range named(r.Outcomes) {
		if n > 0 {
			line(outcome, n, before.Outcomes[outcome])
		}
	}
	if s, b := r.Store, before.Store; s != nil && b != nil {
		line("rows = spooled", s.Spooled, b.Spooled)
		line("+ lost to a full spool", s.Lost, b.Lost)
		line("loaded", s.Loaded, b.Loaded)
		line("waiting in the spool", s.Waiting, b.Waiting)
		line("set aside", s.SetAside, b.SetAside)
		line("kept after their load", s.Kept, b.Kept)
		line("lost by the database, reloaded", s.Reloaded, b.Reloaded)
		line("lost by the database, waiting", s.Reloading, b.Reloading)
	}
	return t.Flush()
}

func (i *interfaceReport) state() string {
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
