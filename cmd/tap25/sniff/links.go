package sniff

import (
	"context"
	"time"

	"tap25/capture"
)

// checkEvery is how often the interfaces are checked.
const checkEvery = time.Second

// checkLinks logs changes of the interfaces, and attaches to those that come back.
func (t *tap) checkLinks(ctx context.Context) {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		now := time.Now()
		t.checked.made(now)
		for _, w := range t.workers {
			w.turns.stuck(now) // which must be called each second
		}
		t.noteLosses(now)
		for _, c := range t.live.Check() {
			e := t.log.Warn()
			if c.Up && c.Err == nil {
				e = t.log.Info()
			}
			e.Str("interface", c.Name).Err(c.Err).Msg(describe(c))
			t.cutCoverage()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// noteLosses looks at what full rings have lost.
func (t *tap) noteLosses(now time.Time) {
	if stats, err := t.live.Stats(); err == nil { // notReady reports an error
		t.losses.note(t.log, frameCounts{at: now, seen: int64(stats.Seen()), full: int64(stats.Full())})
	}
}

func describe(c capture.LinkChange) string {
	switch {
	case c.Err != nil:
		return "the interface came back, but tap25 cannot attach to it: restart tap25"
	case c.Away:
		return "the interface is gone: waiting until it comes back"
	case c.Back:
		return "the interface came back: listening again"
	case c.Up:
		return "the interface is up"
	}
	return "the interface is down, or has no carrier"
}
