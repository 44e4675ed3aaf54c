package main

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tap25/bpf"
	"tap25/cmd/tap25/scope"
	"tap25/cmd/tap25/sniff"
	"tap25/store"
)

// sniffFlags are the values of flags, environment and configuration file, and the settings that they make.
type sniffFlags struct {
	sniff.Settings

	output                                          rowFlags
	db, sensor, xdp, checksum, retention, packAfter string
	bodies                                          string
	ports, intercepts                               []uint
	endReaders                                      time.Duration
}

const sniffLong = `
sniff captures mail on interfaces that a mirror port or a tap feeds. It writes one row for each recipient to a spool
on disk and loads the spool into the database; with --json or --format, it writes the rows to standard output instead.
The database keeps them for --retention, which must be given: the law sets the period.

SIGTERM or Ctrl-C ends it within a second: sniff writes the rows of what it has seen, leaves those in the spool that the
database does not take at once, and prints a summary to standard error.

An XDP program captures the frames. The host receives no frame of the interface while sniff runs, unless --inline
is given. Then the host keeps the interface, and a second program, at tc egress, captures what the host sends: sniff
can run on the host of a mail server, without a tap. Attaching the programs needs CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN
and CAP_NET_RAW, or root; sniff gives these up after it has attached. The programs are detached when tap25 ends, even if
it crashes or is killed.

Every flag can also be set by an environment variable (--sensor by TAP25_SENSOR) or in the YAML file that --config
names (sensor: NAME). The command line overrides the environment, and the environment overrides the file. After
SIGHUP, sniff reads the file again: port and log-level change at once; other changes take effect at the next start,
and the log names them. The file that --scope names is read again too: if it is in order, it is in force at once.`

// errNoRetention is the error of a live tap that was not told when rows go.
var errNoRetention = errors.New("no retention given: how long records of mail may be kept is a matter of law, " +
	"so tap25 has no default; name the time with --retention, such as 24mo or 730d, or in the configuration file, such as " +
	"'retention: 24mo'; 'never' drops nothing")

func sniffCommand() *cobra.Command {
	s := &sniffFlags{}
	cmd := &cobra.Command{
		Use:   "sniff -i IFACE... {--json | --format csv|tsv | --retention TIME|never [--db URL|local]} [flags]",
		Short: "Capture mail on network interfaces and record its envelopes",
		Long:  sniffLong[1:],
		Example: "  tap25 sniff -i eth1 --retention 24mo\n  tap25 sniff -i eth1 -i eth2 --retention never " +
			"--db postgres://sensor@db.example/mail --metrics 127.0.0.1:9425\n" +
			"  tap25 sniff -i eth1 --json | jq .rcpt_to",
		Args: usageArgs(cobra.NoArgs),
	}
	s.add(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		given := changedFlags(cmd.Flags())
		if err := s.complete(cmd.Flags()); err != nil {
			return err
		}
		if !s.ToStdout && s.retention == "" {
			return &usageError{errNoRetention}
		}
		cfg := sniff.Config{
			Settings: s.Settings, Version: version(),
			Stdout: cmd.OutOrStdout(), Stderr: cmd.ErrOrStderr(), Waiting: tellWaiting(cmd.ErrOrStderr()),
			Reload: func() (*sniff.Settings, error) {
				next, err := rereadSettings(given)
				return &next.Settings, err
			},
		}
		cfg.Log, cfg.SetLevel = newLeveledLogger(cmd.ErrOrStderr(), s.LogLevel)
		return sniff.Run(cmd.Context(), &cfg)
	}
	return cmd
}

