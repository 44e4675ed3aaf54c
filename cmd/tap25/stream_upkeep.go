package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tap25/store"
)

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
	for _, seg := range slices.Concat(s.spool.Sealed(), s.spool.Kept()) {
		oldest = min(oldest, fmt.Sprintf("%016x", seg.Sequence))
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
