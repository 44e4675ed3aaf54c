package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"tap25/cmd/tap25/confine"
	"tap25/cmd/tap25/report"
	"tap25/reassembly/smtp"
	"tap25/store"
	"tap25/store/spool"
	"tap25/store/stream"
)

// output is the destination of the rows.
type output struct {
	emit  func(*smtp.Envelope)        // from any worker
	idle  func()                      // no frame waits at the moment
	close func(context.Context) error // writes or loads the rows that are left

	report func() *report.Store // nil: standard output
	health func(time.Time) (notLive, notReady []string)
	spool  string                      // its directory, which only this user may read
	rights func(*confine.Rights) error // adds the rights that it needs
}

// openOutput opens standard output, on which a failed write ends the tap, or the stream to the database.
func openOutput(ctx context.Context, cmd *cobra.Command, s *sniffSettings, log zerolog.Logger, fail func(error)) (*output, error) {
	if s.json {
		out := report.NewRows(cmd.OutOrStdout(), fail)
		return &output{
			emit: out.Emit,
			idle: func() { _ = out.Flush() }, // rows keeps the error and calls fail
			close: func(context.Context) error {
				err := out.Flush()
				if n := out.Unwritten(); err != nil && n > 0 {
					err = fmt.Errorf("%w: %d rows are lost", err, n)
				}
				return err
			},
		}, nil
	}
	cfg := stream.Config{DSN: resolveDB(s.db), Limits: s.limits, Sensor: s.sensor, EndReaders: afterwards(s.endReaders), Version: version(),
		Log: log, Stderr: cmd.ErrOrStderr(), Waiting: tellWaiting(cmd.ErrOrStderr())}
	if s.spool != "" {
		cfg.Dirs = []string{s.spool}
	}
	if s.retention != "never" {
		cfg.Retention, _ = store.ParseRetention(s.retention) // checked
	}
	st, err := stream.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if st.Database().Cluster != nil { // start it while tap25 still has the rights that this takes
		db, err := st.Database().Connect(ctx)
		if err != nil {
			return nil, errors.Join(err, st.Close(ctx))
		}
		db.Close()
	}
	h := &loadHealth{}
	return &output{
		emit: st.Emit, idle: func() {}, close: st.Close, rights: func(r *confine.Rights) error { return addStream(r, st) }, spool: st.Dir(),
		health: func(now time.Time) (notLive, notReady []string) { return h.judge(now, st.Stats()) },
		report: func() *report.Store { return report.StoreOf(st.Stats()) },
	}, nil
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
