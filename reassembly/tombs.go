package reassembly

import (
	"math"
	"time"
)

// tomb is what is remembered of a connection that has ended, in 88 octets without a pointer: many more connections have
// ended within the last half minute than are open, and the garbage collector need not walk through them. If another
// segment comes for it, the connection is made from it again: see connLists.wake.
type tomb struct {
	last   int64 // conn.last, in nanoseconds since 1970
	since  stamp // conn.listed.since
	key    tuple // of the connection
	base   [2]uint32
	next   [2]uint32
	newer  grave // the tomb made after this one; 0: none
	older  grave
	ahead  [2]int8 // half.acked less half.next
	states uint16
}

// tomb.states; those of the server's direction are serverState bits further left.
const (
	tombKnown uint16 = 1 << iota
	tombSeen
	tombHeard
	tombRight // of the side of that number, not of the direction
	tombClientFirst
	tombRival

	serverState = 8
)

// grave is the place of a tomb; 0: none.
type grave uint32

// tombsAtOnce is how many tombs one allocation makes.
const tombsAtOnce = 512

// graves has the tombs in the order in which the connections ended.
type graves struct {
	table  flowTable[grave] // of those that sleep
	tombs  []*[tombsAtOnce]tomb
	unused grave // the first of a list by tomb.newer
	newest grave // the list of all
	oldest grave
	n      int             // of these
	awake  map[grave]*conn // connections that were made from their tombs again
}

func newGraves() *graves {
	g := &graves{awake: map[grave]*conn{}}
	g.table = newFlowTable(func(x grave) *tuple { return &g.at(x).key })
	return g
}

func (g *graves) at(x grave) *tomb { return &g.tombs[(x-1)/tombsAtOnce][(x-1)%tombsAtOnce] }

// add makes a tomb of a connection that ended after all others in tombs.
func (g *graves) add(since stamp) grave {
	if g.unused == 0 {
		first := grave(len(g.tombs)*tombsAtOnce + 1)
		g.tombs = append(g.tombs, new([tombsAtOnce]tomb))
		for x := first; x < first+tombsAtOnce; x++ {
			g.at(x).newer, g.unused = g.unused, x
		}
	}
	x := g.unused
	t := g.at(x)
	g.unused = t.newer
	if *t = (tomb{older: g.newest, since: since}); g.newest != 0 {
		g.at(g.newest).newer = x
	} else {
		g.oldest = x
	}
	g.newest = x
	g.n++
	return x
}

// remove forgets a tomb.
func (g *graves) remove(x grave) {
	t := g.at(x)
	if t.newer != 0 {
		g.at(t.newer).older = t.older
	} else {
		g.newest = t.older
	}
	if t.older != 0 {
		g.at(t.older).newer = t.newer
	} else {
		g.oldest = t.newer
	}
	t.newer, g.unused = g.unused, x
	g.n--
	delete(g.awake, x)
}

// oldestBut returns the oldest tomb that is not that of c.
func (g *graves) oldestBut(c *conn) grave {
	if c != nil && g.oldest != 0 && g.oldest == c.grave {
		return g.at(c.grave).newer
	}
	return g.oldest
}

// fitsTomb reports whether a tomb can hold all that is known of a connection.
func (c *conn) fitsTomb() bool {
	for d := range c.half {
		h := &c.half[d]
		if h.next < 0 || h.next > math.MaxUint32 || int64(int8(h.acked-h.next)) != h.acked-h.next {
			return false
		}
	}
	return c.last.Equal(time.Unix(0, c.last.UnixNano()))
}

// fill stores what is known of a connection.
func (t *tomb) fill(c *conn) {
	t.last, t.key = c.last.UnixNano(), c.key
	t.states = 0
	note := func(state uint16, is bool) {
		if is {
			t.states |= state
		}
	}
	note(tombClientFirst, c.clientFirst)
	note(tombRival, c.rival)
	for d := range c.half {
		h := &c.half[d]
		t.base[d], t.next[d], t.ahead[d] = h.base, uint32(h.next), int8(h.acked-h.next)
		note(tombKnown<<(d*serverState), h.known)
		note(tombSeen<<(d*serverState), h.seen)
		note(tombHeard<<(d*serverState), h.heard)
		note(tombRight<<(d*serverState), c.right[d])
	}
}

