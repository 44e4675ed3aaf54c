package reassembly

import (
	"net/netip"

	"tap25/reassembly/decode"
	"tap25/reassembly/smtp"
)

// handshake returns the connection that a segment belongs to, nil if there is none yet: the first payload opens it. c
// is the one that locate found.
func (a *Assembler) handshake(g *segment, c *conn) *conn {
	if g.unverified && (c == nil || g.p.Flags&decode.SYN != 0) {
		return a.handshakeUnverified(g, c)
	}
	if g.p.Flags&decode.SYN != 0 {
		old := c
		if c = a.syn(g, c); c == nil && (len(g.p.Payload) == 0 || old != nil && !old.removed()) {
			return nil
		}
		g.p.Seq++ // the SYN counts one; data with it comes after (TCP Fast Open, RFC 7413)
	}
	if c != nil && c.rival && a.succeeds(g, c) {
		a.lists.remove(c, c.over())
		c = nil
	}
	if c != nil {
		return c
	}
	if len(g.p.Payload) == 0 || g.p.Flags&decode.RST != 0 {
		a.completeHandshake(g)
		return nil
	}
	return a.open(g)
}

// syn reads a SYN or SYN-ACK. It returns the connection that the segment belongs to, nil if it begins a new one, or
// may. A SYN in the middle of a connection can be a decoy, so the connection stays until the new one is confirmed.
func (a *Assembler) syn(g *segment, c *conn) *conn {
	p := &g.p
	if c != nil {
		dir := c.direction(g.side)
		h, o := &c.half[dir], &c.half[1-dir]
		same := h.known && h.base == p.Seq+1 && (p.Flags&decode.ACK == 0 || p.Ack == o.base || !c.rival)
		switch {
		case p.Flags&decode.ACK == 0 && c.over() && (c.closed || same && h.heard) && !g.t.Before(c.last):
			a.lists.remove(c, true) // the ports are used again
		case same:
			return c // retransmitted
		case p.Flags&decode.ACK != 0 && !c.closed && !h.seen && h.next == 0 && p.Ack-o.base < maxBehindSYN:
			c.rebase(dir, p.Seq+1) // the SYN-ACK of a connection whose client spoke first
			return c
		default:
			c.rival = true
		}
	}
	a.note(g)
	return nil
}

// handshakeUnverified does the same for a segment with a wrong checksum. Its numbers stand in for what was not
// captured, like those of a lost SYN that the SYN-ACK implies, and any right SYN replaces them. It opens a connection
// only if a handshake fits.
func (a *Assembler) handshakeUnverified(g *segment, c *conn) *conn {
	v, ok := a.halfOpen.get(g.handshake())
	switch {
	case g.p.Flags&decode.SYN == 0:
		if ok && v.fits(g.side, &g.p) && len(g.p.Payload) > 0 && g.p.Flags&decode.RST == 0 {
			return a.open(g)
		}
	case (c == nil || c.closed) && !v.have[g.side]:
		acks := g.p.Flags&decode.ACK != 0
		if !ok {
			v.clientFirst = acks == (g.side == 1)
		}
		if v.isn[g.side], v.have[g.side] = g.p.Seq, true; acks && !v.have[1-g.side] {
			v.isn[1-g.side], v.have[1-g.side] = g.p.Ack-1, true
		}
		a.halfOpen.put(a.shared.stamp, g.handshake(), v)
	}
	return nil
}

// note records a SYN or SYN-ACK.
func (a *Assembler) note(g *segment) {
	p, k, side := &g.p, g.key, g.side
	v, ok := a.halfOpen.get(g.handshake())
	if ok && v.have[side] && v.isn[side] != p.Seq && p.Flags&decode.ACK == 0 {
		v, ok = handshake{}, false // the ports are used again
	}
	first := v.seen == [2]synOptions{}
	if g.lane != p.Path {
		v.marks |= otherPath
	}
	v.isn[side], v.have[side], v.seen[side] = p.Seq, true, unscaled+synOptions(p.WindowScale)
	if p.Flags&decode.ACK == 0 {
		v.syn[side] = true
		if first {
			v.clientFirst = side == 0
		}
	} else {
		if !v.have[1-side] || !v.syn[1-side] {
			v.isn[1-side], v.have[1-side] = p.Ack-1, true
		}
		if a.ports[k.ports[side]] || !a.ports[k.ports[1-side]] { // not if a client sent it
			v.marks |= answered
		}
		if !v.syn[side] {
			v.clientFirst = side == 1
		}
	}
	if v.syn[0] && v.syn[1] { // a simultaneous open: the ports decide the roles
		var first, second = a.ports[k.ports[0]], a.ports[k.ports[1]]
		if first != second {
			v.clientFirst = second
		}
	}
	a.halfOpen.put(a.shared.stamp, g.handshake(), v)
}

