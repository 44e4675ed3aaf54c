package sniff

import (
	"context"
	"errors"
	"sync"
	"time"

	"tap25/capture"
	"tap25/cmd/tap25/report"
	"tap25/reassembly/smtp"
	"tap25/store/stream"
)

// Listen captures for a time, or until ctx ends, as sniff would, but drops the rows and leaves every frame to the host.
// It returns what was counted until the first frame and until the last. After an error before the first frame it
// returns no reports.
func Listen(ctx context.Context, s *Settings, d time.Duration) (before, after *report.Report, err error) {
	rings, cfg := s.live(), s.Assembler
	rings.Inline = true
	cfg.Emit = func(*smtp.Envelope) {}
	live, err := capture.OpenLive(rings)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, live.Close()) }()
	workers := newWorkers(live, cfg, func() {})
	before = &report.Report{At: time.Now()}
	err = readFor(ctx, d, live, workers)
	after = reportOf(live, workers)
	after.At = time.Now()
	return before, after, err
}

// readFor reads the rings for a time, then empties them.
func readFor(ctx context.Context, d time.Duration, live *capture.Live, workers []*worker) error {
	late := stream.GraceAfter(ctx)
	var running sync.WaitGroup
	errs := make([]error, len(workers))
	for i, w := range workers {
		running.Go(func() { errs[i] = w.run(late) })
	}
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	<-ctx.Done()
	err := live.Stop()
	running.Wait()
	return errors.Join(append(errs, err)...)
}