// restore gives a connection what fill has stored.
func (t *tomb) restore(c *conn) {
	c.key, c.last, c.size, c.closed, c.listed.since = t.key, time.Unix(0, t.last).UTC(), connSize, true, t.since
	c.clientFirst, c.rival = t.states&tombClientFirst != 0, t.states&tombRival != 0
	for d := range c.half {
		states := t.states >> (d * serverState)
		next := int64(t.next[d])
		c.half[d] = half{
			base: t.base[d], next: next, acked: next + int64(t.ahead[d]), flow: &noFlow,
			known: states&tombKnown != 0, seen: states&tombSeen != 0, heard: states&tombHeard != 0,
		}
		c.right[d] = states&tombRight != 0
	}
}

// wake makes the connection of a tuple from its tomb again, which keeps its place in the order. It returns nil if there
// is none.
func (l *connLists) wake(k *tuple) *conn {
	x := l.graves.table.get(k)
	if x == 0 {
		return nil
	}
	l.rest()
	c := l.shared.emptyConn()
	l.graves.at(x).restore(c)
	c.open, c.odd, c.grave = &l.shared.none, &nothingOdd, x
	l.graves.table.drop(&c.key)
	l.graves.awake[x] = c
	l.conns.put(c)
	l.drowsy = c
	return c
}

// rest puts drowsy into a tomb, if a tomb can hold all that is known of it, and takes back its memory. The tombs are in
// the order of the ends: if a connection that ended later has a tomb, one that has none gets none.
func (l *connLists) rest() {
	c, g := l.drowsy, l.graves
	l.drowsy = nil
	if c == nil || l.sleepless || c.removed() || c.odd != &nothingOdd || c.open != &l.shared.none || !c.fitsTomb() {
		return
	}
	x, since := c.grave, c.listed.since
	if x == 0 {
		if g.newest != 0 && g.at(g.newest).since > since {
			return
		}
		l.ended.remove(c)
		x = g.add(since)
	}
	g.at(x).fill(c)
	delete(g.awake, x)
	g.table.put(x)
	l.conns.drop(&c.key)
	if l.latest == c {
		l.latest = nil
	}
	l.shared.leaveConn(c)
}

// place is that of a connection in a list, or of its tomb, and since when it is there.
type place struct {
	c     *conn // nil: it is in its tomb
	x     grave
	since stamp
}

// closed reports whether the connection there is closed. One that is in a tomb is.
func (at place) closed() bool { return at.c == nil || at.c.closed }

// size is what it holds, in octets.
func (at place) size() int64 {
	if at.c == nil {
		return connSize
	}
	return at.c.size
}

// oldestEnded returns the connection other than c that was the first to end.
func (l *connLists) oldestEnded(c *conn) (at place, ok bool) {
	at, ok = l.ended.oldest(c)
	if x := l.graves.oldestBut(c); x != 0 {
		if since := l.graves.at(x).since; !ok || since < at.since {
			return place{c: l.graves.awake[x], x: x, since: since}, true
		}
	}
	return at, ok
}

// oldestRecent returns the connection other than c that has not ended and has been silent for longest.
func (l *connLists) oldestRecent(c *conn) (at place, ok bool) { return l.recent.oldest(c) }

// removeAt closes and forgets the connection at a place. One that is in a tomb is closed already.
func (l *connLists) removeAt(at place, ended bool) {
	if at.c != nil {
		l.remove(at.c, ended)
		return
	}
	l.shared.stats.Steps++
	l.graves.table.drop(&l.graves.at(at.x).key)
	l.graves.remove(at.x)
	l.held -= connSize
}

// inEnded reports whether a connection is among those that have ended.
func (l *connLists) inEnded(c *conn) bool { return c.listed.in == &l.ended || c.grave != 0 }

// remembered returns how many connections that have ended are not forgotten yet.
func (l *connLists) remembered() int { return l.ended.n + l.graves.n }
