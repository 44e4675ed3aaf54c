package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tap25/store"
)

// errAway is a database that was away for too long, or that will not take rows before somebody has changed something.
var errAway = errors.New("the database takes no rows")

// Close seals what is unsealed, unless its source can be read again, loads all that waits, until ctx ends or the patience
// does, and ends. An error says what waits where.
func (s *stream) Close(ctx context.Context) error {
	sealed := s.drain(ctx)
	st := s.Stats()
	s.stop()
	s.running.Wait()
	closed := errors.Join(s.spool.Close(), s.db.Release())
	if after := s.spool.Stats(); after.Waiting+after.Reentering > 0 {
		reason := st.loader.Err
		if reason == nil {
			reason = errors.New("there was no time left to load them")
		}
		closed = errors.Join(fmt.Errorf("%w: %d rows wait in %s, and the same command loads them when it is run again: %w", errAway, after.Waiting+after.Reentering, s.dir, reason), closed)
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

// settled waits until the database has all that waits and all that is kept, as long as the patience lasts.
func (s *stream) settled(ctx context.Context) error {
	return s.ask(ctx, func(db *store.DB) error { return s.lacks(ctx, db) })
}

// errLost is a database that has taken the place of another and lacks rows, which the loader enters again.
var errLost = errors.New("the database has lost rows, which are entered again")

// lacks is errLost where a database lacks what another connection has loaded.
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

// errBehind is a standby that has not received all that the database has.
var errBehind = errors.New("a standby has not received the last rows")

// standbysHave is errBehind where a standby among the hosts of the URL lacks some of what is loaded.
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

// longAway is how long a database has been away that the end of a stream with patience for ever does not wait for any more.
const longAway = 5 * time.Second

// away says whether the end need not wait for the database: what waits is loaded by the next start.
func (s *stream) away() bool {
	st := s.loader.Stats()
	return s.cfg.patience == 0 && !st.Since.IsZero() && (st.Hopeless || time.Since(st.Since) > longAway)
}
