package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"tap25/reassembly/smtp"
	"tap25/store"
	"tap25/store/evidence"
	"tap25/store/spool"
)

// Config is how rows come to the database. The zero value of what is not given is that of live traffic: Emit never
// waits, segments are cut by count and age, and the database may be away for any time, also at the start.
type Config struct {
	DSN  string   // a connection string, or store.Local
	Dirs []string // of the spool: the first that no other process has; none: below SpoolBase, by the sensor's name
	// instead of Dirs, if many processes need a spool each: the first of Spools-0, Spools-1, … that is free
	Spools    string
	Limits    Limits
	Sensor    string
	Retention store.Retention // enforced hourly, if the database lets this user; zero: not
	PackAfter store.Retention // older days are packed, hourly; zero: none

	EndReaders time.Duration // see store.ExpireConfig

	Key     string // path of the private key that signs what is loaded; "": sensor.key in the state directory
	Witness string // path of a file that gets the heads of the chains, as the log does; "": none
	// URL of an authority (RFC 3161) that stamps what the witness gets; "": none
	Timestamp string

	Waits      bool          // Emit waits for room, and Seal alone cuts segments
	Rereadable bool          // what Seal has not sealed is dropped at the end, since the source gives it again
	Patience   time.Duration // the database must be there at the start, and may then be away this long; 0: for ever
	// if set, called once when Patience has ended, or when a row of a rereadable source was not spooled
	Fail func(error)

	Version string         // of tap25, for what the database records
	Log     zerolog.Logger // gets no address and nothing of a dialogue
	Stderr  io.Writer      // gets a line if the start has to wait for the database
	Waiting func()         // called if Close has to wait for others, see cluster.Cluster
}

// Stream is spool, loader and database. Its methods may be called by any goroutine, Close once.
type Stream struct {
	cfg    Config
	dir    string
	db     *store.Database
	spool  *spool.Spool
	loader *store.Loader
	append func(record []byte) error
	seal   func(key string) error

	late    context.Context // ends when the grace after an interruption is over
	stop    context.CancelFunc
	running sync.WaitGroup
	lost    atomic.Int64 // that the spool did not take and does not count
	covered atomic.Int64 // records of coverage
	covers  atomic.Int64 // the end of the last of them, in microseconds of Unix time
	left    atomic.Int64 // emitted after Discard
	discard atomic.Bool
	size    atomic.Int64 // of the database
	repeats int64        // records that the spool dropped at Open, because their source gives them again

	scopeNoted chan struct{} // holds one element after RecordScope

	signer      *store.Signer
	witness     *os.File // nil: none
	logged      map[string]evidence.Checkpoint
	unwitnessed Alarm
	unstamped   Alarm
}

// Stats are the counters of a stream. Emitted rows + Covered = Spool.Appended + Spool.Lost + Lost + Left.
type Stats struct {
	Spool   spool.Stats
	Loader  store.LoaderStats
	Lost    int64     // that the spool did not take, or held in memory at the end, when its disk took no more
	Left    int64     // rows left out after Discard
	Covered int64     // records of coverage that the spool took
	Covers  time.Time // the end of the latest of them; zero: there is none

	DatabaseBytes int64 // size of the database, asked each minute by streams without Patience; 0: not known
}

// Open opens the spool and begins to load what waits in it, until Close. With Config.Patience it first waits for the
// database. The end of ctx is an interruption: see Grace. The error is spool.ErrBusy if other processes have all the
// directories of the spool.
func Open(ctx context.Context, cfg Config) (_ *Stream, err error) {
	s := &Stream{cfg: cfg, late: GraceAfter(ctx), scopeNoted: make(chan struct{}, 1),
		logged: map[string]evidence.Checkpoint{}}
	if s.db, err = store.NewDatabase(cfg.DSN); err != nil {
		return nil, err
	}
	if s.db.Cluster != nil {
		s.db.Cluster.Waiting = cfg.Waiting
		s.db.Cluster.Unshared = func(reason error) { cfg.Log.Warn().Err(reason).Msg("auditors cannot connect") }
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.db.Release(ctx))
		}
	}()
	if cfg.Patience > 0 {
		if err := s.again(ctx, store.Passes, func(*store.DB) error { return nil }); err != nil {
			return nil, err
		}
	}
	if err := s.openSpool(); err != nil {
		return nil, err
	}
	if err := s.openSigner(); err != nil {
		return nil, errors.Join(err, s.spool.Close())
	}
	s.repeats = s.spool.Stats().Dropped
	interrupted := ctx
	ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx)) // what an interruption leaves whole is loaded still
	s.append, s.seal = s.spool.Append, s.spool.Seal
	if cfg.Waits {
		wait := interrupted
		if !cfg.Rereadable { // room may come at once; rows that find none are lost, and counted
			wait = s.late
		}
		s.append = func(record []byte) error { return s.spool.AppendWait(wait, record) }
		s.seal = func(key string) error { return s.sealWait(wait, key) }
	}
	s.loader = store.NewLoader(store.LoaderConfig{Spool: s.spool, Connect: s.db.Connect, Signer: s.signer,
		Idle: cfg.Patience == 0})
	s.running.Go(func() { s.loader.Run(ctx) })
	s.running.Go(func() { s.spool.Run(ctx) })
	s.running.Go(func() { s.watch(ctx) })
	if cfg.Patience == 0 {
		s.running.Go(func() { s.checkpoints(ctx) })
		s.running.Go(func() { s.upkeep(ctx) })
		s.running.Go(func() { s.recordScopes(ctx) })
		s.running.Go(func() { s.watchSize(ctx) })
	}
	return s, nil
}

