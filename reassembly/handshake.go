package reassembly

import (
	"net/netip"
	"time"

	"tap25/reassembly/decode"
	"tap25/reassembly/smtp"
)

// syn reads a SYN or SYN-ACK. It returns the connection that the segment belongs to, nil if it begins a new one, or may. A
// SYN in the middle of a connection can be a decoy, so the connection stays until the new one is confirmed.
func (a *Assembler) syn(t time.Time, c *conn, k tuple, srcFirst bool, p *decode.Packet) *conn {
	if c != nil {
		dir := c.direction(srcFirst)
		h, o := &c.half[dir], &c.half[1-dir]
		same := h.known && h.base == p.Seq+1 && (p.Flags&decode.ACK == 0 || p.Ack == o.base || !c.rival)
		switch {
		case p.Flags&decode.ACK == 0 && c.over() && (c.closed || same) && !t.Before(c.last):
			a.remove(c, true) // the ports are used again
		case same:
			return c // retransmitted
		case p.Flags&decode.ACK != 0 && !c.closed && !h.seen && h.next == 0 && p.Ack-o.base < maxBehindSYN:
			h.base, h.known = p.Seq+1, true // the SYN-ACK of a connection whose client spoke first
			return c
		default:
			c.rival = true
		}
	}
	a.note(t, k, srcFirst, p)
	return nil
}

// note records a SYN or SYN-ACK.
func (a *Assembler) note(t time.Time, k tuple, srcFirst bool, p *decode.Packet) {
	side := 1
	if srcFirst {
		side = 0
	}
	v, ok := a.halfOpen.get(k)
	if ok && v.have[side] && v.isn[side] != p.Seq && p.Flags&decode.ACK == 0 {
		v, ok = handshake{}, false // the ports are used again
	}
	v.isn[side], v.have[side], v.seen[side] = p.Seq, true, unscaled+synOptions(p.WindowScale)
	if p.Flags&decode.ACK == 0 {
		v.syn[side] = true
		if !ok {
			v.clientFirst = side == 0
		}
	} else {
		if !v.have[1-side] || !v.syn[1-side] {
			v.isn[1-side], v.have[1-side] = p.Ack-1, true
		}
		v.answered = v.answered || a.ports[k.port(side)] || !a.ports[k.port(1-side)] // not if a client sent it
		if !v.syn[side] {
			v.clientFirst = side == 1
		}
	}
	if v.syn[0] && v.syn[1] { // a simultaneous open: the ports decide the roles
		var first, second = a.ports[k.port(0)], a.ports[k.port(1)]
		if first != second {
			v.clientFirst = second
		}
	}
	a.halfOpen.put(t, k, v)
}

// completeHandshake infers the initial sequence number of a SYN-ACK that was not captured from the final ACK.
func (a *Assembler) completeHandshake(t time.Time, k tuple, srcFirst bool, p *decode.Packet) {
	side := 1
	if srcFirst {
		side = 0
	}
	v, ok := a.halfOpen.get(k)
	if ok && !v.have[1-side] && v.have[side] && p.Flags&(decode.ACK|decode.RST) == decode.ACK && p.Seq == v.isn[side]+1 {
		v.isn[1-side], v.have[1-side] = p.Ack-1, true
		a.halfOpen.put(t, k, v)
	}
}

// succeeds reports whether a segment belongs to the connection whose handshake was seen after c began, not to c. The server
// must have answered that handshake, if the server's side is captured at all.
func (a *Assembler) succeeds(c *conn, k tuple, srcFirst bool, p *decode.Packet) bool {
	side := 1
	if srcFirst {
		side = 0
	}
	v, ok := a.halfOpen.get(k)
	if !ok || p.Flags&decode.SYN != 0 || !v.fits(side, p) {
		return false
	}
	h, o := &c.half[c.direction(srcFirst)], &c.half[1-c.direction(srcFirst)]
	if h.known && h.offset(p.Seq) == h.next && o.known && o.offset(p.Ack) >= o.acked-maxHistory && o.offset(p.Ack) <= o.next {
		return false
	}
	return v.answered || !h.heard || !o.heard
}

// open makes a connection at its first payload.
func (a *Assembler) open(t time.Time, k tuple, srcFirst bool, p *decode.Packet) *conn {
	a.stats.Sessions++
	c := newConn(a, k)
	src := 1
	if srcFirst {
		src = 0
	}
	v, handshaken := a.halfOpen.take(k)
	v.correctISN(src, p)
	if handshaken && !v.fits(src, p) {
		v, handshaken = handshake{}, false // of another connection, of which no more was captured
	}
	if handshaken {
		c.clientFirst = v.clientFirst
	} else {
		c.clientFirst = a.clientIsSource(p) == srcFirst
	}
	client, server := p.Src, p.Dst
	if srcFirst != c.clientFirst {
		client, server = server, client
	}
	sides := [2]int{0, 1} // direction to side
	if !c.clientFirst {
		sides = [2]int{1, 0}
	}
	// If the SYN-ACK was missed and the client speaks before anything of the server's was captured, the client may have
	// received a greeting that was missed, too: an earlier ACK shows it, or this segment does.
	answer := 1 - src
	missed := handshaken && c.clientFirst == srcFirst && v.syn[src] && v.seen[answer] == 0 && (!v.have[answer] || p.Ack == v.isn[answer]+1)
	for d := range c.half {
		h := &c.half[d]
		h.fin, h.rst = -1, -1
		side := sides[d]
		switch {
		case v.have[side]:
			h.base, h.known = v.isn[side]+1, true
		case side == src:
			h.base, h.known = p.Seq, true
		case p.Flags&decode.ACK != 0:
			h.base, h.known = p.Ack, true
		}
	}
	isn := v.isn[sides[smtp.FromClient]]
	haveISN := v.have[sides[smtp.FromClient]]
	c.dialogue = smtp.New(&a.cfg.SMTP, smtp.Session{
		ID: sessionID(client, server, isn, haveISN, t), Sensor: a.cfg.Sensor, Client: plain(client), Server: plain(server), Midstream: !handshaken,
	})
	for d, side := range sides {
		c.half[d].shift = v.shift(side)
		if v.seen[side] > 0 {
			c.half[d].heard = true
			c.dialogue.Seen(smtp.Direction(d))
		}
	}
	if c.begin(v.have); missed {
		c.dialogue.MissedGreeting()
	}
	a.place(c, a.recent)
	a.conns[k] = c
	return c
}

func plain(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// clientIsSource decides the roles if no SYN was seen: the client is the side that is not on a watched port, or, if both
// are, the side that does not send replies.
func (a *Assembler) clientIsSource(p *decode.Packet) bool {
	if s, d := a.ports[p.Src.Port()], a.ports[p.Dst.Port()]; s != d {
		return d
	}
	return !smtp.LooksLikeReply(p.Payload)
}
