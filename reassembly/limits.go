package reassembly

import "context"

// limits bound what connections hold, and decide which one goes if that is too much. Most often they are those of one
// Assembler; those of a Flows are common to its workers, so that it does not matter which worker has a connection.
type limits struct {
	maxConns int
	maxHeld  int64
	members  []*connLists
	pages    *pageAccount // of all members

	// lifted means that no limit can be reached at the moment. Then members do not look at each other, and may run at
	// the same time.
	lifted bool
}

// makeRoom enforces the limits after a segment of c:
//
//  1. Connections that have ended are forgotten, the one that ended first before others.
//  2. Of flights of more than maxUnacked octets the older part is dropped.
//  3. Holes are given up, the oldest first, and with them goes what was set aside, and long flights. That costs a
//     transaction a flag.
//  4. Open connections are given up, the one that is silent for longest first.
func (m *limits) makeRoom(c *conn) {
	if m.lifted || !m.over() { // nearly always
		return
	}
	for m.over() && m.evict((*connLists).oldestEnded, c) {
	}
	for m.holds() > m.maxHeld {
		l, victim := m.first(func(l *connLists) (place, bool) { return l.vast.front() })
		if l == nil {
			break
		}
		l.shared.stats.Steps++
		victim.c.cutFlights()
		l.update(victim.c)
	}
	for m.holds() > m.maxHeld {
		l, victim := m.first(func(l *connLists) (place, bool) { return l.keeping.front() })
		if l == nil {
			break
		}
		l.shared.stats.Steps++
		victim.c.letGo()
		l.update(victim.c)
	}
	for m.over() && m.evict((*connLists).oldestRecent, c) {
	}
}

// holds is what is held for all connections, in octets, with the memory that gopacket keeps for more.
func (m *limits) holds() int64 {
	held := m.pages.spare()
	for _, l := range m.members {
		held += l.held
	}
	return held
}

// conns is how many connections are remembered.
func (m *limits) conns() (n int) {
	for _, l := range m.members {
		n += l.recent.n + l.remembered()
	}
	return n
}

// over reports whether a limit is exceeded.
func (m *limits) over() bool { return m.holds() > m.maxHeld || m.conns() > m.maxConns }

// evict removes the oldest connection other than c, and reports whether there was one.
func (m *limits) evict(oldest func(*connLists, *conn) (place, bool), c *conn) bool {
	l, victim := m.first(func(l *connLists) (place, bool) { return oldest(l, c) })
	if l == nil {
		return false
	}
	if !victim.closed() {
		l.shared.stats.ConnsEvicted++
	}
	l.removeAt(victim, victim.closed() || victim.c.over())
	return true
}

// first returns, of the places that one returns of each member, the one that was taken first, and its member, nil if
// there is none.
func (m *limits) first(one func(*connLists) (place, bool)) (of *connLists, first place) {
	for _, l := range m.members {
		if at, ok := one(l); ok && (of == nil || at.since < first.since) {
			of, first = l, at
		}
	}
	return of, first
}

// close closes and forgets all connections in their order, until ctx ends. It returns how many it has left open. after
// is called after each of them.
func (m *limits) close(ctx context.Context, after func()) (abandoned int64) {
	oldestEnded := func(l *connLists) (place, bool) { return l.oldestEnded(nil) }
	for l, at := m.first(oldestEnded); l != nil && ctx.Err() == nil; l, at = m.first(oldestEnded) {
		l.removeAt(at, true)
		after()
	}
	oldestRecent := func(l *connLists) (place, bool) { return l.oldestRecent(nil) }
	for l, at := m.first(oldestRecent); l != nil && ctx.Err() == nil; l, at = m.first(oldestRecent) {
		l.shared.stats.Unfinished++
		l.removeAt(at, false)
		after()
	}
	for _, l := range m.members {
		abandoned += l.open()
	}
	return abandoned
}
