package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tap25/cmd/tap25/doctor"
	"tap25/cmd/tap25/report"
	"tap25/cmd/tap25/sniff"
)

const doctorLong = `
doctor checks the machine, the interfaces and a few seconds of traffic, as tap25 sniff with the same flags would
see them. It reports what will make sniff lose or misread packets, and the command that fixes it. A problem costs
packets; a note does not.

doctor changes nothing. The host still gets all frames while doctor listens, and nothing stays attached. Some cards
reset their queues when a program is attached, and miss frames for a moment: --seconds 0 attaches none. If a
tap25 sniff runs on the interfaces, doctor reads its counters instead. If --db names a database, doctor checks who
may connect to it and create objects in it.

Exit status: 0 no problem, 1 a problem found, 2 bad usage. doctor prints no address and nothing of the traffic.`

func doctorCommand() *cobra.Command {
	var seconds float64
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor -i IFACE... [flags]",
		Short: "Report what will make tap25 sniff lose or misread packets, and how to fix it",
		Long:  doctorLong[1:],
		Example: "  tap25 doctor -i eth1\n  tap25 doctor -i eth1 -i eth2 --seconds 60\n  tap25 doctor --config " +
			"/etc/tap25/tap25.yaml --json",
		Args: usageArgs(cobra.NoArgs),
	}
	f := cmd.Flags()
	all := pflag.NewFlagSet("sniff", pflag.ContinueOnError)
	(&sniffFlags{}).add(all)
	for _, name := range []string{"config", "interface", "port", "intercept-port", "workers", "ring-bytes", "inline",
		"xdp", "metrics", "control", "db"} {
		f.AddFlag(all.Lookup(name))
	}
	f.Float64Var(&seconds, "seconds", 5, "how many seconds to listen, up to 3600; 0 does not listen")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if seconds < 0 || seconds > 3600 {
			return &usageError{fmt.Errorf("--seconds is %g: it must be 0 to 3600", seconds)}
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
		settings := doctorSettings(s)
		settings.For, settings.JSON = time.Duration(seconds*float64(time.Second)), asJSON
		return doctor.Run(cmd.Context(), settings, cmd.OutOrStdout(), cmd.ErrOrStderr())
	}
	return cmd
}

// doctorSettings returns what doctor needs of the settings of a sniff, and how it listens as that sniff would.
func doctorSettings(s *sniffFlags) *doctor.Settings {
	program, err := os.Executable()
	if err != nil {
		program = "tap25"
	}
	return &doctor.Settings{
		Interfaces: s.Interfaces, Ports: s.Assembler.Ports, Workers: s.Workers, RingBytes: s.RingBytes,
		Inline: s.Inline, XDP: s.xdp, Metrics: s.Metrics, Control: s.Control, DSN: s.DSN, Version: version(),
		Program: program,
		Listen: func(ctx context.Context, d time.Duration) (before, after *report.Report, err error) {
			return sniff.Listen(ctx, &s.Settings, d)
		},
	}
}