func (s *sniffFlags) add(f *pflag.FlagSet) {
	f.StringVar(&s.ConfigFile, "config", "", "YAML file with settings; they have the names of the flags")
	f.StringSliceVarP(&s.Interfaces, "interface", "i", nil, "interface to capture on; may be repeated")
	s.output.add(f)
	dbFlag(f, &s.db)
	f.StringVar(&s.Spool, "spool", "",
		"directory where rows wait to be loaded (default: spool/SENSOR in the state directory)")
	spoolFlags(f, &s.Limits)
	scopeFlag(f, &s.ScopeFile)
	keyFlag(f, &s.Key)
	witnessFlags(f, &s.Witness, &s.Timestamp)
	f.StringVar(&s.sensor, "sensor", "", "name of this tap, stored in each row (default: the host name)")
	portFlags(f, &s.ports, &s.intercepts)
	f.IntVar(&s.Workers, "workers", 0,
		"number of rings, each read by one goroutine (default: the number of CPUs, at most 8)")
	f.IntVar(&s.RingBytes, "ring-bytes", 32<<20, "size of each ring in bytes, rounded up to a power of two")
	f.BoolVar(&s.Inline, "inline", false,
		"pass all frames on to the host, and capture those that it sends too; for an interface that carries the "+
			"host's own traffic, such as a mail server's")
	f.StringVar(&s.bodies, "bodies", "user",
		"kernel leaves most of the octets of long messages in the kernel, and the flag conflict may differ; user "+
			"copies every frame whole")
	f.StringVar(&s.xdp, "xdp", "auto",
		"where the XDP program runs: native (in the driver), generic (any driver, slower) or auto")
	checksumFlag(f, &s.checksum)
	retentionFlag(f, &s.retention, "", "'never' drops none; there is no default, because the law sets the period")
	packAfterFlag(f, &s.packAfter)
	endReadersFlag(f, &s.endReaders)
	f.StringVar(&s.Metrics, "metrics", "",
		"address on which to serve a page for people, /metrics, /livez and /readyz over HTTP, such as 127.0.0.1:9425")
	f.StringSliceVar(&s.MetricsHosts, "metrics-host", nil,
		"host name that HTTP requests to --metrics may use, besides its address, "+
			"localhost and the host's own name; may be repeated")
	f.StringVar(&s.Control, "control", "",
		"unix socket that 'tap25 status' asks (default: control.sock, for root in /run/tap25, "+
			"for others in the state directory)")
	f.StringVar(&s.User, "user", "",
		"user to become after attaching, if root starts tap25 (default: the owner of the private cluster "+
			"with --db local, else the owner of the state directory, else root without capabilities)")
	f.StringVar(&s.LogLevel, "log-level", "info", "lowest level of messages to log: debug, info, warn or error")
}

// rereadSettings reads environment and file again, with the same command line.
func rereadSettings(given map[string][]string) (*sniffFlags, error) {
	s := &sniffFlags{}
	flags := pflag.NewFlagSet("sniff", pflag.ContinueOnError)
	s.add(flags)
	for name, values := range given {
		if err := setFlag(flags.Lookup(name), values); err != nil {
			return s, err
		}
	}
	return s, s.complete(flags)
}

// complete adds the environment and the file to the flags of the command line, makes settings of them, and checks
// these.
func (s *sniffFlags) complete(flags *pflag.FlagSet) (err error) {
	if err := fromEnvironment(flags); err != nil {
		return err
	}
	if s.ConfigFile != "" {
		if s.ExposedPassword, err = readConfig(flags, s.ConfigFile); err != nil {
			return err
		}
	}
	if s.Workers == 0 {
		s.Workers = min(runtime.NumCPU(), 8)
	}
	if err := s.convert(); err != nil {
		return err
	}
	if s.ScopeFile != "" {
		if s.Scope, err = scope.Load(s.ScopeFile); err != nil {
			return usage(err)
		}
	}
	return usage(s.Check())
}

// convert makes settings of words and numbers.
func (s *sniffFlags) convert() (err error) {
	if s.ToStdout, s.Form, err = s.output.form(s.db); err != nil {
		return err
	}
	modes := map[string]bpf.Mode{"auto": bpf.Auto, "native": bpf.Native, "generic": bpf.Generic}
	mode, ok := modes[s.xdp]
	switch {
	case !ok:
		return &usageError{fmt.Errorf("--xdp %q is not auto, native or generic", s.xdp)}
	case s.bodies != "user" && s.bodies != "kernel":
		return &usageError{fmt.Errorf("--bodies %q is not kernel or user", s.bodies)}
	case !slices.Contains([]string{"debug", "info", "warn", "error"}, s.LogLevel):
		return &usageError{fmt.Errorf("--log-level %q is not debug, info, warn or error", s.LogLevel)}
	}
	s.Bodies = s.bodies == "kernel"
	s.Mode, s.DSN, s.EndReaders = mode, resolveDB(s.db), afterwards(s.endReaders)
	if err := store.CheckDSN(s.DSN); err != nil {
		return &usageError{err}
	}
	if s.Retention, err = parseRetention(s.retention); err != nil {
		return err
	}
	if s.PackAfter, err = parseAge("--pack-after", s.packAfter); err != nil {
		return err
	}
	s.Assembler, err = assembler(s.sensor, s.ports, s.intercepts, s.checksum)
	return err
}
