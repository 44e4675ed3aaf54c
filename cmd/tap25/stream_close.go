package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tap25/store"
)

// errAway means that the database did not answer for too long, or refuses rows until somebody changes something.
var errAway = errors.New("the database does not accept rows")

// Close seals the rows that are not sealed, unless their source can be read again, then loads all waiting rows until ctx or the
// patience ends, or a moment after an interruption. An error reports how many rows wait in which directory.
func (s *stream) Close(ctx context.Context) error {
	ctx, done := until(ctx, s.late)
	defer done()
	sealed := s.drain(ctx)
	st := s.Stats()
	s.stop()
	s.running.Wait()
	closed := errors.Join(s.spool.Close(), s.db.Release(ctx))
	if after := s.spool.Stats(); after.Waiting+after.Reentering > 0 {
		reason := st.loader.Err
		if reason == nil {
			reason = errors.New("there was no time to load them")
		}
		closed = errors.Join(fmt.Errorf("%w: %d rows wait in %s; to load them, run the same command again: %w",
			errAway, after.Waiting+after.Reentering, s.dir, reason), closed)
	}
	return errors.Join(sealed, closed)
}

// drain seals and loads, as Close says.
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

// settled waits until the database has all waiting and kept rows, or the patience ends.
func (s *stream) settled(ctx context.Context) error {
	return s.ask(ctx, func(db *store.DB) error { return s.lacks(ctx, db) })
}

// errLost means that another server has become the database and lacks rows. The loader loads them again.
var errLost = errors.New("the database has lost rows, and tap25 loads them again")

// lacks returns errLost if a database lacks rows that another connection has loaded.
func (s *stream) lacks(ctx context.Context, db *store.DB) error {
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

// standbysWithin is how long the end of a replay waits for the standbys of a pair.
const standbysWithin = 10 * time.Second

// errBehind means that a standby has not received all rows of the database.
var errBehind = errors.New("a standby has not received the last rows")

// standbysHave returns errBehind if a standby among the hosts of the URL lacks loaded rows.
func (s *stream) standbysHave(ctx context.Context, db *store.DB) error {
	behind, err := db.Behind(ctx, s.db.DSN)
	if err == nil && behind > 0 {
		return errBehind
	}
	return err
}

func (s *stream) givenUp() bool {
	st := s.loader.Stats()
	return s.cfg.patience > 0 && !st.Since.IsZero() && (st.Hopeless || time.Since(st.Since) > s.cfg.patience)
}

// longAway is how long a database must not have answered for the end of a stream without limit of patience not to wait for it.
const longAway = 5 * time.Second

// away reports whether the end need not wait for the database, because the next start loads the waiting rows.
func (s *stream) away() bool {
	st := s.loader.Stats()
	return s.cfg.patience == 0 && !st.Since.IsZero() && (st.Hopeless || time.Since(st.Since) > longAway)
}
