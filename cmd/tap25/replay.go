package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tap25/capture"
	"tap25/reassembly"
	"tap25/store"
	"tap25/store/spool"
)

// replay is one run of the command: its settings, then what it counted.
type replay struct {
	json     bool
	db       string
	sensor   string
	ports    []uint
	checksum string
	spool    string
	limits   spoolLimits
	wait     time.Duration

	followDir string
	retention string

	endReaders time.Duration

	stored   *streamStats // nil: none
	held     *capturesHeld
	repeated int64

	frames, octets int64
	elapsed        time.Duration
}

func replayCommand() *cobra.Command {
	r := &replay{}
	cmd := &cobra.Command{
		Use:   "replay [--json | --db URL|local] [flags] FILE... | --follow DIR",
		Short: "Read capture files and write the envelopes in them",
		Long: "replay reads captures (pcap or pcapng; plain, gzip or zstd; - is standard input) as one continuous stream, in the\n" +
			"order given, and writes a row for each recipient, into the database or with --json to standard output. A capture\n" +
			"that the database holds already adds no row. Rows go through a spool on disk: where the database goes away for longer\n" +
			"than --wait, or the replay is interrupted, the same command run again completes it. A closing summary goes to standard error.\n\n" +
			"With --follow, the files of a directory are read in the order of their names (numbers by value), as one stream that goes\n" +
			"on until SIGINT or SIGTERM and over restarts. A file is complete when nobody has it open for writing and the next is\n" +
			"there, or nothing was written to it for ten seconds. The database may be away; each row comes there once. Mails that\n" +
			"are under way at the end become rows after the next start: leave an hour of files in the directory for that.\n\n" +
			"Flags may also be set in the environment: --sensor as TAP25_SENSOR and so on.",
		Example: "  tap25 replay --json mail.pcap | jq .rcpt_to\n  tcpdump -i eth0 -G 60 -w '/captures/%s.pcap' tcp port 25 & tap25 replay --follow /captures\n  tcpdump -i eth0 -w - tcp port 25 | tap25 replay --json -",
		Args:    usageArgs(r.args),
		RunE: func(cmd *cobra.Command, paths []string) error {
			if err := errors.Join(fromEnvironment(cmd), r.limits.check()); err != nil {
				return err
			}
			if r.followDir != "" {
				return r.follow(cmd)
			}
			return r.run(cmd, paths)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&r.json, "json", false, "write the rows to standard output as JSON lines; no database is touched")
	dbFlag(cmd, &r.db)
	flags.StringVar(&r.sensor, "sensor", "", "name of the tap in each row (default: the host name)")
	flags.UintSliceVar(&r.ports, "port", []uint{25}, "TCP port of SMTP; may be repeated")
	flags.StringVar(&r.checksum, "checksum", "auto", "segments with a bad TCP checksum: auto, strict (ignore) or off (accept)")
	flags.StringVar(&r.spool, "spool", "", "directory where rows wait for the database (default: one below the state directory)")
	r.limits.flags(flags)
	flags.DurationVar(&r.wait, "wait", 2*time.Minute, "how long a database that goes away is waited for")
	flags.StringVar(&r.followDir, "follow", "", "directory whose capture files are read as they are completed, as from tcpdump -G, until a signal")
	flags.StringVar(&r.retention, "retention", "2y", "with --follow: age at which days of the database are dropped, such as 2y, 24mo or 730d, unless the database has stored a longer one; 'never' keeps all")
	endReadersFlag(flags, &r.endReaders)
	return cmd
}

func (r *replay) args(_ *cobra.Command, paths []string) error {
	if r.followDir != "" && (len(paths) > 0 || r.json) {
		return errors.New("--follow reads the files of its directory into a database: no file and no --json beside it")
	}
	if r.followDir != "" {
		return nil
	}
	if len(paths) == 0 {
		return errors.New("no capture file given (- is standard input)")
	}
	stdin := func(p string) bool { return p == "-" }
	if i := slices.IndexFunc(paths, stdin); i >= 0 && slices.ContainsFunc(paths[i+1:], stdin) {
		return errors.New("standard input (-) can be read only once")
	}
	return nil
}

func (r *replay) config() (reassembly.Config, error) {
	cfg := reassembly.Config{Sensor: r.sensor}
	switch r.checksum {
	case "auto":
		cfg.Checksum = reassembly.Auto
	case "strict":
		cfg.Checksum = reassembly.Strict
	case "off":
		cfg.Checksum = reassembly.Off
	default:
		return cfg, &usageError{fmt.Errorf("--checksum %q is not auto, strict or off", r.checksum)}
	}
	for _, p := range r.ports {
		if p == 0 || p > 65535 {
			return cfg, &usageError{fmt.Errorf("--port %d is not a TCP port", p)}
		}
		cfg.Ports = append(cfg.Ports, uint16(p))
	}
	if cfg.Sensor == "" {
		name, err := os.Hostname()
		if err != nil {
			return cfg, fmt.Errorf("ask for the host name: %w; name the tap with --sensor", err)
		}
		cfg.Sensor = name
	}
	return cfg, nil
}

// errInterrupted ends a replay that a signal has stopped.
var errInterrupted = errors.New("interrupted: the rest of the input was not read")

func (r *replay) run(cmd *cobra.Command, paths []string) (result error) {
	cfg, err := r.config()
	if err != nil {
		return err
	}
	if r.json && r.db != "" {
		return &usageError{errors.New("--json and --db exclude each other")}
	}
	ctx, cancel := context.WithCancelCause(cmd.Context())
	defer cancel(nil)
	files := capture.OpenFiles(paths, cmd.InOrStdin())
	defer files.Close()
	stopClosing := context.AfterFunc(ctx, func() { files.Close() })
	defer stopClosing()

	out := newRows(cmd.OutOrStdout(), cancel)
	finish := func(bool) error { return out.flush() }
	if !r.json {
		if finish, err = r.store(ctx, cmd, files, paths, cfg.Sensor, out, cancel); err != nil {
			if cmd.Context().Err() != nil {
				err = errInterrupted
			}
			return err
		}
	}
	cfg.Emit = out.emit
	asm := reassembly.New(cfg)
	start := time.Now()
	progress := startProgress(cmd.ErrOrStderr(), cmd.OutOrStdout(), files, out)
	err = r.read(files, asm)
	_, total := files.Progress()
	broken := err != nil && ctx.Err() != nil
	if broken && total > 0 && out.discard != nil {
		out.discard() // the files can be read again; a pipe cannot, so what it gave is loaded
	}
	asm.Close()
	flushErr := finish(broken)
	progress.stop()
	r.elapsed = time.Since(start)

	if errors.Is(flushErr, syscall.EPIPE) || errors.Is(flushErr, io.ErrClosedPipe) {
		return nil // as with tap25 replay … | head: whoever reads has enough
	}
	r.summary(cmd.ErrOrStderr(), asm.Stats(), out.emitted.Load())
	switch {
	case flushErr != nil:
		return flushErr
	case cmd.Context().Err() != nil && (err != nil || total == 0):
		// Ctrl-C also ends the program at the other end of a pipe: that the capture then ends, or is cut off, says nothing.
		return errInterrupted
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return fmt.Errorf("replay: %w", err)
	}
	return nil
}

// longLook is the size of files whose digests take a while.
const longLook = 2 << 30

// hurry is how long an interrupted replay still loads what is sealed.
const hurry = 10 * time.Second

// store sends the rows through a spool to the database; finish waits until they are there.
func (r *replay) store(ctx context.Context, cmd *cobra.Command, files *capture.Files, paths []string, sensor string, out *rows, fail func(error)) (finish func(broken bool) error, err error) {
	_, total := files.Progress()
	cfg := streamConfig{db: r.db, dirs: []string{r.spool}, limits: r.limits, sensor: sensor, waits: true, rereadable: total > 0, patience: r.wait, fail: fail,
		log: newLogger(cmd.ErrOrStderr()), stderr: cmd.ErrOrStderr()}
	if r.spool == "" {
		base, err := spoolBase()
		if err != nil {
			return nil, err
		}
		name, _ := replaySpool(resolveDB(r.db))
		cfg.dirs, cfg.spools = nil, filepath.Join(base, name)
	}
	s, err := openStream(ctx, cfg)
	if err != nil {
		return nil, err
	}
	cfg.log.Info().Bool("private_cluster", s.db.Cluster != nil).Msg("database ready")
	if err := r.askFirst(ctx, s, paths, total); err != nil {
		r.held.release()
		return nil, errors.Join(err, s.Close(ctx))
	}
	k := newKeyed(s, r.held)
	out.sink, out.discard = k.emit, s.Discard
	return func(broken bool) error {
		var sealed error
		if !s.discard.Load() {
			sealed = k.seal()
		}
		ctx := context.WithoutCancel(ctx)
		if broken {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, hurry)
			defer cancel()
		}
		err := errors.Join(out.flush(), sealed, s.drain(ctx))
		if err == nil && !broken {
			err = r.held.note(ctx, s)
		}
		if err == nil && !broken && cfg.rereadable {
			s.spool.Forget() // the same command run again adds what a failover has lost
		}
		r.held.release() // before Close, which may wait for those that wait for it
		err = errors.Join(err, s.Close(ctx))
		st := s.Stats()
		r.stored, r.repeated = &st, k.repeated
		if err == nil && !broken {
			_, before := replaySpool(resolveDB(r.db))
			err = loadLeftovers(ctx, cfg, s.dir, before)
		}
		return err
	}, nil
}

