package main

import (
	"context"
	"fmt"
	"maps"
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
see them. It also checks the configuration file, the spool, the disks, the database, and the files of --key and
--witness. It reports what will make sniff lose or misread packets or rows, and the command that fixes it. A problem
costs packets or rows, or keeps sniff from starting; a note does not.

doctor changes nothing. The host still gets all frames while doctor listens, and nothing stays attached. Some cards
reset their queues when a program is attached, and miss frames for a moment: --seconds 0 attaches none. If a
tap25 sniff runs on the interfaces, doctor reads its counters instead. Of a database that --db names, doctor also
checks the settings of its server, and who may connect to it and create objects in it. It can tell how fast the disk
fills only for the private cluster's.

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
		"xdp", "metrics", "control", "db", "spool", "spool-bytes", "retention", "key", "witness"} {
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
		settings, err := examinedSettings(given)
		if err != nil {
			return err
		}
		settings.For, settings.JSON = time.Duration(seconds*float64(time.Second)), asJSON
		return doctor.Run(cmd.Context(), settings, cmd.OutOrStdout(), cmd.ErrOrStderr())
	}
	return cmd
}

// examinedSettings reads the settings as tap25 sniff would. A mistake in the configuration file is a finding, not an
// error: then the settings are those of the flags and the environment.
func examinedSettings(given map[string][]string) (*doctor.Settings, error) {
	s, err := rereadSettings(given)
	if err == nil || s.ConfigFile == "" {
		return doctorSettings(s), err
	}
	path := s.ConfigFile
	without := maps.Clone(given)
	delete(without, "config")
	_, hasInterface := given["interface"]
	if !hasInterface {
		without["interface"] = []string{"lo"} // the file may name it
	}
	s, flagErr := rereadSettings(without)
	if flagErr != nil || s.ConfigFile != "" { // the environment names the file
		return nil, err
	}
	settings := doctorSettings(s)
	if !hasInterface {
		settings.Interfaces = nil
	}
	settings.ConfigFile, settings.ConfigError = path, err
	return settings, nil
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
		Program: program, Spool: s.Spool, SpoolBytes: s.Limits.Bytes, Key: s.Key, Witness: s.Witness,
		ConfigFile: s.ConfigFile, ExposedPassword: s.ExposedPassword, RetentionText: s.retention, Retention: s.Retention,
		Listen: func(ctx context.Context, d time.Duration) (before, after *report.Report, err error) {
			return sniff.Listen(ctx, &s.Settings, d)
		},
	}
}
