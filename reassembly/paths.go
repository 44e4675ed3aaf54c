package reassembly

import (
	"encoding/binary"

	"tap25/reassembly/decode"
)

// Two connections may have the same addresses and ports, in two networks. Package decode hashes the tags and tunnels of
// a packet to its path. The path alone does not tell the connection, for the two directions of one may have other tags,
// and so may the second half of one: where a path is new, sequence and acknowledgment numbers decide. See locate.

// noPath stands for the path of a direction of which nothing was captured. That a path has this hash has a probability
// of 2^-63.
const noPath = ^uint64(0)

const (
	// maxPeers bounds the connections of one tuple that are looked at for a segment on a new path: the first and the
	// latest.
	maxPeers = 8
	// maxPaths bounds the further paths of a connection.
	maxPaths = 8
)

// onPath is a tuple on one path: a handshake is found by it.
type onPath struct {
	tuple tuple
	path  [8]byte
}

// via is what finds a connection that is not the first of its tuple, or whose segments come on further paths.
type via struct {
	onPath
	side byte
}

func viaOf(k tuple, side int, path uint64) (v via) {
	v.tuple, v.side = k, byte(side)
	binary.LittleEndian.PutUint64(v.path[:], path)
	return v
}

// handshake is where the half-open table has the handshake of a segment's connection.
func (g *segment) handshake() (k onPath) {
	k.tuple = g.key
	binary.LittleEndian.PutUint64(k.path[:], g.lane)
	return k
}

// on returns the connection for which segments of a side come on a path; first is one of its tuple.
func (l *connLists) on(first *conn, side int, path uint64) *conn {
	if first.paths[side] == path {
		return first
	}
	if len(l.others) == 0 {
		return nil
	}
	return l.others[viaOf(first.key, side, path)]
}

// lead lets on find a connection that is not the first of its tuple.
func (l *connLists) lead(c *conn) {
	for side, path := range c.paths {
		if path != noPath {
			l.others[viaOf(c.key, side, path)] = c
		}
	}
}

// learn notes that segments of a side come on a path.
func (l *connLists) learn(c *conn, side int, path uint64) {
	if c.paths[side] == noPath {
		if c.own().paths[side] = path; c.before != nil {
			l.lead(c)
		}
		return
	}
	v := viaOf(c.key, side, path)
	if len(c.more) == maxPaths {
		l.misplace(c, c.more[0])
		c.own().more = append(c.more[:0], c.more[1:]...)
	}
	c.own().more = append(c.more, v)
	l.others[v] = c
}

// misplace undoes lead and learn.
func (l *connLists) misplace(c *conn, v via) {
	if l.others[v] == c {
		delete(l.others, v)
	}
}

// forget lets nothing lead to a connection any more.
func (l *connLists) forget(c *conn) {
	if len(l.others) > 0 {
		for side, path := range c.paths {
			l.misplace(c, viaOf(c.key, side, path))
		}
		for _, v := range c.more {
			l.misplace(c, v)
		}
	}
	if c.after != nil {
		c.after.own().before = c.before
	}
	switch {
	case c.before != nil:
		c.before.own().after = c.after
	case c.after != nil:
		l.conns.put(c.after)
	default:
		l.conns.drop(&c.key)
	}
	c.odd = &nothingOdd
}

// removed reports that the connection was forgotten.
func (c *conn) removed() bool { return c.listed.in == nil && c.grave == 0 }

// locate finds the connection of a segment, nil if there is none yet. These are tried, in this order:
//
//  1. the one whose segments of the same side come on the segment's path;
//  2. the one whose other side's do, if nothing of this side was captured and the segment continues it: most networks
//     tag both directions alike;
//  3. a new one, if a SYN came on this path, or SYN and SYN-ACK, and they fit the segment;
//  4. one of the same tuple that the segment continues: its other direction has another tag, or, unless a handshake of
//     the segment's sender was seen on this path, it takes another way from now on, or the segment was mirrored in two
//     places;
//  5. that of 2, although the segment does not continue it;
//  6. a new one.
//
// A segment continues a connection if both its numbers are near those of the connection.
func (a *Assembler) locate(g *segment) *conn {
	c, first := a.lists.find(g)
	switch {
	case first == nil:
		g.lane = a.lane(g)
		return nil
	case c == nil, c.paths[g.side] != g.p.Path && !c.continues(g): // a further path of it may be that of others
		c = a.join(g, first)
	}
	if c != nil {
		g.lane = c.lane
	} else {
		g.lane = a.lane(g)
	}
	return c
}

