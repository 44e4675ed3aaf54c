package reassembly

import (
	"time"

	"tap25/reassembly/decode"
)

// segment is a TCP segment on its way to its connection.
type segment struct {
	t    time.Time
	p    decode.Packet
	key  tuple
	side int    // of its sender: 0 is the lower endpoint of key
	lane uint64 // conn.lane of its connection

	right      bool // checksums of others of its sender were right
	unverified bool // its checksum is wrong, though those were right
}

// begin makes ready for another segment. Decode fills in p, and locate key, side and lane.
func (g *segment) begin(t time.Time) { g.t, g.right, g.unverified = t, false, false }

// segment reads one TCP segment.
func (a *Assembler) segment(g *segment) {
	g.right = a.senders.note(&g.p)
	a.read(g)
}

// read reads one TCP segment, of whose sender it is known whether others were right. Its way is: locate;
// checksums.check; handshake; conn.arrives (RST, acceptable?); conn.receive (ACK, URG, FIN); conn.order (overlaps,
// holes); conn.deliver. Most go straight from the checksum to conn.deliver.
func (a *Assembler) read(g *segment) {
	stats := &a.shared.stats
	stats.PayloadBytes += int64(len(g.p.Payload))
	stats.CutBytes += int64(g.p.Missing)
	if g.p.Unseen {
		stats.UnseenBytes += int64(len(g.p.Payload))
	}
	if a.dec.Watches(g.p.DstPort) {
		stats.ToServers++
	} else {
		stats.FromServers++
	}
	c := a.locate(g)
	if a.behind && c != nil && a.overdue(c) {
		a.retire(place{c: c})
		c = nil
	}
	if !a.checks.check(g, c) {
		stats.IgnoredBytes += int64(len(g.p.Payload))
		return
	}
	if c != nil && a.straight(g, c) {
		a.current, a.side = c, g.side
		a.lists.went(c, len(g.p.Payload))
		return
	}
	if c = a.process(g, c); c == nil {
		return
	}
	others, another := c.confirmed()
	if !another {
		a.current, a.side = c, g.side
		a.lists.account(c)
		return
	}
	a.lists.remove(c, false)
	for i := range others {
		g := segment{t: others[i].t, p: others[i].p}
		if c = a.process(&g, a.locate(&g)); c != nil {
			a.lists.account(c)
		}
	}
}

// process reads a segment in its connection, which the first payload opens. It returns nil if there is none yet. c is
// the one that locate found.
func (a *Assembler) process(g *segment, c *conn) *conn {
	if c = a.handshake(g, c); c == nil {
		a.shared.stats.IgnoredBytes += int64(len(g.p.Payload))
		return nil
	}
	dir, belongs := c.direction(g.side), false
	if g.unverified {
		belongs = c.arrivesUnverified(g.t, dir, &g.p)
	} else {
		belongs = c.arrives(g.t, dir, &g.p)
	}
	if belongs {
		c.last = g.t
		c.hear(&g.p)
	}
	return c
}