// askFirst asks whether this user may load under the sensor's name, before rows wait, and which of the files the database holds.
func (r *replay) askFirst(ctx context.Context, s *stream, paths []string, total int64) (err error) {
	err = s.ask(ctx, func(db *store.DB) error {
		_, err := db.Loaded(ctx, s.cfg.sensor, "replay-") // which no segment is called
		return err
	})
	if err != nil || total == 0 {
		return err
	}
	if total > longLook {
		s.cfg.log.Info().Msg("looking whether the database holds these files")
	}
	if r.held, err = r.lookUpCaptures(ctx, s, paths); err != nil {
		return err
	}
	if n := r.held.count(); n > 0 {
		s.cfg.log.Info().Msgf("the database holds %d of these files: their rows are not added again", n)
	}
	return nil
}

// replaySpool begins the names of the directories where the rows of replays into a database wait: of one user's, since another
// may not be let load under the same sensor's name. Before says how they began when users did not count.
func replaySpool(dsn string) (name, before string) {
	if dsn == store.Local {
		return "replay", "replay"
	}
	user, where := "", dsn
	if c, err := pgconn.ParseConfig(dsn); err == nil {
		user, where = c.User, fmt.Sprintf("%s:%d/%s", c.Host, c.Port, c.Database)
	}
	digest := func(s string) string {
		sum := sha256.Sum256([]byte(s))
		return "replay-" + hex.EncodeToString(sum[:4])
	}
	return digest(user + "@" + where), digest(where)
}

