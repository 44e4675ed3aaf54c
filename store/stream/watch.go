package stream

import (
	"context"
	"fmt"
	"time"
)

// watcher logs problems of a stream, and when they are over.
type watcher struct {
	s *Stream

	failing, full, broken, short Alarm
	failed, told                 bool

	lost, aside, damaged, left int64 // logged so far
	kept, reloaded             int64
}

// watch checks each second, and a last time at the end.
func (s *Stream) watch(ctx context.Context) {
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

func (w *watcher) database(st Stats) {
	s := w.s
	if s.givenUp() && s.cfg.Fail != nil && !w.told {
		s.cfg.Fail(fmt.Errorf("%w: %w", ErrAway, st.Loader.Err))
		w.told = true
	}
	// A reconnect that succeeds at once is not worth a line.
	fails := st.Loader.Err != nil && time.Since(st.Loader.Since) > 2*time.Second
	if w.failing.Rings(fails) {
		said := "rows cannot be loaded; they wait in the spool"
		if st.Spool.Waiting == 0 {
			said = "the database does not accept rows: those to come will wait in the spool"
		}
		line := s.cfg.Log.Error().Err(st.Loader.Err).Time("since", st.Loader.Since).
			Int64("rows_waiting", st.Spool.Waiting)
		if s.cfg.Patience > 0 {
			line.Stringer("waits_up_to", s.cfg.Patience)
		}
		line.Msg(said)
		w.failed = true
	} else if w.failed && st.Loader.Err == nil {
		w.failed = false
		s.cfg.Log.Info().Int64("rows_waiting", st.Spool.Waiting).Msg("the database accepts rows again")
	}
}

func (w *watcher) disk(st Stats) {
	log := w.s.cfg.Log
	if w.full.Rings(st.Spool.Lost > w.lost) {
		log.Error().AnErr("error", st.Spool.LastFault).Int64("rows_lost", st.Spool.Lost).
			Int64("spool_bytes", st.Spool.Bytes).
			Msg("rows are lost: make the database accept rows, or make room for the spool, on its disk or by " +
				"--spool-bytes")
	}
	w.lost = st.Spool.Lost
	// Not for a replay: running it again adds missing rows.
	if w.s.cfg.Patience == 0 && w.short.Rings(st.Spool.KeptShort > w.kept) {
		log.Warn().Int64("rows", st.Spool.KeptShort-w.kept).
			Msg("loaded rows left the spool before --spool-keep because it needed the space: a failover may lose " +
				"some of them")
		w.kept = st.Spool.KeptShort
	}
	if w.broken.Rings(st.Spool.LastFault != nil) {
		log.Error().Err(st.Spool.LastFault).Int64("rows_in_memory", st.Spool.Buffered).
			Msg("tap25 cannot write to the spool; rows wait in memory")
	}
}

// losses logs rows that need attention, and rows that were loaded again.
func (w *watcher) losses(st Stats) {
	log := w.s.cfg.Log
	if n := st.Loader.Reloaded - w.reloaded; n > 0 && st.Spool.Reentering == 0 {
		log.Warn().Int64("rows", n).Msg("the database lost committed rows, as a failover can do; tap25 has loaded " +
			"them again")
		w.reloaded = st.Loader.Reloaded
	}
	if n := st.Spool.SetAside - w.aside; n > 0 {
		log.Error().Int64("rows", n).Str("spool", w.s.dir).
			Msg("the database refused rows, which tap25 set aside; see 'tap25 spool ls' and 'tap25 spool dump FILE'")
	}
	damaged := st.Spool.Damaged + st.Spool.KeptDamaged
	if n := damaged - w.damaged; n > 0 {
		log.Error().Int64("rows", n).Str("spool", w.s.dir).
			Msg("rows were lost because files of the spool are damaged; tap25 keeps the damaged bytes there")
	}
	left := st.Spool.Newer + st.Spool.Unrecovered + st.Loader.Unread
	if n := left - w.left; n > 0 {
		log.Error().Int64("files", n).Str("spool", w.s.dir).
			Msg("files of the spool cannot be read, or a newer tap25 wrote them: they stay where they are; see " +
				"'tap25 spool verify'")
	}
	w.aside, w.damaged, w.left = st.Spool.SetAside, damaged, left
}

// Alarm limits a message to one a minute.
type Alarm struct{ last time.Time }

// Rings reports whether to log now. It is for one goroutine.
func (a *Alarm) Rings(on bool) bool {
	if !on || time.Since(a.last) < time.Minute {
		return false
	}
	a.last = time.Now()
	return true
}
