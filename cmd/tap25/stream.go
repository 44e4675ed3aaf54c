package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/pflag"

	"tap25/reassembly/smtp"
	"tap25/store"
	"tap25/store/spool"
)

// streamConfig is how rows come to the database. The zero value of the flags is that of live traffic: Emit never waits,
// segments are cut by count and age, and the database may be away for any time, also at the start.
type streamConfig struct {
	db        string   // --db
	dirs      []string // of the spool: the first that no other process has; none: below the state directory, by the sensor's name
	limits    spoolLimits
	sensor    string
	retention store.Retention // enforced hourly, where the database lets this user; zero: not

	waits      bool          // Emit waits for room
	rereadable bool          // what Seal has not sealed is dropped at the end, since the source gives it again
	patience   time.Duration // the database must be there at the start, and may then be away this long; 0: for ever
	fail       func(error)   // told once when the patience has ended

	log    zerolog.Logger
	stderr io.Writer
}

// spoolLimits bound what waits for the database, beside the disk; zero values are the spool's defaults.
type spoolLimits struct {
	bytes int64
	age   time.Duration
}

// flags adds those that set the limits.
func (l *spoolLimits) flags(f *pflag.FlagSet) {
	f.Int64Var(&l.bytes, "spool-bytes", 10<<30, "size that the spool may reach; it also leaves 64 MiB of the disk free, or a sixteenth of a small one")
	f.DurationVar(&l.age, "spool-age", 0, "the spool takes no more rows while its oldest wait for longer, such as 720h (default any time)")
}

// check refuses what makes no sense.
func (l *spoolLimits) check() error {
	if l.bytes < 2*partBytes || l.age < 0 {
		return &usageError{fmt.Errorf("--spool-bytes must be %d at least, twice what is sealed at once, and --spool-age not negative", 2*partBytes)}
	}
	return nil
}

// stream is spool, loader and database.
type stream struct {
	cfg     streamConfig
	dir     string
	dsn     string
	starts  sync.Mutex     // held over a start of cluster
	cluster *store.Cluster // the private one, or nil
	spool   *spool.Spool
	loader  *store.Loader
	append  func(record []byte) error
	seal    func(key string) error

	stop    context.CancelFunc
	running sync.WaitGroup
	lost    atomic.Int64 // that the spool did not take and does not count
	left    atomic.Int64 // emitted after Discard
	discard atomic.Bool
}

// streamStats are the counters of a stream. Emitted rows = spool.Appended + lost + left.
type streamStats struct {
	spool      spool.Stats
	loader     store.LoaderStats
	lost, left int64
}

// openStream opens the spool and begins to load what waits in it.
func openStream(ctx context.Context, cfg streamConfig) (_ *stream, err error) {
	s := &stream{cfg: cfg, dsn: resolveDB(cfg.db)}
	if s.dsn == local {
		if s.cluster, err = privateCluster(); err != nil {
			return nil, err
		}
		s.cluster.Waiting = func() {
			fmt.Fprintln(cfg.stderr, "tap25: done; waiting for other tap25 that use the private cluster, which stops with this one")
		}
		s.dsn = s.cluster.DSN()
	}
	defer func() {
		if err != nil && s.cluster != nil {
			err = errors.Join(err, s.cluster.Release())
		}
	}()
	if cfg.patience > 0 {
		db, err := s.connect(ctx)
		if err != nil {
			return nil, err
		}
		db.Close()
	}
	if err := s.openSpool(); err != nil {
		return nil, err
	}
	interrupted := ctx
	ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx)) // what an interruption leaves whole is loaded still
	s.append, s.seal = s.spool.Append, s.spool.Seal
	if cfg.waits {
		wait := ctx
		if cfg.rereadable {
			wait = interrupted
		}
		s.append = func(record []byte) error { return s.spool.AppendWait(wait, record) }
		s.seal = func(key string) error { return s.sealWait(wait, key) }
	}
	s.loader = store.NewLoader(store.LoaderConfig{Spool: s.spool, Connect: s.connect})
	s.running.Go(func() { s.loader.Run(ctx) })
	s.running.Go(func() { s.spool.Run(ctx) })
	s.running.Go(func() { s.watch(ctx) })
	if cfg.patience == 0 {
		s.running.Go(func() { s.upkeep(ctx) })
	}
	return s, nil
}

