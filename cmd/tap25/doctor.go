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

	"tap25/cmd/tap25/confine"
	"tap25/cmd/tap25/terminal"
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
		Short: "Report what will make tap25 sniff lose or misread packets, and how to fix it",
		Long: "doctor checks the machine, the interfaces and a few seconds of traffic, as tap25 sniff with the same flags would\n" +
			"see them. It reports what will make sniff lose or misread packets, and the command that fixes it. A problem costs\n" +
			"packets; a note does not.\n\n" +
			"doctor changes nothing. The host still gets all frames while doctor listens, and nothing stays attached. Some cards\n" +
			"reset their queues when a program is attached, and miss frames for a moment: --seconds 0 attaches none. If a\n" +
			"tap25 sniff runs on the interfaces, doctor reads its counters instead. If --db names a database, doctor checks who\n" +
			"may connect to it and create objects in it.\n\n" +
			"Exit status: 0 no problem, 1 a problem found, 2 bad usage. doctor prints no address and nothing of the traffic.",
		Example: "  tap25 doctor -i eth1\n  tap25 doctor -i eth1 -i eth2 --seconds 60\n  tap25 doctor --config /etc/tap25/tap25.yaml --json",
		Args:    usageArgs(cobra.NoArgs),
	}
	f := cmd.Flags()
	all := pflag.NewFlagSet("sniff", pflag.ContinueOnError)
	sniffFlags(all, s)
	for _, name := range []string{"config", "interface", "port", "workers", "ring-bytes", "inline", "xdp", "metrics", "control", "db"} {
		f.AddFlag(all.Lookup(name))
	}
	f.Float64Var(&d.seconds, "seconds", 5, "how many seconds to listen, up to 3600; 0 does not listen")
	f.BoolVar(&d.json, "json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if d.seconds < 0 || d.seconds > 3600 {
			return &usageError{fmt.Errorf("--seconds is %g: it must be 0 to 3600", d.seconds)}
		}
		given := map[string][]string{}
		cmd.Flags().Visit(func(f *pflag.Flag) {
			if all.Lookup(f.Name) == f {
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
	if err := confine.ForbidCores(); err != nil { // its memory holds frames
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

// gather collects the facts.
func (d *doctor) gather(ctx context.Context, s *sniffSettings, diag io.Writer) (*doctorFacts, error) {
	program, err := os.Executable()
	if err != nil {
		program = "tap25"
	}
	f := &doctorFacts{
		want: doctorWants{
			workers: s.workers, ringBytes: s.ringBytes, inline: s.inline, xdp: s.xdp,
			ports: s.portSet(), program: program, metrics: s.metrics,
		},
		host:     hostFactsNow(),
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
	if terminal.Is(diag) {
		fmt.Fprintf(diag, "tap25: listening for %g seconds\n", d.seconds)
	}
	f.traffic = hear(ctx, s, time.Duration(d.seconds*float64(time.Second)), f.interfaces)
	later, err := readLinks()
	for i := range f.interfaces {
		f.interfaces[i].later = later[f.interfaces[i].name].counters
	}
	return f, err
}
