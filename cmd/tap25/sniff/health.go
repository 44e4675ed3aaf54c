package sniff

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"tap25/cmd/tap25/report"
	"tap25/store/spool"
	"tap25/store/stream"
)

// stuckAfter is how long a loop that runs many times a second may make no progress.
const stuckAfter = 20 * time.Second

// heartbeat is the time of the last progress of a loop.
type heartbeat struct{ at atomic.Int64 }

func (p *heartbeat) made(now time.Time) { p.at.Store(now.UnixNano()) }

func (p *heartbeat) stuck(now time.Time) bool { return now.UnixNano()-p.at.Load() > int64(stuckAfter) }

// turns counts the iterations of a loop that runs too often to read the clock. Every part of a batch counts, so that a
// long batch is not taken for a hang.
type turns struct {
	n atomic.Uint64

	mu   sync.Mutex
	seen uint64    // n at the last check
	at   time.Time // of the first check that found this n
}

func (p *turns) made() { p.n.Add(1) }

// stuck reports whether no iteration was made for stuckAfter. It must be called each second, since it compares n with
// the last call.
func (p *turns) stuck(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := p.n.Load(); n != p.seen || p.at.IsZero() {
		p.seen, p.at = n, now
	}
	return now.Sub(p.at) > stuckAfter
}

// notLive returns why tap25 makes no progress. A worker makes an iteration for every frame, and every 10 ms without one.
func (t *tap) notLive(now time.Time) (list []string) {
	for _, w := range t.workers {
		if w.turns.stuck(now) {
			list = append(list, "a worker makes no progress")
		}
	}
	if t.checked.stuck(now) {
		list = append(list, "the interfaces are not checked any more")
	}
	more, _ := t.out.health(now)
	return append(list, more...)
}

// notReady returns what else keeps frames or rows from being recorded now.
func (t *tap) notReady() (list []string) {
	stats, err := t.live.Stats()
	if err != nil {
		return []string{"the counters cannot be read"}
	}
	for _, l := range stats.Links {
		switch {
		case l.Away:
			list = append(list, "interface "+l.Name+" is gone")
		case !l.Up:
			list = append(list, "interface "+l.Name+" is down")
		}
	}
	if _, refusal := t.out.health(time.Now()); refusal != "" {
		list = append(list, refusal)
	}
	return list
}

// degraded returns what needs attention although it keeps no mail from being recorded. s is what the output reports.
func (t *tap) degraded(s *report.Store) []string {
	list := t.losses.degraded()
	if s != nil && s.Away {
		list = append(list, "the database does not accept rows: they wait in the spool")
	}
	return list
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

// judge returns why loads make no progress, and why the spool accepts no rows; "" if it does.
func (h *loadHealth) judge(now time.Time, s stream.Stats) (notLive []string, refusal string) {
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
		refusal = "the spool is full: rows are lost"
	case errors.Is(s.Spool.LastFault, spool.ErrFull):
		refusal = "the spool is full: rows wait in memory"
	case s.Spool.LastFault != nil:
		refusal = "the spool's disk fails: rows wait in memory"
	}
	return notLive, refusal
}