// completeHandshake infers the initial sequence number of a SYN-ACK that was not captured from the final ACK.
func (a *Assembler) completeHandshake(g *segment) {
	p, side := &g.p, g.side
	v, ok := a.halfOpen.get(g.handshake())
	if ok && !v.have[1-side] && v.have[side] && p.Flags&(decode.ACK|decode.RST) == decode.ACK &&
		p.Seq == v.isn[side]+1 {
		v.isn[1-side], v.have[1-side] = p.Ack-1, true
		a.halfOpen.put(a.shared.stamp, g.handshake(), v)
	}
}

// succeeds reports whether a segment belongs to the connection whose handshake was seen after c began, not to c. The
// server must have answered that handshake, if the server's side is captured at all.
func (a *Assembler) succeeds(g *segment, c *conn) bool {
	p := &g.p
	v, ok := a.halfOpen.get(g.handshake())
	if !ok || p.Flags&decode.SYN != 0 || !v.fits(g.side, p) {
		return false
	}
	dir := c.direction(g.side)
	h, o := &c.half[dir], &c.half[1-dir]
	if h.known && h.offset(p.Seq) == h.next && o.known && o.offset(p.Ack) >= o.acked-maxHistory &&
		o.offset(p.Ack) <= o.next {
		return false
	}
	return v.marks&answered != 0 || !h.heard || !o.heard
}

// open makes a connection at its first payload.
func (a *Assembler) open(g *segment) *conn {
	a.shared.stats.Sessions++
	c := a.shared.newConn(g.key)
	paths := [2]uint64{noPath, noPath}
	paths[g.side] = g.p.Path
	v, handshaken := a.halfOpen.take(g.handshake())
	v.correctISN(g.side, &g.p)
	if handshaken && !v.fits(g.side, &g.p) {
		v, handshaken = handshake{}, false // of another connection, of which no more was captured
	}
	if handshaken && v.seen[0] != 0 && v.seen[1] != 0 && v.marks&otherPath == 0 {
		paths[1-g.side] = g.p.Path
	}
	if g.lane|paths[0]|paths[1] != 0 {
		c.own().lane, c.own().paths = g.lane, paths
	}
	c.clientFirst = v.clientFirst
	if !handshaken {
		c.clientFirst = a.clientIsSource(&g.p) == (g.side == 0)
	}
	sides := [2]int{0, 1} // direction to side
	if !c.clientFirst {
		sides = [2]int{1, 0}
	}
	for d := range c.half {
		c.half[d].number(g, &v, sides[d])
	}
	c.dialogue = smtp.New(&a.cfg.SMTP, a.session(c, g, &v, handshaken))
	for d, side := range sides {
		c.half[d].shift = v.shift(side)
		if v.seen[side] > 0 {
			c.half[d].heard = true
			c.dialogue.Seen(smtp.Direction(d))
		}
	}
	c.begin(v.have)
	// If the SYN-ACK was missed and the client speaks before anything of the server's was captured, the client may have
	// received a greeting that was missed, too: an earlier ACK shows it, or this segment does.
	answer := 1 - g.side
	if handshaken && !g.unverified && g.side == sides[smtp.FromClient] && v.syn[g.side] && v.seen[answer] == 0 &&
		(!v.have[answer] || g.p.Ack == v.isn[answer]+1) {
		c.dialogue.MissedGreeting()
	}
	a.lists.add(c)
	if handshaken {
		a.recognize(c)
	}
	return c
}

// number sets where the offsets of a direction begin. side is that of its sender, g the first segment with payload.
func (h *half) number(g *segment, v *handshake, side int) {
	h.fin, h.rst = -1, -1
	switch {
	case v.have[side]:
		h.base, h.known = v.isn[side]+1, true
	case side == g.side:
		h.base, h.known = g.p.Seq, true
	case g.p.Flags&decode.ACK != 0 && !g.unverified:
		h.base, h.known = g.p.Ack, true
	}
}

// session identifies the connection c of g for its rows.
func (a *Assembler) session(c *conn, g *segment, v *handshake, handshaken bool) smtp.Session {
	client := 0
	if !c.clientFirst {
		client = 1
	}
	from, to := g.p.Source(), g.p.Destination()
	if g.side != client {
		from, to = to, from
	}
	c.named = name{number: uint64(v.isn[client]), exact: v.have[client], network: a.names.of(&g.p.Network)}
	if !v.have[client] {
		c.named.number = uint64(g.t.UnixNano())
	}
	return smtp.Session{
		ID: sessionID(from, to, c.named), Sensor: a.cfg.Sensor,
		Client: plain(from), Server: plain(to), Midstream: !handshaken, Network: c.named.network,
	}
}

func plain(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// clientIsSource decides the roles if no SYN was seen: the client is the side that is not on a watched port, or, if
// both are, the side that does not send replies.
func (a *Assembler) clientIsSource(p *decode.Packet) bool {
	if s, d := a.ports[p.SrcPort], a.ports[p.DstPort]; s != d {
		return d
	}
	return !smtp.LooksLikeReply(p.Payload)
}
