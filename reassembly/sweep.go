package reassembly

import (
	"container/list"
	"time"
)

const (
	// burst and burstBytes bound the connections that one frame ends, or whose holes it gives up, because they are due, and
	// what those hold: however many are due, frames and signals do not wait for all of them.
	burst      = 64
	burstBytes = 4 << 20
)

// Advance moves the packets' clock on if no frame comes: live, call it about once a second, so that holes and connections
// expire. A time before an earlier one changes nothing.
func (a *Assembler) Advance(t time.Time) {
	if t.After(a.now) {
		a.now = t
	}
	if a.behind {
		a.sweep()
		return
	}
	if a.now.Sub(a.swept) < time.Second {
		return
	}
	a.swept = a.now
	a.dec.Advance(a.now)
	idle := a.halfOpen.expire(a.now.Add(-a.cfg.Idle))
	a.stats.HalfOpenIdle += idle
	a.stats.Steps += idle
	a.sweep()
}

// sweep handles what is due, up to the bound for a frame, and notes whether there is more.
func (a *Assembler) sweep() {
	left, bytes := burst, int64(burstBytes)
	for _, c := range a.holed.expire(a.swept, left) {
		left--
		a.stats.Steps++
		bytes -= c.size
		c.expireHoles(a.now)
		a.weigh(c)
	}
	for _, l := range []*list.List{a.ended, a.recent} {
		for e := l.Back(); e != nil && left > 0 && bytes > 0 && a.overdue(e.Value.(*conn)); e = l.Back() {
			left--
			bytes -= e.Value.(*conn).size
			a.retire(e.Value.(*conn))
		}
	}
	a.behind = left <= 0 || bytes <= 0
}

// overdue reports whether the last sweep should have removed a connection: a segment for it begins another.
func (a *Assembler) overdue(c *conn) bool {
	if c.list == a.ended {
		return a.swept.Sub(c.endedAt) >= lingering
	}
	return a.swept.Sub(c.last) >= a.cfg.Idle
}

// retire removes a connection that has ended long enough ago, or fallen silent.
func (a *Assembler) retire(c *conn) {
	ended := c.list == a.ended
	if !ended {
		a.stats.Idle++
	}
	a.remove(c, ended)
}
