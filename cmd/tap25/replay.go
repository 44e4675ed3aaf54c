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

// replay is one run of the command: its settings, then its counters.
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
		Long: "replay reads captures in the order given, as one continuous stream. A capture is pcap or pcapng, plain or compressed\n" +
			"with gzip or zstd; - is standard input. replay writes one row for each recipient to the database, or with --json to\n" +
			"standard output, and prints a summary to standard error.\n\n" +
			"A capture that is in the database already adds no row. Rows go through a spool on disk. If the database does not\n" +
			"answer for longer than --wait, or if the replay is interrupted, run the same command again: it adds the missing rows.\n\n" +
			"With --follow, replay reads the files of a directory in the order of their names (numbers by value), as one stream,\n" +
			"until SIGINT or SIGTERM; the next start continues it. replay reads a file once no process has it open for writing\n" +
			"and either the next file exists or nothing was written to it for ten seconds. The database need not answer all the\n" +
			"time; it gets each row exactly once. Sessions that are open at the end become rows after the next start, which reads\n" +
			"up to an hour of old captures again: do not delete these.\n\n" +
			"Every flag can also be set by an environment variable: --sensor by TAP25_SENSOR.",
		Example: "  tap25 replay --json mail.pcap | jq .rcpt_to\n" +
			"  tcpdump -i eth0 -G 60 -w '/captures/%s.pcap' tcp port 25 & tap25 replay --follow /captures\n" +
			"  tcpdump -i eth0 -w - tcp port 25 | tap25 replay --json -",
		Args: usageArgs(r.args),
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
	flags.BoolVar(&r.json, "json", false, "write the rows to standard output as JSON lines, without database and spool")
	dbFlag(cmd, &r.db)
	flags.StringVar(&r.sensor, "sensor", "", "name of the tap, stored in each row (default: the host name)")
	flags.UintSliceVar(&r.ports, "port", []uint{25}, "TCP port of SMTP; may be repeated")
	flags.StringVar(&r.checksum, "checksum", "auto", "what to do with segments whose TCP checksum is wrong: strict ignores them, off accepts them, "+
		"auto accepts what its receiver acknowledged, unless it came again with a right one")
	flags.StringVar(&r.spool, "spool", "", "directory where rows wait to be loaded (default: one in spool in the state directory)")
	r.limits.flags(flags)
	flags.DurationVar(&r.wait, "wait", 2*time.Minute, "how long to wait for a database that does not answer")
	flags.StringVar(&r.followDir, "follow", "",
		"directory whose capture files are read as they become complete, such as those of tcpdump -G, until a signal")
	retentionFlag(flags, &r.retention, "with --follow: ")
	endReadersFlag(flags, &r.endReaders)
	return cmd
}

func (r *replay) args(_ *cobra.Command, paths []string) error {
	if r.followDir != "" && (len(paths) > 0 || r.json) {
		return errors.New("--follow loads the files of its directory into a database: give it no file and no --json")
	}
	if r.followDir != "" {
		return nil
	}
	if len(paths) == 0 {
		return errors.New("no capture file given: name one, or - for standard input")
	}
	stdin := func(p string) bool { return p == "-" }
	if i := slices.IndexFunc(paths, stdin); i >= 0 && slices.ContainsFunc(paths[i+1:], stdin) {
		return errors.New("standard input (-) is given twice, but can be read only once")
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
			return cfg, &usageError{fmt.Errorf("--port %d is not a TCP port: it must be 1 to 65535", p)}
		}
		cfg.Ports = append(cfg.Ports, uint16(p))
	}
	if cfg.Sensor == "" {
		name, err := os.Hostname()
		if err != nil {
			return cfg, fmt.Errorf("read the host name: %w; name the tap with --sensor", err)
		}
		cfg.Sensor = name
	}
	return cfg, nil
}

// errInterrupted is the error of a replay that a signal stopped.
var errInterrupted = errors.New("interrupted before the end of the input")

func (r *replay) run(cmd *cobra.Command, paths []string) (result error) {
	cfg, err := r.config()
	if err != nil {
		return err
	}
	if r.json && r.db != "" {
		return &usageError{errors.New("--json and --db cannot be used together")}
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
		out.discard() // files can be read again; a pipe cannot, so its rows are loaded
	}
	asm.Close()
	flushErr := finish(broken)
	progress.stop()
	r.elapsed = time.Since(start)

	if errors.Is(flushErr, syscall.EPIPE) || errors.Is(flushErr, io.ErrClosedPipe) {
		return nil // as with tap25 replay … | head: the reader has enough
	}
	r.summary(cmd.ErrOrStderr(), asm.Stats(), out.emitted.Load())
	switch {
	case flushErr != nil:
		return flushErr
	case cmd.Context().Err() != nil && (err != nil || total == 0):
		// Ctrl-C also ends the program at the other end of the pipe, so an end or a cut of the capture means nothing.
		return errInterrupted
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return fmt.Errorf("replay: %w", err)
	}
	return nil
}

// longLook is the size from which computing the digests of the files takes so long that users are told.
const longLook = 2 << 30

// hurry bounds how long an interrupted replay still loads sealed segments.
const hurry = 10 * time.Second

// store sends the rows through a spool to the database; finish waits until they are there.
func (r *replay) store(ctx context.Context, cmd *cobra.Command, files *capture.Files, paths []string, sensor string, out *rows,
	fail func(error)) (finish func(broken bool) error, err error) {
	_, total := files.Progress()
	cfg := streamConfig{db: r.db, dirs: []string{r.spool}, limits: r.limits, sensor: sensor, waits: true, rereadable: total > 0,
		patience: r.wait, fail: fail, log: newLogger(cmd.ErrOrStderr()), stderr: cmd.ErrOrStderr()}
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
			s.spool.Forget() // if a failover loses rows, the same command adds them again
		}
		r.held.release() // before Close, which may wait for replays that wait for this lock
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

// askFirst checks that this user may load rows of the sensor, before any row waits, and asks which of the files the database has.
func (r *replay) askFirst(ctx context.Context, s *stream, paths []string, total int64) (err error) {
	err = s.ask(ctx, func(db *store.DB) error {
		_, err := db.Loaded(ctx, s.cfg.sensor, "replay-") // the name of no segment
		return err
	})
	if err != nil || total == 0 {
		return err
	}
	if total > longLook {
		s.cfg.log.Info().Msg("checking whether these files are in the database already")
	}
	if r.held, err = r.lookUpCaptures(ctx, s, paths); err != nil {
		return err
	}
	if n := r.held.count(); n > 0 {
		s.cfg.log.Info().Msgf("the database already holds %d of these files: their rows are not added again", n)
	}
	return nil
}

// replaySpool returns the prefix of the spool directories of replays into a database. Each user has another one, since a user may
// lack the right to load under a sensor's name. before is the prefix that earlier versions used, without the user.
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

// loadLeftovers loads what dead replays left in other spools for the same database. It skips a spool that another process has
// open.
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
				cfg.log.Info().Int64("rows_added", st.Added+st.Reloaded).Msg("loaded the rows that an earlier replay left")
			}
		}
		err = errors.Join(err, openErr)
	}
	return err
}

// read passes all frames to the assembler; the end of the input is not an error.
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

// fromEnvironment sets the flags that the command line does not set, from variables TAP25_NAME.
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
