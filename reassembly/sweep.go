package reassembly

import "time"

const (
	// burst and burstBytes bound the connections that one frame ends, or whose holes it gives up, because they are due,
	// and what those hold: however many are due, frames and signals do not wait for all of them.
	burst      = 64
	burstBytes = 4 << 20
)

// Advance moves the packets' clock on if no frame comes: live, call it about once a second, so that holes and
// connections expire. A time before an earlier one changes nothing.
func (a *Assembler) Advance(t time.Time) {
	if t.After(a.shared.now) {
		a.shared.now = t
	}
	if a.behind {
		a.sweep()
		return
	}
	if a.shared.now.Sub(a.swept) < time.Second {
		return
	}
	a.swept = a.shared.now
	a.dec.Advance(a.shared.now)
	idle := a.halfOpen.expire(a.shared.now.Add(-a.cfg.Idle))
	a.shared.stats.HalfOpenIdle += idle
	a.shared.stats.Steps += idle
	a.sweep()
}

// sweep handles what is due, up to the bound for a frame, and notes whether there is more.
func (a *Assembler) sweep() {
	left, bytes := burst, int64(burstBytes)
	for _, c := range a.lists.holed.expire(a.swept, left) {
		left--
		a.shared.stats.Steps++
		bytes -= c.size
		c.expireHoles(a.shared.now)
		a.lists.update(c)
	}
	for _, l := range []*chain{&a.lists.ended, &a.lists.recent} {
		for c := l.last; c != nil && left > 0 && bytes > 0 && a.overdue(c); c = l.last {
			left--
			bytes -= c.size
			a.retire(c)
		}
	}
	a.behind = left <= 0 || bytes <= 0
}

// overdue reports whether the last sweep should have removed a connection: a segment for it begins another.
func (a *Assembler) overdue(c *conn) bool {
	if c.turn.in == &a.lists.ended {
		return a.swept.Sub(c.endedAt) >= lingering
	}
	return a.swept.Sub(c.last) >= a.cfg.Idle
}

// retire removes a connection that has ended long enough ago, or fallen silent.
func (a *Assembler) retire(c *conn) {
	ended := c.turn.in == &a.lists.ended
	if !ended {
		a.shared.stats.Idle++
	}
	a.lists.remove(c, ended)
}
