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
	for m.over() && m.evict(endedOf, c) {
	}
	for m.holds() > m.maxHeld {
		l, victim := m.first(func(l *connLists) (*chain, *conn) { return &l.vast, l.vast.first })
		if victim == nil {
			break
		}
		l.shared.stats.Steps++
		victim.cutFlights()
		l.update(victim)
	}
	for m.holds() > m.maxHeld {
		l, victim := m.first(func(l *connLists) (*chain, *conn) { return &l.keeping, l.keeping.first })
		if victim == nil {
			break
		}
		l.shared.stats.Steps++
		victim.letGo()
		l.update(victim)
	}
	for m.over() && m.evict(recentOf, c) {
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
		n += l.recent.n + l.ended.n
	}
	return n
}

// over reports whether a limit is exceeded.
func (m *limits) over() bool { return m.holds() > m.maxHeld || m.conns() > m.maxConns }

// evict removes the last connection of a list other than c, and reports whether there was one.
func (m *limits) evict(from func(*connLists) *chain, c *conn) bool {
	l, victim := m.oldest(from, c)
	if victim == nil {
		return false
	}
	if !victim.closed {
		l.shared.stats.ConnsEvicted++
	}
	l.remove(victim, victim.over())
	return true
}

// first returns, of the connections that one returns of each member with their chain, the one that was put there first.
func (m *limits) first(one func(*connLists) (*chain, *conn)) (of *connLists, first *conn) {
	var since stamp
	for _, l := range m.members {
		in, c := one(l)
		if c == nil {
			continue
		}
		if at := in.of(c).since; first == nil || at < since {
			of, first, since = l, c, at
		}
	}
	return of, first
}

func endedOf(l *connLists) *chain  { return &l.ended }
func recentOf(l *connLists) *chain { return &l.recent }

// close closes and forgets all connections in their order, until ctx ends. It returns how many it has left open. after
// is called after each of them.
func (m *limits) close(ctx context.Context, after func()) (abandoned int64) {
	for l, c := m.oldest(endedOf, nil); c != nil && ctx.Err() == nil; l, c = m.oldest(endedOf, nil) {
		l.remove(c, true)
		after()
	}
	for l, c := m.oldest(recentOf, nil); c != nil && ctx.Err() == nil; l, c = m.oldest(recentOf, nil) {
		l.shared.stats.Unfinished++
		l.remove(c, false)
		after()
	}
	for _, l := range m.members {
		abandoned += l.open()
	}
	return abandoned
}

// oldest returns the last connection other than c of one of the two lists of all, nil if there is none.
func (m *limits) oldest(of func(*connLists) *chain, c *conn) (*connLists, *conn) {
	return m.first(func(l *connLists) (*chain, *conn) { return of(l), of(l).lastBut(c) })
}