// sayWaiting is how long a database that cannot be reached is waited for before a notice is printed.
const sayWaiting = time.Second

// Ask asks the database on a connection of its own. It retries while the patience lasts and waiting may help.
func (s *Stream) Ask(ctx context.Context, question func(*store.DB) error) error {
	return s.again(ctx, func(err error) bool { return !store.Hopeless(err) }, question)
}

// again calls question until it succeeds, an error is not worth a retry, or the patience is over. It prints a notice if
// the database cannot be reached.
func (s *Stream) again(ctx context.Context, worth func(error) bool, question func(*store.DB) error) error {
	said := false
	for begun := time.Now(); ; {
		db, err := s.db.Connect(ctx)
		away := err != nil
		if !away {
			err = question(db)
			db.Close()
		}
		if err == nil || !worth(err) {
			return err
		}
		switch waited := time.Since(begun); {
		case waited > s.cfg.Patience:
			return fmt.Errorf("%w; it was waited for (%s): when it answers, run the same command again", err, s.cfg.Patience)
		case away && waited > sayWaiting && !said:
			said = true
			fmt.Fprintf(s.cfg.Stderr, "tap25: waiting up to %s for the database: %v\n", s.cfg.Patience, err)
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Emit puts a row into the spool; any goroutine may call it. What the spool does not take is counted.
func (s *Stream) Emit(e *smtp.Envelope) {
	if s.discard.Load() {
		s.left.Add(1)
		return
	}
	var row [1024]byte
	s.Put(store.AppendRow(row[:0], e))
}

// Put spools a row as store.AppendRow makes it, as Emit does; Discard does not keep it out.
func (s *Stream) Put(record []byte) {
	err := s.append(record)
	switch {
	case err == nil || !s.cfg.Waits: // Append counts by itself
	case s.cfg.Rereadable && len(record) <= spool.MaxRecord: // interrupted, or the disk has lost what was not sealed
		s.Discard()
		s.left.Add(1)
		if s.cfg.Fail != nil {
			s.cfg.Fail(err)
		}
	default:
		s.lost.Add(1)
	}
}

// coverWithin is how long Cover waits for room.
const coverWithin = 200 * time.Millisecond

// Cover puts a record of coverage into the spool. If Emit waits for room, so does Cover. Else, if there is none for a
// moment, the error is [spool.ErrFull], and nothing is counted: the next record is to cover this one's time too.
func (s *Stream) Cover(c *store.Coverage) error {
	add := s.append
	if !s.cfg.Waits {
		ctx, cancel := context.WithTimeoutCause(context.Background(), coverWithin, spool.ErrFull)
		defer cancel()
		add = func(record []byte) error { return s.spool.AppendWait(ctx, record) }
	}
	if err := add(store.AppendCoverage(nil, c)); err != nil {
		return fmt.Errorf("record coverage: %w", err)
	}
	s.covered.Add(1)
	s.covers.Store(c.Before.UnixMicro())
	return nil
}

// Discard leaves out all rows from now on: the source will be read again.
func (s *Stream) Discard() { s.discard.Store(true) }

// Discards reports whether Discard was called, or a row of a rereadable source was not spooled.
func (s *Stream) Discards() bool { return s.discard.Load() }

// Seal seals the emitted rows under a key that names them. If Emit waits for room, so does Seal.
func (s *Stream) Seal(key string) error { return s.seal(key) }

// sealWait seals, and retries each second while the disk is full or fails and the patience lasts.
func (s *Stream) sealWait(ctx context.Context, key string) error {
	for begun := time.Now(); ; {
		err := s.spool.Seal(key)
		if err == nil || errors.Is(err, os.ErrClosed) || s.cfg.Patience > 0 && time.Since(begun) > s.cfg.Patience {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Second):
		}
	}
}

// Late returns a context that ends when the grace after an interruption is over.
func (s *Stream) Late() context.Context { return s.late }

// Sensor returns the name under which rows are loaded.
func (s *Stream) Sensor() string { return s.cfg.Sensor }

// Log returns the logger that the stream was opened with.
func (s *Stream) Log() *zerolog.Logger { return &s.cfg.Log }

// Dir returns the directory of the spool.
func (s *Stream) Dir() string { return s.dir }

// Database returns the way to the database.
func (s *Stream) Database() *store.Database { return s.db }

// Forget deletes loaded rows from the spool. If a failover loses them, the source gives them again.
func (s *Stream) Forget() { s.spool.Forget() }

// Stats returns the counters. What the end could not write is lost, unless the source can be read again.
func (s *Stream) Stats() Stats {
	// First what is counted last, so that rows that come meanwhile make no sum too small.
	st := Stats{Covered: s.covered.Load(), Spool: s.spool.Stats(), Loader: s.loader.Stats(), Lost: s.lost.Load(),
		Left: s.left.Load(), DatabaseBytes: s.size.Load()}
	if at := s.covers.Load(); st.Covered > 0 {
		st.Covers = time.UnixMicro(at).UTC()
	}
	if dropped := st.Spool.Dropped - s.repeats; !s.cfg.Rereadable {
		st.Spool.Appended -= dropped
		st.Spool.Dropped -= dropped
		st.Lost += dropped
	}
	return st
}
