package main

import (
	"sync"
	"sync/atomic"
	"time"
)

// stuckAfter is how long a loop that runs many times a second may make no progress.
const stuckAfter = 20 * time.Second

// heartbeat is the time of the last progress of a loop.
type heartbeat struct{ at atomic.Int64 }

func (p *heartbeat) made(now time.Time) { p.at.Store(now.UnixNano()) }

func (p *heartbeat) stuck(now time.Time) bool { return now.UnixNano()-p.at.Load() > int64(stuckAfter) }

// turns counts the iterations of a loop that runs too often to read the clock. Every part of a batch counts, so that a long batch
// is not taken for a hang.
type turns struct {
	n atomic.Uint64

	mu   sync.Mutex
	seen uint64    // n at the last check
	at   time.Time // of the first check that found this n
}

func (p *turns) made() { p.n.Add(1) }

// stuck reports whether no iteration was made for stuckAfter. It must be called each second, since it compares n with the last call.
func (p *turns) stuck(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := p.n.Load(); n != p.seen || p.at.IsZero() {
		p.seen, p.at = n, now
	}
	return now.Sub(p.at) > stuckAfter
}

// notLive returns why tap25 makes no progress. A worker makes an iteration for every frame, and every 2 ms without one.
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
	_, more := t.out.health(time.Now())
	return append(list, more...)
}
