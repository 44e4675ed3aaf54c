package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tap25/store"
)

// upkeepEvery is how often upkeep runs.
const upkeepEvery = time.Hour

// upkeep makes partitions ahead, enforces the retention, and finishes and packs days that are over.
func (s *Stream) upkeep(ctx context.Context) {
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		}
		if err := s.upkeepOnce(ctx); err != nil {
			next.Reset(time.Minute) // the loader logs what is wrong with the database
			continue
		}
		next.Reset(upkeepEvery)
	}
}

func (s *Stream) upkeepOnce(ctx context.Context) error {
	db, err := s.db.Connect(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	oldest := fmt.Sprintf("%016x", time.Now().UnixMicro())
	for _, seg := range slices.Concat(s.spool.Sealed(), s.spool.Kept()) {
		oldest = min(oldest, fmt.Sprintf("%016x", seg.Sequence))
	}
	report, err := db.Upkeep(ctx, s.cfg.Sensor, oldest,
		store.ExpireConfig{Retention: s.cfg.Retention, Version: s.cfg.Version, EndReaders: s.cfg.EndReaders,
			Signer: s.signer}, s.cfg.PackAfter)
	if report.Shorter {
		s.cfg.Log.Warn().Time("kept_from", report.Cutoff).
			Msg("the database stores a longer retention than --retention and keeps it: to store another, run 'tap25 " +
				"db expire --change-retention'")
	}
	for _, d := range report.Dropped {
		s.cfg.Log.Info().Str("kind", d.Kind).Time("day", d.Day).Int64("rows", d.Rows).Int64("bytes", d.Bytes).
			Int64("held", d.Kept).
			Msg("dropped rows that are older than the retention")
	}
	for _, u := range report.Ended {
		s.cfg.Log.Warn().Str("login", u.Login).Str("application", u.Application).
			Msg("ended a session that kept a day from being dropped")
	}
	for _, d := range report.Busy {
		for _, u := range d.Users {
			s.cfg.Log.Warn().Time("day", d.Day).Str("login", u.Login).Str("application", u.Application).
				Str("reason", u.Reason).
				Msg("a day is in use and cannot be dropped yet")
		}
	}
	for _, d := range report.Finished {
		s.cfg.Log.Info().Time("day", d.Day).Bool("summarized", d.Summarized).Int64("index_bytes_before", d.Before).
			Int64("index_bytes", d.After).
			Msg("finished a day that is over")
	}
	s.logPacked(report.Packed)
	if errors.Is(err, store.ErrPooled) {
		s.cfg.Log.Warn().Err(err).Msg("one step of the database's upkeep was skipped")
		return nil
	}
	if err != nil && ctx.Err() == nil {
		s.cfg.Log.Error().Err(err).Msg("the database's upkeep failed; tap25 will retry in a minute")
	}
	return err
}

func (s *Stream) logPacked(days []store.PackedDay) {
	for _, d := range days {
		if d.Busy != nil {
			s.cfg.Log.Info().Err(d.Busy).Time("day", d.Day).Msg("a day is in use and is packed later")
			continue
		}
		s.cfg.Log.Info().Time("day", d.Day).Int64("rows", d.Rows).Int64("bytes_before", d.Before).Int64("bytes", d.After).
			Dur("took", d.Took).Msg("packed a day")
	}
}
