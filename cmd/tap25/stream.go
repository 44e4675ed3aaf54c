package main

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
	"tap25/store/spool"
)

// streamConfig is how rows come to the database. The zero value of the flags is that of live traffic: Emit never waits,
// segments are cut by count and age, and the database may be away for any time, also at the start.
type streamConfig struct {
	db        string   // --db
	dirs      []string // of the spool: the first that no other process has; none: below the state directory, by the sensor's name
	spools    string   // instead of dirs, where many processes need a spool each: the first of spools-0, spools-1, … that is free
	limits    spoolLimits
	sensor    string
	retention store.Retention // enforced hourly, where the database lets this user; zero: not

	endReaders time.Duration // see store.ExpireConfig

	waits      bool          // Emit waits for room
	rereadable bool          // what Seal has not sealed is dropped at the end, since the source gives it again
	patience   time.Duration // the database must be there at the start, and may then be away this long; 0: for ever
	fail       func(error)   // told once when the patience has ended

	log    zerolog.Logger
	stderr io.Writer
}

// stream is spool, loader and database.
type stream struct {
	cfg    streamConfig
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
	s := &stream{cfg: cfg, late: graceAfter(ctx)}
	if s.db, err = newDatabase(cfg.db, cfg.stderr); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.db.Release(ctx))
		}
	}()
	if cfg.patience > 0 {
		if err := s.again(ctx, s.passes(), func(*store.DB) error { return nil }); err != nil {
			return nil, err
		}
	}
	if err := s.openSpool(); err != nil {
		return nil, err
	}
	interrupted := ctx
	ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx)) // what an interruption leaves whole is loaded still
	s.append, s.seal = s.spool.Append, s.spool.Seal
	if cfg.waits {
		wait := interrupted
		if !cfg.rereadable { // room may come at once; rows that find none are lost, and counted
			wait = s.late
		}
		s.append = func(record []byte) error { return s.spool.AppendWait(wait, record) }
		s.seal = func(key string) error { return s.sealWait(wait, key) }
	}
	s.loader = store.NewLoader(store.LoaderConfig{Spool: s.spool, Connect: s.db.Connect})
	s.running.Go(func() { s.loader.Run(ctx) })
	s.running.Go(func() { s.spool.Run(ctx) })
	s.running.Go(func() { s.watch(ctx) })
	if cfg.patience == 0 {
		s.running.Go(func() { s.upkeep(ctx) })
	}
	return s, nil
}

// sayWaiting is how long the beginning waits for the database before it says so.
const sayWaiting = 3 * time.Second

// passes tells whether the database may answer yet without anybody's doing; once, after a while, it tells the user too.
func (s *stream) passes() func(error) bool {
	begun, said := time.Now(), false
	return func(err error) bool {
		if !store.Passes(err) {
			return false
		}
		if time.Since(begun) > sayWaiting && !said {
			fmt.Fprintf(s.cfg.stderr, "tap25: waiting up to %s for the database: %v\n", s.cfg.patience, err)
			said = true
		}
		return true
	}
}

// ask asks the database, on a connection of its own, again while the patience lasts and waiting may help.
func (s *stream) ask(ctx context.Context, question func(*store.DB) error) error {
	return s.again(ctx, func(err error) bool { return !store.Hopeless(err) }, question)
}

// again asks again after each error that is worth it, while the patience lasts.
func (s *stream) again(ctx context.Context, worth func(error) bool, question func(*store.DB) error) error {
	for begun := time.Now(); ; {
		db, err := s.db.Connect(ctx)
		if err == nil {
			err = question(db)
			db.Close()
		}
		if err == nil || !worth(err) || time.Since(begun) > s.cfg.patience {
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
