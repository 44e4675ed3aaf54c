package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// doctor is the settings of tap25 doctor.
type doctor struct {
	seconds float64
	json    bool
}

func doctorCommand() *cobra.Command {
	d, s := &doctor{}, &sniffSettings{}
	cmd := &cobra.Command{
		Use:   "doctor -i IFACE... [flags]",
		Short: "Say what will make tap25 sniff lose or misread packets, and how to mend it",
		Long: "doctor looks at the machine, the interfaces and, for a few seconds, the traffic, as tap25 sniff would with the same\n" +
			"flags, and says what will make it lose or misread packets, each with the command that mends it. A problem costs\n" +
			"packets; a note does not. It changes nothing: all frames are left to the host while it listens, and nothing stays\n" +
			"attached. (Some cards set up their queues anew when a program is attached, and miss frames for a moment:\n" +
			"--seconds 0 attaches none.) Where a tap25 sniff runs on the interfaces, its counters are looked at instead. A database\n" +
			"that --db names is asked who may create objects in it, and connect.\n\n" +
			"Exit status: 0 no problem, 1 a problem found, 2 bad usage. No address and nothing of the traffic is printed.",
		Example: "  tap25 doctor -i eth1\n  tap25 doctor -i eth1 -i eth2 --seconds 60\n  tap25 doctor --config /etc/tap25/tap25.yaml --json",
		Args:    usageArgs(cobra.NoArgs),
	}
	f := cmd.Flags()
	all := &cobra.Command{}
	sniffFlags(all, s)
	for _, name := range []string{"config", "interface", "port", "workers", "ring-bytes", "inline", "xdp", "metrics", "control", "db"} {
		f.AddFlag(all.Flags().Lookup(name))
	}
	f.Float64Var(&d.seconds, "seconds", 5, "how long to listen, up to an hour; 0: not at all")
	f.BoolVar(&d.json, "json", false, "as JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if d.seconds < 0 || d.seconds > 3600 {
			return &usageError{fmt.Errorf("--seconds %g is not 0 to 3600", d.seconds)}
		}
		given := map[string][]string{}
		cmd.Flags().Visit(func(f *pflag.Flag) {
			if all.Flags().Lookup(f.Name) == f {
				given[f.Name] = flagValues(f)
			}
		})
		s, err := rereadSettings(given)
		if err != nil {
			return err
		}
		return d.run(cmd.Context(), s, cmd.OutOrStdout(), cmd.ErrOrStderr())
	}
	return cmd
}

func (d *doctor) run(ctx context.Context, s *sniffSettings, out, diag io.Writer) error {
	if err := forbidCores(); err != nil { // frames pass through its memory
		return err
	}
	facts, err := d.gather(ctx, s, diag)
	if err != nil {
		return fmt.Errorf("doctor: %w", err)
	}
	checks := checkAll(facts)
	problems := 0
	for _, c := range checks {
		if c.State == checkProblem {
			problems++
		}
	}
	if d.json {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		err = e.Encode(struct {
			Version  string        `json:"version"`
			Problems int           `json:"problems"`
			Checks   []doctorCheck `json:"checks"`
		}{version(), problems, checks})
	} else {
		err = writeChecks(out, checks)
	}
	if err == nil && problems > 0 {
		err = fmt.Errorf("doctor: problems found: %d", problems)
	}
	return err
}

// gather finds the facts out.
func (d *doctor) gather(ctx context.Context, s *sniffSettings, diag io.Writer) (*doctorFacts, error) {
	program, err := os.Executable()
	if err != nil {
		program = "tap25"
	}
	f := &doctorFacts{
		want: doctorWants{workers: s.workers, ringBytes: s.ringBytes, inline: s.inline, xdp: s.xdp, ports: s.portSet(), program: program, metrics: s.metrics},
		host: hostFactsNow(),

		database: databaseFactsNow(ctx, s.db),
	}
	if f.interfaces, err = interfaceFactsNow(s.interfaces); err != nil {
		return nil, err
	}
	for i := range f.interfaces {
		if f.interfaces[i].missing {
			return f, nil // nothing to listen on
		}
	}
	if d.seconds == 0 {
		return f, nil
	}
	if isTerminal(diag) {
		fmt.Fprintf(diag, "tap25: listening for %g s\n", d.seconds)
	}
	f.traffic = hear(ctx, s, time.Duration(d.seconds*float64(time.Second)), f.interfaces)
	later, err := readLinks()
	for i := range f.interfaces {
		f.interfaces[i].later = later[f.interfaces[i].name].counters
	}
	return f, err
}
