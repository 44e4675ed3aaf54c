package main

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"tap25/cmd/tap25/replay"
	"tap25/cmd/tap25/scope"
	"tap25/store/stream"
)

// replaySettings are the values of the flags.
type replaySettings struct {
	rows       rowFlags
	db         string
	sensor     string
	ports      []uint
	intercepts []uint
	checksum   string
	spool      string
	limits     stream.Limits
	wait       time.Duration
	workers    int
	followDir  string
	retention  string
	packAfter  string
	endReaders time.Duration
	scope      string
	key        string
	witness    string
	read       []string
	output     replayOutput

	since, before string
	timestamp     string
}

// mostWorkers is how many workers there are at most, by default and at all: reading and writing are not shared, and more
// would wait for them.
const mostWorkers = 16

const replayLong = `
replay reads captures in the order given, as one continuous stream. A capture is pcap or pcapng, plain or compressed
with gzip or zstd; - is standard input. replay writes one row for each recipient to the database, or with --json or
--format to standard output, and prints a summary to standard error.

A capture that is in the database already adds no row, unless the retention has dropped all its rows since. A warning
says so if the retention is going to drop rows that replay adds. Rows go through a spool on disk. If the database does
not answer for longer than --wait, or if the replay is interrupted, run the same command again: it adds the missing
rows. SIGINT or SIGTERM ends it within a second; rows that are sealed and not loaded by then stay in the spool.

With --follow, replay reads the files of a directory in the order of their names (numbers by value), as one stream,
until SIGINT or SIGTERM; the next start continues it. replay reads a file once no process has it open for writing
and either the next file exists or nothing was written to it for ten seconds. The database need not answer all the
time; it gets each row exactly once. Sessions that are open at the end become rows after the next start, which reads
up to an hour of old captures again: do not delete these.

With --since and --before, only rows that were seen in that period are written. All packets are read, so that sessions
across its edges are whole. With --scope, only rows that a scope file lets through are written; 'tap25 scope --help'
describes the file. Either way, the others are counted, and a capture that is in the database already adds no row,
whatever the period and scope were then.

Every flag can also be set by an environment variable: --sensor by TAP25_SENSOR.`

func replayCommand() *cobra.Command {
	r := &replaySettings{}
	cmd := &cobra.Command{
		Use:   "replay [--json | --format csv|tsv | --db URL|local] [flags] FILE... | --follow DIR",
		Short: "Read capture files and write the envelopes in them",
		Long:  replayLong[1:],
		Example: "  tap25 replay --json mail.pcap | jq .rcpt_to\n" +
			"  tap25 replay --format tsv --fields seen_at,mail_from,rcpt_to,outcome mail.pcap | cut -f 3 | sort | uniq -c\n" +
			"  tcpdump -i eth0 -G 60 -w '/captures/%s.pcap' tcp port 25 & tap25 replay --follow /captures\n" +
			"  tcpdump -i eth0 -w - tcp port 25 | tap25 replay --json -",
		Args: usageArgs(r.args),
		RunE: func(cmd *cobra.Command, paths []string) error {
			if err := errors.Join(fromEnvironment(cmd.Flags()), usage(r.limits.Check())); err != nil {
				return err
			}
			return r.run(cmd, slices.Concat(r.read, paths))
		},
	}
	flags := cmd.Flags()
	r.output.add(flags)
	flags.StringArrayVarP(&r.read, "read", "r", nil, "capture file, read before each FILE; may be repeated")
	r.rows.add(flags)
	dbFlag(cmd.Flags(), &r.db)
	flags.StringVar(&r.sensor, "sensor", "", "name of the tap, stored in each row (default: the host name)")
	portFlags(flags, &r.ports, &r.intercepts)
	checksumFlag(flags, &r.checksum)
	flags.StringVar(&r.spool, "spool", "",
		"directory where rows wait to be loaded (default: one in spool in the state directory)")
	spoolFlags(flags, &r.limits)
	flags.IntVar(&r.workers, "workers", 0,
		"how many workers read sessions at the same time; rows and their order do not depend on it "+
			"(default: the number of CPUs, at most 16)")
	flags.DurationVar(&r.wait, "wait", 2*time.Minute, "how long to wait for a database that does not answer")
	flags.StringVar(&r.followDir, "follow", "",
		"directory whose capture files are read as they become complete, such as those of tcpdump -G, until a signal")
	scopeFlag(flags, &r.scope)
	flags.StringVar(&r.since, "since", "", "only rows seen at this time or later (2026-01-31, or RFC 3339; UTC)")
	flags.StringVar(&r.before, "before", "", "only rows seen before this time")
	retentionFlag(flags, &r.retention, never, "only with --follow")
	packAfterFlag(flags, &r.packAfter)
	keyFlag(flags, &r.key)
	witnessFlags(flags, &r.witness, &r.timestamp)
	endReadersFlag(flags, &r.endReaders)
	return cmd
}

