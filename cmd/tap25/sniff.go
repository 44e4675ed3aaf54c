package main

import (
	"time"

	"github.com/spf13/cobra"
)

// sniffSettings are the values of flags, environment and configuration file.
type sniffSettings struct {
	config       string
	interfaces   []string
	db           string
	spool        string
	limits       spoolLimits
	sensor       string
	ports        []uint
	workers      int
	ringBytes    int
	inline       bool
	xdp          string
	checksum     string
	retention    string
	endReaders   time.Duration
	json         bool
	metrics      string
	metricsHosts []string
	control      string
	user         string
	logLevel     string

	exposedPassword bool // the configuration file holds a password, and any user may read it
}

func sniffCommand() *cobra.Command {
	s := &sniffSettings{}
	cmd := &cobra.Command{
		Use:   "sniff -i IFACE... [--json | --db URL|local] [flags]",
		Short: "Capture mail on network interfaces and record its envelopes",
		Long: "sniff captures mail on interfaces that a mirror port or a tap feeds. It writes one row for each recipient to a spool\n" +
			"on disk and loads the spool into the database; with --json, it writes the rows to standard output instead. SIGTERM\n" +
			"or Ctrl-C ends it: sniff writes the rows of what it has seen, and prints a summary to standard error.\n\n" +
			"An XDP program captures the frames. The host receives no frame of the interface while sniff runs, unless --inline\n" +
			"is given. Attaching the program needs CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN and CAP_NET_RAW, or root; sniff gives\n" +
			"these up after it has attached. The program is detached when tap25 ends, even if it crashes or is killed.\n\n" +
			"Every flag can also be set by an environment variable (--sensor by TAP25_SENSOR) or in the YAML file that --config\n" +
			"names (sensor: NAME). The command line overrides the environment, and the environment overrides the file. After\n" +
			"SIGHUP, sniff reads the file again: port and log-level change at once; other changes take effect at the next start,\n" +
			"and the log names them.",
		Example: "  tap25 sniff -i eth1\n  tap25 sniff -i eth1 -i eth2 --db postgres://sensor@db.example/mail --metrics 127.0.0.1:9425\n" +
			"  tap25 sniff -i eth1 --json | jq .rcpt_to",
		Args: usageArgs(cobra.NoArgs),
	}
	sniffFlags(cmd, s)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		given := changedFlags(cmd.Flags())
		if err := s.complete(cmd.Flags()); err != nil {
			return err
		}
		return sniff(cmd, s, func() (*sniffSettings, error) { return rereadSettings(given) })
	}
	return cmd
}

func sniffFlags(cmd *cobra.Command, s *sniffSettings) {
	f := cmd.Flags()
	f.StringVar(&s.config, "config", "", "YAML file with settings; they have the names of the flags")
	f.StringSliceVarP(&s.interfaces, "interface", "i", nil, "interface to capture on; may be repeated")
	f.BoolVar(&s.json, "json", false, "write the rows to standard output as JSON lines, without database and spool")
	dbFlag(cmd, &s.db)
	f.StringVar(&s.spool, "spool", "", "directory where rows wait to be loaded (default: spool/SENSOR in the state directory)")
	s.limits.flags(f)
	f.StringVar(&s.sensor, "sensor", "", "name of this tap, stored in each row (default: the host name)")
	f.UintSliceVar(&s.ports, "port", []uint{25}, "TCP port of SMTP; may be repeated")
	f.IntVar(&s.workers, "workers", 0, "number of rings, each read by one goroutine (default: the number of CPUs, at most 8)")
	f.IntVar(&s.ringBytes, "ring-bytes", 32<<20, "size of each ring in bytes, rounded up to a power of two")
	f.BoolVar(&s.inline, "inline", false, "pass all frames on to the host, for an interface that carries the host's own traffic; "+
		"sniff sees only the frames that arrive")
	f.StringVar(&s.xdp, "xdp", "auto", "where the XDP program runs: native (in the driver), generic (any driver, slower) or auto")
	f.StringVar(&s.checksum, "checksum", "auto", "what to do with segments whose TCP checksum is wrong: strict ignores them, off accepts them, "+
		"auto accepts what its receiver acknowledged, unless it came again with a right one")
	retentionFlag(f, &s.retention, "")
	endReadersFlag(f, &s.endReaders)
	f.StringVar(&s.metrics, "metrics", "", "address on which to serve /metrics, /livez and /readyz over HTTP, such as 127.0.0.1:9425")
	f.StringSliceVar(&s.metricsHosts, "metrics-host", nil, "host name that HTTP requests to --metrics may use, besides its address, "+
		"localhost and the host's own name; may be repeated")
	f.StringVar(&s.control, "control", "", "unix socket that 'tap25 status' asks (default: control.sock, for root in /run/tap25, "+
		"for others in the state directory)")
	f.StringVar(&s.user, "user", "", "user to become after attaching, if root starts tap25 (default: the owner of the private cluster "+
		"with --db local, else the owner of the state directory, else root without capabilities)")
	f.StringVar(&s.logLevel, "log-level", "info", "lowest level of messages to log: debug, info, warn or error")
}
