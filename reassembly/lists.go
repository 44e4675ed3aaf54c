package reassembly

import (
	"container/list"
	"net/netip"
)

// connLists finds connections, and lists those that are to be looked at. Each connection is in its map, in one of the
// two lists of all, and in those of the others that its state calls for: see update.
type connLists struct {
	limits *limits
	shared *shared

	conns  map[tuple]*conn   // one of each tuple; conn.after leads to its others
	others map[via]*conn     // those that conns and conn.paths do not lead to: see find
	latest *conn             // found last, unless it was removed
	ends   [2]netip.AddrPort // source and destination of the segment that it was found for
	side   int               // of its sender

	recent *list.List // of *conn, the one with the latest segment in front
	ended  *list.List // of *conn, closed or reset, the latest in front

	// Those that need not be looked at otherwise. They stay in insertion order, so that the output is deterministic.
	holed   patient    // with a hole
	keeping *list.List // of *conn that hold bytes after a hole, aside, or of a long flight, the oldest in front
	vast    *list.List // of *conn that keep more of a flight than maxUnacked, the oldest in front

	held int64 // octets, of all connections
}

// places is where a connection is in connLists, which alone changes it.
type places struct {
	list       *list.List // recent or ended
	element    *list.Element
	since      stamp // when it was put in front of that list
	hole       wait
	keeps      *list.Element // nil if there is nothing to evict
	keepsSince stamp
	vast       *list.Element // nil if no flight is that long
	vastSince  stamp
	size       int64 // octets of it that are in connLists.held
}

func newConnLists(bounds *limits, below *shared) connLists {
	return connLists{
		limits: bounds, shared: below, conns: map[tuple]*conn{}, others: map[via]*conn{},
		recent: list.New(), ended: list.New(), keeping: list.New(), vast: list.New(),
	}
}

// find notes the tuple of a segment, and which side sent it. It returns the connection whose segments of that side come
// on the segment's path, nil if there is none, and one of the same tuple. Segments come in bursts, so the connection of
// the segment before is tried first.
func (l *connLists) find(g *segment) (c, first *conn) {
	if c := l.latest; c != nil {
		side := l.side
		switch {
		case g.p.Src == l.ends[0] && g.p.Dst == l.ends[1]:
		case g.p.Src == l.ends[1] && g.p.Dst == l.ends[0]:
			side = 1 - side
		default:
			side = -1
		}
		if side >= 0 && c.paths[side] == g.p.Path {
			g.key, g.side = c.key, side
			return c, c
		}
	}
	g.key, g.side = tupleOf(&g.p)
	if first = l.conns[g.key]; first == nil {
		return nil, nil
	}
	if c = l.on(first, g.side, g.p.Path); c != nil && c.paths[g.side] == g.p.Path {
		l.latest, l.ends, l.side = c, [2]netip.AddrPort{g.p.Src, g.p.Dst}, g.side
	}
	return c, first
}

// add takes in a new connection.
func (l *connLists) add(c *conn) {
	if first := l.conns[c.key]; first == nil {
		l.conns[c.key] = c
	} else {
		c.before, c.after = first, first.after
		if c.after != nil {
			c.after.before = c
		}
		first.after = c
		l.lead(c)
	}
	l.place(c, l.recent)
}

// remove closes a connection and forgets it.
func (l *connLists) remove(c *conn, ended bool) {
	l.shared.stats.Steps++
	c.close(l.shared.now, ended)
	l.update(c)
	c.places.list.Remove(c.places.element)
	c.places.list = nil
	l.forget(c)
	if l.latest == c {
		l.latest = nil
	}
	l.held -= c.places.size
	c.places.size = 0
}

// open returns how many connections are not closed yet.
func (l *connLists) open() int64 {
	open := l.recent.Len()
	for e := l.ended.Front(); e != nil; e = e.Next() {
		if !e.Value.(*conn).closed {
			open++
		}
	}
	return int64(open)
}

// account updates the places of a connection after a segment, and enforces the limits.
func (l *connLists) account(c *conn) {
	switch over := c.over(); {
	case over && c.places.list != l.ended:
		l.place(c, l.ended)
	case !over:
		l.place(c, l.recent)
	}
	l.update(c)
	l.limits.makeRoom(c)
}

// lastBut returns the last connection of a list other than c, nil if there is none.
func lastBut(of *list.List, c *conn) *conn {
	e := of.Back()
	if e != nil && e.Value.(*conn) == c {
		e = e.Prev()
	}
	if e == nil {
		return nil
	}
	return e.Value.(*conn)
}

func (l *connLists) endedList() *list.List  { return l.ended }
func (l *connLists) recentList() *list.List { return l.recent }

// vastOne and keepingOne return the connection that has been in that list for longest.
func (l *connLists) vastOne() *conn    { return front(l.vast) }
func (l *connLists) keepingOne() *conn { return front(l.keeping) }

func front(of *list.List) *conn {
	if e := of.Front(); e != nil {
		return e.Value.(*conn)
	}
	return nil
}

// place moves a connection to the front of one of the two lists of all.
func (l *connLists) place(c *conn, to *list.List) {
	at := &c.places
	at.since = l.shared.stamp
	if at.list == to {
		to.MoveToFront(at.element)
		return
	}
	if at.list != nil {
		at.list.Remove(at.element)
	}
	at.list, at.element = to, to.PushFront(c)
}

// update adds a connection to the lists of those with holes, or with something to evict, or removes it from them, and
// takes account of what it holds.
func (l *connLists) update(c *conn) {
	at := &c.places
	l.holed.await(c)
	l.enlist(l.keeping, &at.keeps, &at.keepsSince, c, !c.closed && c.keeps())
	l.enlist(l.vast, &at.vast, &at.vastSince, c, !c.closed && (c.half[0].vast() || c.half[1].vast()))
	size := int64(c.heldBytes())
	l.held += size - at.size
	at.size = size
}

// enlist appends a connection to a list, or removes it. e is its element there, nil if it has none.
func (l *connLists) enlist(to *list.List, e **list.Element, since *stamp, c *conn, in bool) {
	switch {
	case in && *e == nil:
		*e, *since = to.PushBack(c), l.shared.stamp
	case !in && *e != nil:
		to.Remove(*e)
		*e = nil
	}
}
