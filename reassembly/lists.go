package reassembly

// connLists finds connections, and lists those that are to be looked at. Each connection is in its map, in one of the
// two lists of all, and in those of the others that its state calls for: see update.
type connLists struct {
	limits *limits
	shared *shared

	conns  flowTable[*conn] // one of each tuple that is not in a tomb; conn.after leads to its others
	others map[via]*conn    // those that conns and conn.paths do not lead to: see find
	latest *conn            // found last, unless it was removed

	recent chain // the one with the latest segment first
	ended  chain // closed or reset, the latest first, unless it is in a tomb
	graves *graves
	drowsy *conn // closed, the one of the latest segment, unless it was removed

	sleepless bool // for tests: there are no tombs

	// Those that need not be looked at otherwise. They stay in insertion order, so that the output is deterministic.
	holed   patient // with a hole
	keeping chain   // that hold bytes after a hole, aside, or of a long flight, the oldest first
	vast    chain   // that keep more of a flight than maxUnacked, the oldest first

	held int64 // octets, of all connections
}

func newConnLists(bounds *limits, below *shared) connLists {
	return connLists{
		limits: bounds, shared: below, others: map[via]*conn{}, graves: newGraves(),
		conns:   newFlowTable(func(c *conn) *tuple { return &c.key }),
		keeping: chain{link: func(c *conn) *link { return &c.keepLink }},
		vast:    chain{link: func(c *conn) *link { return &c.vastLink }},
	}
}

// find notes the tuple of a segment, and which side sent it. It returns the connection whose segments of that side come
// on the segment's path, nil if there is none, and one of the same tuple. Segments come in bursts, so the connection of
// the segment before is tried first.
func (l *connLists) find(g *segment) (c, first *conn) {
	g.identify()
	if c := l.latest; c != nil && c.key.is(&g.key) && c.paths[g.side] == g.p.Path {
		return c, c
	}
	if first = l.conns.get(&g.key); first == nil {
		first = l.wake(&g.key)
	}
	if first == nil {
		return nil, nil
	}
	if c = l.on(first, g.side, g.p.Path); c != nil && c.paths[g.side] == g.p.Path {
		l.latest = c
	}
	return c, first
}

// add takes in a new connection.
func (l *connLists) add(c *conn) {
	if first := l.conns.get(&c.key); first == nil {
		l.conns.put(c)
	} else {
		c.own().before, c.own().after = first, first.after
		if c.after != nil {
			c.after.own().before = c
		}
		first.own().after = c
		l.lead(c)
	}
	l.place(c, &l.recent)
}

// remove closes a connection and forgets it.
func (l *connLists) remove(c *conn, ended bool) {
	l.shared.stats.Steps++
	c.close(l.shared.now, ended)
	l.update(c)
	if c.grave != 0 {
		l.graves.remove(c.grave)
		c.grave = 0
	} else {
		c.listed.in.remove(c)
	}
	l.forget(c)
	if l.latest == c {
		l.latest = nil
	}
	if l.drowsy == c {
		l.drowsy = nil
	}
	l.held -= c.size
	c.size = 0
}

// open returns how many connections are not closed yet.
func (l *connLists) open() int64 {
	open := l.recent.n
	for c := l.ended.first; c != nil; c = c.listed.next {
		if !c.closed {
			open++
		}
	}
	return int64(open)
}

// account updates the places of a connection after a segment, and enforces the limits.
func (l *connLists) account(c *conn) {
	switch over := c.over(); {
	case over && !l.inEnded(c):
		l.place(c, &l.ended)
	case !over:
		l.place(c, &l.recent)
	}
	l.update(c)
	if c.closed && l.drowsy != c {
		l.rest()
		l.drowsy = c
	}
	l.limits.makeRoom(c)
}

// went does what account does after a segment of n octets that went straight.
func (l *connLists) went(c *conn, n int) {
	l.place(c, &l.recent)
	if n > 0 { // a bare acknowledgment changes nothing that update looks at
		l.update(c)
	}
	l.limits.makeRoom(c)
}

// place moves a connection to the front of one of the two lists of all.
func (l *connLists) place(c *conn, to *chain) {
	if to.first == c {
		c.listed.since = l.shared.stamp
		return
	}
	if c.listed.in != nil {
		c.listed.in.remove(c)
	}
	to.pushFront(c, l.shared.stamp)
}

// update adds a connection to the lists of those with holes, or with something to evict, or removes it from them, and
// takes account of what it holds.
func (l *connLists) update(c *conn) {
	if c.open != &l.shared.none {
		now := l.shared.stamp
		l.holed.await(c)
		if keeps := !c.closed && c.keeps(); keeps != (c.keepLink.in != nil) {
			l.keeping.enlist(c, now, keeps)
		}
		if vast := !c.closed && (c.half[0].vast() || c.half[1].vast()); vast != (c.vastLink.in != nil) {
			l.vast.enlist(c, now, vast)
		}
	}
	size := int64(c.heldBytes())
	l.held += size - c.size
	c.size = size
	if c.closed {
		l.shared.leave(c)
	}
}
