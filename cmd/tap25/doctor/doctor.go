// Package doctor reports what will make tap25 sniff lose or misread packets, or lose rows, and the command that fixes
// it.
//
// It has three steps. Facts are gathered from the kernel, the drivers, the spool, the database and a few seconds of
// traffic (facts.go lists them; host.go, interface.go, rss.go, storage.go, traffic.go gather). Checks judge them
// (checks*.go), and touch nothing but the facts. The result is written for people or as JSON (write.go). Nothing of the
// machine or the database is changed. No fact holds an address of the traffic or anything of a dialogue.
package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"tap25/cmd/tap25/confine"
	"tap25/cmd/tap25/report"
	"tap25/cmd/tap25/terminal"
	"tap25/store"
)

// Settings are those with which tap25 sniff would run, and how to examine.
type Settings struct {
	Interfaces []string
	Ports      []uint16
	Workers    int
	RingBytes  int // of each worker
	Inline     bool
	XDP        string // auto, native or generic
	Metrics    string // address; "": none
	Control    string // socket of a running sniff; "": the default
	DSN        string // a connection string, or store.Local
	Spool      string // directory
	SpoolBytes int64
	Key        string // path of the private key; "": the default
	Witness    string // path; "": none

	ConfigFile      string // "": none
	ConfigError     error  // why it cannot be used; then the settings are those of flags and environment
	ExposedPassword bool   // it holds a password, and any user may read it
	RetentionText   string // as given; "": not
	Retention       store.Retention

	For     time.Duration // to listen; 0: not
	JSON    bool
	Version string
	Program string // path of tap25, for commands that fix something

	// Listen captures as sniff would, until the time is over or ctx ends, and leaves every frame to the host. It
	// returns what was counted until the first frame and until the last, or an error and no reports.
	Listen func(ctx context.Context, d time.Duration) (before, after *report.Report, err error)
}

// Run examines the machine and writes the result to out. The error says how many problems were found, if any; otherwise
// it is that of asking the kernel or of writing. If diag is a terminal, a line on it reports the wait.
func Run(ctx context.Context, s *Settings, out, diag io.Writer) error {
	if err := confine.ForbidCores(); err != nil { // its memory holds frames
		return err
	}
	f, err := gather(ctx, s, diag)
	if err != nil {
		return fmt.Errorf("doctor: %w", err)
	}
	checks := checkAll(f)
	problems := 0
	for _, c := range checks {
		if c.State == Problem {
			problems++
		}
	}
	if s.JSON {
		err = writeJSON(out, s.Version, problems, checks)
	} else {
		err = writeChecks(out, checks)
	}
	if err == nil && problems > 0 {
		err = fmt.Errorf("doctor: problems found: %d", problems)
	}
	return err
}

func writeJSON(out io.Writer, version string, problems int, checks []Check) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(struct {
		Version  string  `json:"version"`
		Problems int     `json:"problems"`
		Checks   []Check `json:"checks"`
	}{version, problems, checks})
}

// gather collects the facts.
func gather(ctx context.Context, s *Settings, diag io.Writer) (f *facts, err error) {
	f = &facts{want: *s, host: hostFactsNow()}
	if s.ConfigError == nil {
		f.storeFactsNow(ctx)
	}
	if f.interfaces, err = interfaceFactsNow(s.Interfaces); err != nil {
		return nil, err
	}
	missing := func(i interfaceFacts) bool { return i.missing }
	attached := func(i interfaceFacts) bool { return i.attached }
	if len(f.interfaces) == 0 || slices.ContainsFunc(f.interfaces, missing) {
		return f, nil
	}
	if s.For == 0 {
		if slices.ContainsFunc(f.interfaces, attached) {
			if t := s.askSniff(ctx); t.running {
				t.unheard, f.traffic = true, t
			}
		}
		return f, nil
	}
	if terminal.Is(diag) {
		fmt.Fprintf(diag, "tap25: listening for %g seconds\n", s.For.Seconds())
	}
	f.traffic = s.hear(ctx, f.interfaces)
	later, err := readLinks()
	for i := range f.interfaces {
		f.interfaces[i].later = later[f.interfaces[i].name].counters
	}
	return f, err
}
