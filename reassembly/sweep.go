package reassembly

import (
	"math"
	"time"
)

const (
	// burst and burstBytes bound the connections that one frame ends, or whose holes it gives up, because they are due,
	// and what those hold: however many are due, frames and signals do not wait for all of them.
	burst      = 64
	burstBytes = 4 << 20
)

// Advance moves the packets' clock on if no frame comes: live, call it about once a second, so that holes and
// connections expire. A time before an earlier one changes nothing.
func (a *Assembler) Advance(t time.Time) {
	a.shared.advance(t)
	switch {
	case a.behind:
		a.sweep()
	case a.shared.due():
		a.expire()
	}
}

// expire ends what is due.
func (a *Assembler) expire() {
	a.dec.Advance(a.shared.now)
	idle := a.halfOpen.expire(a.shared.stamp.before(a.cfg.Idle))
	a.shared.stats.HalfOpenIdle += idle
	a.shared.stats.Steps += idle
	a.sweep()
}

// sweep handles what is due, up to the bound for a frame, and notes whether there is more.
func (a *Assembler) sweep() {
	left, bytes := burst, int64(burstBytes)
	all := a.leisure != nil && a.leisure.Load()
	if all {
		left, bytes = math.MaxInt, math.MaxInt64
	}
	hurried := func() bool { return all && !a.leisure.Load() }
	a.shared.turn = turnHoles
	for _, c := range a.lists.holed.expire(a.shared.swept, left) {
		if hurried() {
			break // they will be closed soon
		}
		left--
		a.shared.stats.Steps++
		bytes -= c.size
		a.shared.since = c.hole.since
		c.expireHoles(a.shared.now)
		a.lists.update(c)
	}
	for _, oldest := range []func(*connLists, *conn) (place, bool){(*connLists).oldestEnded, (*connLists).oldestRecent} {
		a.shared.turn++
		for left > 0 && bytes > 0 && !hurried() {
			at, ok := oldest(&a.lists, nil)
			if !ok || !a.overdueSince(at.since, a.shared.turn == turnEnded) {
				break
			}
			left--
			bytes -= at.size()
			a.shared.since = at.since
			a.retire(at)
		}
	}
	a.shared.turn, a.shared.since = turnFrame, 0
	a.behind = left <= 0 || bytes <= 0 || hurried()
}

// overdue reports whether the last sweep should have removed a connection: a segment for it begins another.
func (a *Assembler) overdue(c *conn) bool { return a.overdueSince(c.listed.since, a.lists.inEnded(c)) }

// overdueSince reports the same of a connection that has had its place since then.
func (a *Assembler) overdueSince(since stamp, ended bool) bool {
	after := a.cfg.Idle
	if ended {
		after = lingering
	}
	return since <= a.shared.sweptAt.before(after)
}

// retire removes a connection that has ended long enough ago, or fallen silent.
func (a *Assembler) retire(at place) {
	ended := at.c == nil || a.lists.inEnded(at.c)
	if !ended {
		a.shared.stats.Idle++
	}
	a.lists.removeAt(at, ended)
}