func (s *stream) openSpool() error {
	dirs := s.cfg.dirs
	if len(dirs) == 0 {
		base, err := spoolBase()
		if err != nil {
			return err
		}
		dirs = []string{filepath.Join(base, sensorDir(s.cfg.sensor))}
	}
	cfg := spool.Config{Sensor: s.cfg.sensor, Rereadable: s.cfg.rereadable, MaxBytes: s.cfg.limits.bytes, MaxAge: s.cfg.limits.age}
	if s.cfg.waits { // Seal alone cuts
		cfg.SegmentRecords, cfg.SegmentBytes, cfg.SegmentAge = -1, -1, -1
	}
	var err error
	for _, cfg.Dir = range dirs {
		if s.spool, err = spool.Open(cfg); err == nil || !errors.Is(err, spool.ErrBusy) {
			break
		}
	}
	if s.dir = cfg.Dir; errors.Is(err, spool.ErrBusy) {
		err = fmt.Errorf("%w: if it is for another tap, name that with --sensor, or another directory with --spool", err)
	}
	return err
}

// spoolBase is where the spools are, unless --spool says otherwise.
func spoolBase() (string, error) {
	state, err := store.StateDir()
	return filepath.Join(state, "spool"), err
}

// sensorDir makes a file name of a sensor's name.
func sensorDir(sensor string) string {
	var b strings.Builder
	for i, c := range []byte(sensor) {
		if c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '-' || c == '_' || c == '.' && i > 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// connect opens the database for loading. A private cluster is started, also where it has died, and migrated.
func (s *stream) connect(ctx context.Context) (*store.DB, error) {
	if s.cluster != nil {
		s.starts.Lock()
		err := s.cluster.Use(ctx)
		s.starts.Unlock()
		if err != nil {
			return nil, err
		}
	}
	db, err := store.Open(ctx, s.dsn)
	if err != nil {
		return nil, err
	}
	err = db.Check(ctx)
	if s.cluster != nil && (errors.Is(err, store.ErrNoSchema) || errors.Is(err, store.ErrOlderSchema)) {
		err = db.Migrate(ctx)
	}
	if err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

// ask asks the database, on a connection of its own, again while the patience lasts.
func (s *stream) ask(ctx context.Context, question func(*store.DB) error) error {
	for begun := time.Now(); ; {
		db, err := s.connect(ctx)
		if err == nil {
			err = question(db)
			db.Close()
		}
		if err == nil || time.Since(begun) > s.cfg.patience {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Emit puts a row into the spool; any goroutine may call it. What the spool does not take is counted.
func (s *stream) Emit(e *smtp.Envelope) {
	if s.discard.Load() {
		s.left.Add(1)
		return
	}
	var row [1024]byte
	s.put(store.AppendRow(row[:0], e))
}

func (s *stream) put(record []byte) {
	err := s.append(record)
	switch {
	case err == nil || !s.cfg.waits: // Append counts by itself
	case s.cfg.rereadable && len(record) <= spool.MaxRecord: // interrupted, or the disk has lost what was not sealed
		s.Discard()
		s.left.Add(1)
		if s.cfg.fail != nil {
			s.cfg.fail(err)
		}
	default:
		s.lost.Add(1)
	}
}

// Discard leaves out all rows that come yet: the source is read again.
func (s *stream) Discard() { s.discard.Store(true) }

// Seal seals what was emitted, under a key that names it. Where Emit waits for room, so does Seal.
func (s *stream) Seal(key string) error { return s.seal(key) }

// sealWait seals, again each second while the disk is full or fails, and the patience lasts.
func (s *stream) sealWait(ctx context.Context, key string) error {
	for begun := time.Now(); ; {
		err := s.spool.Seal(key)
		if err == nil || errors.Is(err, os.ErrClosed) || s.cfg.patience > 0 && time.Since(begun) > s.cfg.patience {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Second):
		}
	}
}

// Stats returns the counters.
func (s *stream) Stats() streamStats {
	return streamStats{s.spool.Stats(), s.loader.Stats(), s.lost.Load(), s.left.Load()}
}

// errAway is a database that was away for too long, or that will not take rows before somebody has changed something.
var errAway = errors.New("the database takes no rows")

// Close seals what is unsealed, unless its source can be read again, loads all that waits, until ctx ends or the patience
// does, and ends. An error says what waits where.
func (s *stream) Close(ctx context.Context) error {
	sealed := s.drain(ctx)
	st := s.Stats()
	s.stop()
	s.running.Wait()
	closed := s.spool.Close()
	if s.cluster != nil {
		closed = errors.Join(closed, s.cluster.Release())
	}
	if waiting := s.spool.Stats().Waiting; waiting > 0 {
		reason := st.loader.Err
		if reason == nil {
			reason = errors.New("there was no time left to load them")
		}
		closed = errors.Join(fmt.Errorf("%w: %d rows wait in %s, and the same command loads them when it is run again: %w", errAway, waiting, s.dir, reason), closed)
	}
	return errors.Join(sealed, closed)
}

// drain is what Close does first.
func (s *stream) drain(ctx context.Context) (sealed error) {
	if !s.cfg.rereadable {
		sealed = s.spool.Seal("")
	}
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for !s.loader.Idle() && !s.givenUp() && !s.away() && ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-poll.C:
		}
	}
	return sealed
}

func (s *stream) givenUp() bool {
	st := s.loader.Stats()
	return s.cfg.patience > 0 && !st.Since.IsZero() && (st.Hopeless || time.Since(st.Since) > s.cfg.patience)
}

// longAway is how long a database has been away that the end of a stream with patience for ever does not wait for any more.
const longAway = 5 * time.Second

// away says whether the end need not wait for the database: what waits is loaded by the next start.
func (s *stream) away() bool {
	st := s.loader.Stats()
	return s.cfg.patience == 0 && !st.Since.IsZero() && (st.Hopeless || time.Since(st.Since) > longAway)
}

// upkeepEvery is how often the database is kept.
const upkeepEvery = time.Hour

// upkeep keeps the database: partitions ahead, retention, days that are over.
func (s *stream) upkeep(ctx context.Context) {
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		}
		if err := s.upkeepOnce(ctx); err != nil {
			next.Reset(time.Minute) // the loader says what is wrong with the database
			continue
		}
		next.Reset(upkeepEvery)
	}
}

func (s *stream) upkeepOnce(ctx context.Context) error {
	db, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	oldest := fmt.Sprintf("%016x", time.Now().UnixMicro())
	if sealed := s.spool.Sealed(); len(sealed) > 0 {
		oldest = min(oldest, fmt.Sprintf("%016x", sealed[0].Sequence))
	}
	report, err := db.Upkeep(ctx, s.cfg.sensor, oldest, store.ExpireConfig{Retention: s.cfg.retention, Version: version()})
	for _, d := range report.Dropped {
		s.cfg.log.Info().Str("kind", d.Kind).Time("day", d.Day).Int64("rows", d.Rows).Int64("bytes", d.Bytes).Int64("held", d.Kept).Msg("dropped what is older than the retention")
	}
	for _, d := range report.Finished {
		s.cfg.log.Info().Time("day", d.Day).Bool("summarized", d.Summarized).Int64("index_bytes_before", d.Before).Int64("index_bytes", d.After).Msg("finished a day that is over")
	}
	if err != nil && ctx.Err() == nil {
		s.cfg.log.Error().Err(err).Msg("the database's upkeep failed; it is tried again")
	}
	return err
}

// freeSpools lists the spools below base whose names begin with prefix and a number, and behind them one more.
func freeSpools(base, prefix string) (dirs []string) {
	for n := 0; ; n++ {
		dir := filepath.Join(base, fmt.Sprintf("%s-%d", prefix, n))
		dirs = append(dirs, dir)
		if _, err := os.Stat(dir); err != nil {
			return dirs
		}
	}
}
