package main

import (
	"context"
	"fmt"
	"time"
)

// watcher logs problems of a stream, and when they are over.
type watcher struct {
	s *stream

	failing, full, broken, short alarm
	failed, told                 bool

	lost, aside, damaged, left int64 // logged so far
	kept, reloaded             int64
}

// watch checks each second, and a last time at the end.
func (s *stream) watch(ctx context.Context) {
	w := &watcher{s: s}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			w.losses(s.Stats())
			return
		case <-tick.C:
		}
		st := s.Stats()
		w.database(st)
		w.disk(st)
		w.losses(st)
	}
}

func (w *watcher) database(st streamStats) {
	s := w.s
	if s.givenUp() && s.cfg.fail != nil && !w.told {
		s.cfg.fail(fmt.Errorf("%w: %w", errAway, st.loader.Err))
		w.told = true
	}
	// A reconnect that succeeds at once is not worth a line.
	fails := st.loader.Err != nil && time.Since(st.loader.Since) > 2*time.Second
	if w.failing.rings(fails) {
		s.cfg.log.Error().Err(st.loader.Err).Time("since", st.loader.Since).Int64("rows_waiting", st.spool.Waiting).
			Msg("rows cannot be loaded; they wait in the spool")
		w.failed = true
	} else if w.failed && st.loader.Err == nil {
		w.failed = false
		s.cfg.log.Info().Int64("rows_waiting", st.spool.Waiting).Msg("tap25 loads rows again")
	}
}

func (w *watcher) disk(st streamStats) {
	log := w.s.cfg.log
	if w.full.rings(st.spool.Lost > w.lost) {
		log.Error().Int64("rows_lost", st.spool.Lost).Int64("spool_bytes", st.spool.Bytes).
			Msg("the spool is full: rows are lost; make the database accept rows, or raise --spool-bytes")
	}
	w.lost = st.spool.Lost
	// Not for a replay: running it again adds missing rows.
	if w.s.cfg.patience == 0 && w.short.rings(st.spool.KeptShort > w.kept) {
		log.Warn().Int64("rows", st.spool.KeptShort-w.kept).
			Msg("loaded rows left the spool before --spool-keep because it needed the space: a failover may lose some of them")
		w.kept = st.spool.KeptShort
	}
	if w.broken.rings(st.spool.LastFault != nil) {
		log.Error().Err(st.spool.LastFault).Int64("rows_in_memory", st.spool.Buffered).
			Msg("tap25 cannot write to the spool; rows wait in memory")
	}
}

// losses logs rows that need attention, and rows that were loaded again.
func (w *watcher) losses(st streamStats) {
	log := w.s.cfg.log
	if n := st.loader.Reloaded - w.reloaded; n > 0 && st.spool.Reentering == 0 {
		log.Warn().Int64("rows", n).Msg("the database lost committed rows, as a failover can do; tap25 has loaded them again")
		w.reloaded = st.loader.Reloaded
	}
	if n := st.spool.SetAside - w.aside; n > 0 {
		log.Error().Int64("rows", n).Str("spool", w.s.dir).
			Msg("the database refused rows, which tap25 set aside; see 'tap25 spool ls' and 'tap25 spool dump FILE'")
	}
	damaged := st.spool.Damaged + st.spool.KeptDamaged
	if n := damaged - w.damaged; n > 0 {
		log.Error().Int64("rows", n).Str("spool", w.s.dir).
			Msg("rows were lost because files of the spool are damaged; tap25 keeps the damaged bytes there")
	}
	left := st.spool.Newer + st.spool.Unrecovered + st.loader.Unread
	if n := left - w.left; n > 0 {
		log.Error().Int64("files", n).Str("spool", w.s.dir).
			Msg("files of the spool cannot be read, or a newer tap25 wrote them: they stay where they are; see 'tap25 spool verify'")
	}
	w.aside, w.damaged, w.left = st.spool.SetAside, damaged, left
}

// alarm limits a message to one a minute.
type alarm struct{ last time.Time }

func (a *alarm) rings(on bool) bool {
	if !on || time.Since(a.last) < time.Minute {
		return false
	}
	a.last = time.Now()
	return true
}