// loadLeftovers loads what dead replays have left in other spools for the same database. A spool that another process has, be it
// the replay itself or one that loads what is left there, is left to that.
func loadLeftovers(ctx context.Context, cfg streamConfig, but, before string) (err error) {
	if cfg.spools == "" {
		return nil // --spool named the directory
	}
	dirs, err := leftSpools(filepath.Dir(cfg.spools), filepath.Base(cfg.spools), before)
	cfg.spools = ""
	for _, dir := range dirs {
		waits := func(f spool.File) bool {
			return f.State != spool.Refused && f.State != spool.Damaged && f.State != spool.Newer
		}
		if files, inspectErr := spool.Inspect(dir); dir == but || inspectErr != nil || !slices.ContainsFunc(files, waits) {
			continue
		}
		cfg.dirs = []string{dir}
		s, openErr := openStream(ctx, cfg)
		if errors.Is(openErr, spool.ErrBusy) {
			continue
		}
		if openErr == nil {
			openErr = errors.Join(s.settled(ctx), s.Close(ctx))
			if st := s.Stats().loader; st.Added+st.Reloaded+st.Held > 0 {
				cfg.log.Info().Int64("rows_added", st.Added+st.Reloaded).Msg("loaded what an earlier replay has left")
			}
		}
		err = errors.Join(err, openErr)
	}
	return err
}

// read takes all frames; the end of the input is not an error.
func (r *replay) read(files *capture.Files, asm *reassembly.Assembler) error {
	var fr capture.Frame
	for {
		if err := files.Next(&fr); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		r.frames++
		r.octets += int64(len(fr.Data))
		if r.held != nil {
			r.held.now = fr.File
		}
		asm.Frame(fr.Time, fr.LinkType, fr.Data, fr.Length)
	}
}

// fromEnvironment sets the flags that the command line does not from TAP25_ and their names.
func fromEnvironment(cmd *cobra.Command) (err error) {
	flags := cmd.Flags()
	flags.VisitAll(func(f *pflag.Flag) {
		name := "TAP25_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		if value, ok := os.LookupEnv(name); ok && !f.Changed && err == nil && f.Name != "help" {
			if setErr := flags.Set(f.Name, value); setErr != nil {
				err = &usageError{fmt.Errorf("environment variable %s: %w", name, setErr)}
			}
		}
	})
	return err
}
