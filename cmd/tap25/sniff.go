package main

import (
	"time"

	"github.com/spf13/cobra"
)

// sniffSettings are what flags, environment and configuration file say.
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

	exposedPassword bool // the configuration file holds one, and any user may read it
}

func sniffCommand() *cobra.Command {
	s := &sniffSettings{}
	cmd := &cobra.Command{
		Use:   "sniff -i IFACE... [--json | --db URL|local] [flags]",
		Short: "Listen on network interfaces and write the envelopes of the mail that passes",
		Long: "sniff listens on one or more interfaces, which a mirror port or a tap feeds, and writes a row for each recipient\n" +
			"into the database, by way of a durable spool, or with --json to standard output. It ends with SIGTERM or Ctrl-C:\n" +
			"what it knows by then is written, and a closing summary goes to standard error.\n\n" +
			"Frames of mail are taken by an XDP program, and the host sees no frame of the interface any more, unless --inline\n" +
			"is given. That needs CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN and CAP_NET_RAW (or root), all of which are given up once\n" +
			"the program is attached. Nothing stays attached when tap25 ends, in whatever way.\n\n" +
			"Flags may also be set in the environment, --sensor as TAP25_SENSOR and so on, and in the YAML file that --config\n" +
			"names, as sensor: and so on. The command line outranks the environment, and that the file. SIGHUP reads the file\n" +
			"again: port and log-level change at once; what else has changed is named in the log and waits for the next start.",
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
	f.StringVar(&s.config, "config", "", "YAML file with settings that are named like the flags")
	f.StringSliceVarP(&s.interfaces, "interface", "i", nil, "interface to listen on; may be repeated")
	f.BoolVar(&s.json, "json", false, "write the rows to standard output as JSON lines; no database, no spool")
	dbFlag(cmd, &s.db)
	f.StringVar(&s.spool, "spool", "", "directory of what waits to be loaded (default: spool in the state directory)")
	s.limits.flags(f)
	f.StringVar(&s.sensor, "sensor", "", "name of the tap in each row (default: the host name)")
	f.UintSliceVar(&s.ports, "port", []uint{25}, "TCP port of SMTP; may be repeated")
	f.IntVar(&s.workers, "workers", 0, "rings, each read by one goroutine (default: the number of CPUs, 8 at most)")
	f.IntVar(&s.ringBytes, "ring-bytes", 32<<20, "size of each ring, rounded up to a power of two")
	f.BoolVar(&s.inline, "inline", false, "leave all frames to the host too, on an interface that carries its own traffic (of which only what arrives is seen)")
	f.StringVar(&s.xdp, "xdp", "auto", "where the program runs: native (in the driver), generic (any driver, slower) or auto")
	f.StringVar(&s.checksum, "checksum", "auto", "segments with a bad TCP checksum: auto, strict (ignore) or off (accept)")
	f.StringVar(&s.retention, "retention", "2y", "age at which days of the database are dropped, such as 2y, 24mo or 730d, unless the database has stored a longer one; 'never' keeps all")
	endReadersFlag(f, &s.endReaders)
	f.StringVar(&s.metrics, "metrics", "", "address of /metrics, /livez and /readyz over HTTP, such as 127.0.0.1:9425")
	f.StringSliceVar(&s.metricsHosts, "metrics-host", nil, "name by which --metrics is asked, besides its address, localhost and the host name; may be repeated")
	f.StringVar(&s.control, "control", "", "unix socket for tap25 status (default: control.sock in /run/tap25 for root, else in the state directory)")
	f.StringVar(&s.user, "user", "", "user to become once attached, where started by root (default: whose the state directory is, with --db local the cluster's; else root without rights)")
	f.StringVar(&s.logLevel, "log-level", "info", "debug, info, warn or error")
}
