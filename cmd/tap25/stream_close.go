package main

import (
	"context"
	"errors"
	"fmt"
	"time"
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