func (r *replaySettings) args(_ *cobra.Command, paths []string) error {
	paths = slices.Concat(r.read, paths)
	if r.followDir != "" && (len(paths) > 0 || r.rows.json || r.rows.format != "") {
		return errors.New("--follow loads the files of its directory into a database: give it no file, and neither " +
			"--json nor --format")
	}
	if r.followDir != "" {
		return nil
	}
	if len(paths) == 0 {
		return errors.New("no capture file given: name one, or - for standard input")
	}
	if slices.ContainsFunc(paths, isFilter) {
		return errFilter
	}
	stdin := func(p string) bool { return p == "-" }
	if i := slices.IndexFunc(paths, stdin); i >= 0 && slices.ContainsFunc(paths[i+1:], stdin) {
		return errors.New("standard input (-) is given twice, but can be read only once")
	}
	return nil
}

// run replays, and prints the summary.
func (r *replaySettings) run(cmd *cobra.Command, paths []string) error {
	cfg, err := r.config(cmd)
	if err != nil {
		return err
	}
	toStdout, form, err := r.rows.form(r.db)
	if err != nil {
		return err
	}
	var s *replay.Summary
	switch {
	case r.followDir != "":
		s, err = replay.Follow(cmd.Context(), cfg, r.followDir)
	case toStdout:
		s, err = replay.Write(cmd.Context(), cfg, form, paths)
	default:
		s, err = replay.Load(cmd.Context(), cfg, paths)
	}
	return r.output.end(cmd, s, err)
}

func (r *replaySettings) config(cmd *cobra.Command) (cfg replay.Config, err error) {
	if err := r.output.open(cmd.ErrOrStderr()); err != nil {
		return cfg, err
	}
	cfg = replay.Config{
		DSN: resolveDB(r.db), Spool: r.spool, Limits: r.limits, Wait: r.wait, EndReaders: afterwards(r.endReaders),
		Key: r.key, Witness: r.witness, Timestamp: r.timestamp,
		Version: version(), Log: r.output.log, Waiting: tellWaiting(r.output.stderr),
		Stdin: cmd.InOrStdin(), Stdout: cmd.OutOrStdout(), Stderr: r.output.stderr,
	}
	if cfg.Reassembly, err = assembler(r.sensor, r.ports, r.intercepts, r.checksum); err != nil {
		return cfg, err
	}
	switch cfg.Workers = r.workers; {
	case r.workers == 0:
		cfg.Workers = min(runtime.GOMAXPROCS(0), mostWorkers)
	case r.workers < 0 || r.workers > mostWorkers:
		return cfg, &usageError{fmt.Errorf("--workers %d is not between 1 and %d", r.workers, mostWorkers)}
	}
	if cfg.Period, err = r.period(); err != nil {
		return cfg, usage(err)
	}
	if r.scope != "" {
		if cfg.Scope, err = scope.Load(r.scope); err != nil {
			return cfg, usage(err)
		}
		if cfg.Scope.KeepsNothing() {
			cfg.Log.Warn().Msg(scope.KeepsNothingText)
		}
	}
	if r.followDir != "" {
		if cfg.Retention, err = parseRetention(r.retention); err != nil {
			return cfg, err
		}
		cfg.PackAfter, err = parseAge("--pack-after", r.packAfter)
	}
	return cfg, err
}

// period reads --since and --before.
func (r *replaySettings) period() (p replay.Period, err error) {
	for _, t := range []struct {
		flag, text string
		to         *time.Time
	}{{"since", r.since, &p.Since}, {"before", r.before, &p.Before}} {
		switch {
		case t.text == "":
			continue
		case r.followDir != "":
			return p, fmt.Errorf("--%s is for captures that are named: --follow takes all rows of its directory", t.flag)
		}
		if *t.to, err = parseTime(t.text); err != nil {
			return p, fmt.Errorf("--%s: %w", t.flag, err)
		}
	}
	if r.before != "" && !p.Since.Before(p.Before) {
		return p, errors.New("--since must be earlier than --before")
	}
	return p, nil
}
