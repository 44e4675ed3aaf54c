package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"tap25/cmd/tap25/confine"
	"tap25/cmd/tap25/report"
	"tap25/reassembly/smtp"
	"tap25/store/spool"
	"tap25/store/stream"
)

// output is the destination of the rows.
type output interface {
	emit(*smtp.Envelope)         // from any worker
	idle()                       // no frame waits at the moment
	close(context.Context) error // writes or loads the rows that are left

	report() *report.Store // nil: none
	health(now time.Time) (notLive, notReady []string)
	spool() string                // directory that only this user may read; "": none
	rights(*confine.Rights) error // adds the rights that it needs
}

// openOutput opens standard output or the stream to the database. fail ends the tap: with the first write that fails.
func openOutput(ctx context.Context, cfg *sniffConfig, fail func(error)) (output, error) {
	if cfg.JSON {
		return &toStdout{report.NewRows(cfg.Stdout, fail)}, nil
	}
	to := stream.Config{DSN: cfg.DSN, Limits: cfg.Limits, Sensor: cfg.Assembler.Sensor, Retention: cfg.Retention, EndReaders: cfg.EndReaders,
		Version: cfg.Version, Log: cfg.Log, Stderr: cfg.Stderr, Waiting: cfg.Waiting}
	if cfg.Spool != "" {
		to.Dirs = []string{cfg.Spool}
	}
	s, err := stream.Open(ctx, to)
	if err != nil {
		return nil, err
	}
	if s.Database().Cluster != nil { // start it while tap25 still has the rights that this takes
		db, err := s.Database().Connect(ctx)
		if err != nil {
			return nil, errors.Join(err, s.Close(ctx))
		}
		db.Close()
	}
	return &toDatabase{stream: s}, nil
}

// toStdout writes rows to standard output, on which a failed write ends the tap.
type toStdout struct{ rows *report.Rows }

func (l *toStdout) emit(e *smtp.Envelope) { l.rows.Emit(e) }
func (l *toStdout) idle()                 { _ = l.rows.Flush() } // Rows keeps the error and calls fail

func (l *toStdout) close(context.Context) error {
	err := l.rows.Flush()
	if n := l.rows.Unwritten(); err != nil && n > 0 {
		err = fmt.Errorf("%w: %d rows are lost", err, n)
	}
	return err
}

func (l *toStdout) report() *report.Store                         { return nil }
func (l *toStdout) health(time.Time) (notLive, notReady []string) { return nil, nil }
func (l *toStdout) spool() string                                 { return "" }
func (l *toStdout) rights(*confine.Rights) error                  { return nil }

// toDatabase puts rows into a stream to the database.
type toDatabase struct {
	stream   *stream.Stream
	progress loadHealth
}

func (l *toDatabase) emit(e *smtp.Envelope)           { l.stream.Emit(e) }
func (l *toDatabase) idle()                           {}
func (l *toDatabase) close(ctx context.Context) error { return l.stream.Close(ctx) }
func (l *toDatabase) report() *report.Store           { return report.StoreOf(l.stream.Stats()) }
func (l *toDatabase) spool() string                   { return l.stream.Dir() }

func (l *toDatabase) health(now time.Time) (notLive, notReady []string) {
	return l.progress.judge(now, l.stream.Stats())
}

// loadStuck is how long segments may wait for a database that answers, without a row loaded. A slow load takes seconds.
const loadStuck = 5 * time.Minute

// loadHealth checks that loads make progress and that the spool accepts rows.
type loadHealth struct {
	mu     sync.Mutex
	loaded int64
	on     time.Time // when loads last made progress, or had nothing to do
	lost   int64
	full   time.Time
}

func (h *loadHealth) judge(now time.Time, s stream.Stats) (notLive, notReady []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	// A database that does not answer leaves tap25 live: the spool bridges the gap.
	loaded, waiting := s.Spool.Loaded+s.Spool.Reentered, s.Spool.Waiting+s.Spool.Reentering
	if loaded != h.loaded || waiting == 0 || s.Loader.Err != nil || h.on.IsZero() {
		h.loaded, h.on = loaded, now
	}
	if now.Sub(h.on) > loadStuck {
		notLive = append(notLive, "loads make no progress")
	}
	if lost := s.Spool.Lost + s.Lost; lost != h.lost {
		h.lost, h.full = lost, now
	}
	switch {
	case !h.full.IsZero() && now.Sub(h.full) < time.Minute:
		notReady = append(notReady, "the spool is full: rows are lost")
	case errors.Is(s.Spool.LastFault, spool.ErrFull):
		notReady = append(notReady, "the spool is full: rows wait in memory")
	case s.Spool.LastFault != nil:
		notReady = append(notReady, "the spool's disk fails: rows wait in memory")
	}
	return notLive, notReady
}