// lane says where the half-open table has the handshake of a segment without a connection: by its path. But on the
// path of one direction of a connection, the other direction of another one may come. So a SYN-ACK that does not
// answer the SYN on its path is kept apart, with what follows it.
func (a *Assembler) lane(g *segment) uint64 {
	if g.p.Path == 0 || g.p.Flags&(decode.SYN|decode.ACK) == decode.SYN {
		return g.p.Path
	}
	g.lane = g.p.Path
	v, ok := a.halfOpen.get(g.handshake())
	if !ok || !v.syn[1-g.side] || g.p.Ack-v.isn[1-g.side]-1 < maxBehindSYN {
		return g.p.Path
	}
	return ^g.p.Path
}

// join finds the connection of a segment that comes on a path which is new for its side. first is one of its tuple.
func (a *Assembler) join(g *segment, first *conn) *conn {
	syn := g.p.Flags&(decode.SYN|decode.ACK) == decode.SYN
	found := a.lists.on(first, 1-g.side, g.p.Path)
	if found != nil && found.paths[g.side] != noPath {
		found = nil
	}
	if found != nil && (syn || found.continues(g)) {
		a.learn(found, g)
		return found
	}
	g.lane = g.p.Path
	begun, answered := a.begins(g)
	if found == nil && (syn || answered) {
		return nil
	}
	for c, n := first, 0; c != nil && n < maxPeers; c, n = c.after, n+1 {
		a.shared.stats.Steps++
		if c.continues(g) {
			if found = c; c.paths[g.side] == noPath {
				break
			}
		}
	}
	if found != nil && found.paths[g.side] != noPath && begun {
		return nil // it is not another way of found's, but the one on which a handshake of its own began
	}
	if found != nil {
		a.learn(found, g)
	}
	return found
}

// begins reports whether the sender of a segment began a handshake on the segment's path to which the segment belongs,
// and whether the other side's part of it was seen there, too.
func (a *Assembler) begins(g *segment) (begun, answered bool) {
	v, ok := a.halfOpen.get(g.handshake())
	if !ok {
		return false, false
	}
	other := v.seen[1-g.side] != 0
	if g.p.Flags&decode.SYN != 0 {
		return false, other && g.p.Ack == v.isn[1-g.side]+1
	}
	begun = v.seen[g.side] != 0 && v.fits(g.side, &g.p)
	return begun, begun && other
}

// continues reports whether a segment is near where both directions of a connection are.
func (c *conn) continues(g *segment) bool {
	p, dir := &g.p, c.direction(g.side)
	h, o := &c.half[dir], &c.half[1-dir]
	if !h.known {
		return false
	}
	off := h.offset(p.Seq + uint32(p.Flags&decode.SYN/decode.SYN))
	if p.Flags&decode.SYN != 0 && (h.next > 0 || h.seen && off != 0) {
		return false // a SYN-ACK of another connection: a server repeats its own only before it sends octets
	}
	if p.Flags&decode.ACK == 0 {
		return p.Flags&decode.RST != 0 && off == h.next
	}
	return h.near(off) && o.known && o.near(o.offset(p.Ack))
}

// learn notes the path of a segment for its connection. The first one of the client gives the network of the rows. If
// the SYN came on it alone, and the SYN-ACK was not captured, the beginning is known from now on.
func (a *Assembler) learn(c *conn, g *segment) {
	fresh, before := c.paths[g.side] == noPath, c.named
	a.lists.learn(c, g.side, g.p.Path)
	if !fresh || c.closed || c.direction(g.side) != 0 {
		return
	}
	if g.lane = g.p.Path; c.lane != g.lane {
		if v, ok := a.halfOpen.get(g.handshake()); ok && v.syn[g.side] && v.isn[g.side]+1 == c.half[0].base {
			a.halfOpen.take(g.handshake())
			c.named.number, c.named.exact = uint64(v.isn[g.side]), true
			c.dialogue.Begun()
		}
	}
	n := c.named
	if n.network = a.names.of(&g.p.Network); n != before {
		c.named = n
		c.dialogue.Rename(sessionID(g.p.Source(), g.p.Destination(), n), n.network)
	}
}

// names has the texts of networks, so that each is made once.
type names map[decode.Network]string

// maxNames bounds the networks whose texts are kept.
const maxNames = 4096

func (n names) of(network *decode.Network) string {
	if network.IsZero() {
		return ""
	}
	s, ok := n[*network]
	if !ok {
		if len(n) >= maxNames {
			clear(n)
		}
		s = network.String()
		n[*network] = s
	}
	return s
}
