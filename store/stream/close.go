package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"tap25/store"
	"tap25/store/numeral"
)

// ErrAway means that the database did not answer for too long, or refuses rows until somebody changes it or the
// configuration.
var ErrAway = errors.New("the database does not accept rows")

// ErrLost means that rows were still in memory at the end, because the spool had no room for them, and are lost.
var ErrLost = errors.New("rows are lost")

// Close seals the rows that are not sealed, unless their source can be read again, then loads all waiting rows until
// ctx or the patience ends, or the grace after an interruption. An error reports how many rows and records wait in
// which directory; it is ErrLost if rows are lost.
func (s *Stream) Close(ctx context.Context) error {
	ctx, done := until(ctx, s.late)
	defer done()
	sealed := s.Drain(ctx)
	st := s.Stats()
	before := st.Lost
	s.stop()
	s.running.Wait()
	signed := s.endSigning()
	closed := cmp.Or(s.spool.Close(), sealed)
	released := s.db.Release(ctx)
	after := s.Stats()
	if n := after.Lost - before; n > 0 {
		closed = fmt.Errorf("%w: %s rows and records of coverage were in memory, because the spool %s had no room for "+
			"them: %w", ErrLost, numeral.Grouped(n), s.dir, closed)
		s.cfg.Log.Error().Int64("rows_lost", n).Err(closed).Msg("the end has lost what was in memory")
	}
	if waiting := after.Spool.Waiting + after.Spool.Reentering + after.Spool.Open; waiting > 0 {
		reason := st.Loader.Err
		if reason == nil {
			reason = errors.New("there was no time to load them")
		}
		closed = errors.Join(closed, fmt.Errorf("%w: %s rows and records of coverage wait in %s; to load them, run "+
			"the same command again: %w", ErrAway, numeral.Grouped(waiting), s.dir, reason))
	}
	return errors.Join(closed, signed, released)
}

// Drain seals and loads as Close does, and keeps the stream open.
func (s *Stream) Drain(ctx context.Context) (sealed error) {
	if !s.cfg.Rereadable {
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

// Settled waits until the database has all waiting and kept rows, or the patience ends.
func (s *Stream) Settled(ctx context.Context) error {
	return s.Ask(ctx, func(db *store.DB) error { return s.lacks(ctx, db) })
}

// errLost means that another server has become the database and lacks rows. The loader loads them again.
var errLost = errors.New("the database has lost rows, and tap25 loads them again")

// lacks returns errLost if a database lacks rows that another connection has loaded.
func (s *Stream) lacks(ctx context.Context, db *store.DB) error {
	idle := s.loader.Idle()
	lost, err := db.Missing(ctx, s.spool.Kept())
	switch {
	case err != nil:
		return err
	case !idle || s.spool.Stats().Reentering > 0:
		return errLost
	case len(lost) > 0:
		s.loader.Recheck()
		return errLost
	}
	return nil
}

// standbysWithin is how long Confirm waits for the standbys of a pair.
const standbysWithin = 10 * time.Second

// ErrBehind means that a standby has not received all rows of the database.
var ErrBehind = errors.New("a standby has not received the last rows")

// standbysHave returns ErrBehind if a standby among the hosts of the URL lacks loaded rows.
func (s *Stream) standbysHave(ctx context.Context, db *store.DB) error {
	behind, err := db.Behind(ctx, s.db.DSN)
	if err == nil && behind > 0 {
		return ErrBehind
	}
	return err
}

// Confirm asks the database a question once it has all waiting and kept rows, again after each error until the patience
// ends. The error is ErrBehind if a standby still lacks rows after ten seconds: the answer stands, but a failover may
// lose it.
func (s *Stream) Confirm(ctx context.Context, question func(*store.DB) error) error {
	begun := time.Now()
	worth := func(err error) bool { return !errors.Is(err, ErrBehind) || time.Since(begun) < standbysWithin }
	return s.again(ctx, worth, func(db *store.DB) error {
		if err := s.lacks(ctx, db); err != nil { // after a failover, this server may lack rows that another one had
			return err
		}
		if err := question(db); err != nil {
			return err
		}
		return s.standbysHave(ctx, db)
	})
}

func (s *Stream) givenUp() bool {
	st := s.loader.Stats()
	return s.cfg.Patience > 0 && !st.Since.IsZero() && (st.Hopeless || time.Since(st.Since) > s.cfg.Patience)
}

// longAway is how long a database must not have answered for the end of a stream without limit of patience not to wait
// for it.
const longAway = 5 * time.Second

// away reports whether the end need not wait for the database, because the next start loads the waiting rows.
func (s *Stream) away() bool {
	st := s.loader.Stats()
	return s.cfg.Patience == 0 && !st.Since.IsZero() && (st.Hopeless || time.Since(st.Since) > longAway)
}
