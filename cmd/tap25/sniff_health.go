package main

import (
	"sync"
	"sync/atomic"
	"time"
)

// stuckAfter is how long something that turns many times a second may stand still.
const stuckAfter = 20 * time.Second

// heartbeat is when something was last seen to get on.
type heartbeat struct{ at atomic.Int64 }

func (p *heartbeat) made(now time.Time) { p.at.Store(now.UnixNano()) }

func (p *heartbeat) stuck(now time.Time) bool { return now.UnixNano()-p.at.Load() > int64(stuckAfter) }

// turns counts what one goroutine gets on with, so often that it has no time for the clock. A batch may take as long as it
// likes: what counts is each part of it.
type turns struct {
	n atomic.Uint64

	mu   sync.Mutex
	seen uint64    // n at a look
	at   time.Time // of the first look that saw so many
}

func (p *turns) made() { p.n.Add(1) }

// stuck says whether nothing was made for stuckAfter, as far as the looks at it tell: there is one each second.
func (p *turns) stuck(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := p.n.Load(); n != p.seen || p.at.IsZero() {
		p.seen, p.at = n, now
	}
	return now.Sub(p.at) > stuckAfter
}

// notLive says what does not get on. A worker does with every frame, or every 2 ms without one.
func (t *tap) notLive(now time.Time) (list []string) {
	for _, w := range t.workers {
		if w.turns.stuck(now) {
			list = append(list, "a worker stands still")
		}
	}
	if t.checked.stuck(now) {
		list = append(list, "the interfaces are not looked after")
	}
	if t.out.health != nil {
		more, _ := t.out.health(now)
		list = append(list, more...)
	}
	return list
}

// notReady says why rows are not taken now as they should be, besides ailments.
func (t *tap) notReady() (list []string) {
	stats, err := t.live.Stats()
	if err != nil {
		return []string{"the counters cannot be read"}
	}
	for _, l := range stats.Links {
		switch {
		case l.Away:
			list = append(list, "interface "+l.Name+" is away")
		case !l.Up:
			list = append(list, "interface "+l.Name+" is down")
		}
	}
	if t.out.health != nil {
		_, more := t.out.health(time.Now())
		list = append(list, more...)
	}
	return list
}
