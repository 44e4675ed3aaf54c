package reassembly

import (
	"time"

	"tap25/reassembly/decode"
	"tap25/reassembly/smtp"
)

// Unseen stands for the payload of a frame of which only the headers are there.
type Unseen = decode.Unseen

// DigestKey is the secret with which such a payload was digested.
type DigestKey = decode.DigestKey

// Body is where a client is in a message.
type Body struct {
	// Seq is the sequence number of its next octet, Ack the acknowledgment number of a client that has received what
	// the server has sent so far.
	Seq, Ack uint32
	Left     int64 // octets of the message to come; 0: the client's next octets may be something else
	Exact    bool  // Left is exact: a chunk of BDAT. Otherwise it is an estimate, 1 at least.
}

// Headers reads a frame of which only the headers are there, as Frame does with a whole one. Only payloads that lie in
// what BodyAhead has reported may be left out, one after the other in order, and of a message after DATA only such as
// hold no dot after a CR or LF: then the rows are those of whole frames. Any other is taken for octets that were
// not captured.
func (a *Assembler) Headers(t time.Time, link uint16, headers []byte, wireLen int, u *Unseen) {
	g := segment{t: t}
	a.decoded(&g, a.dec.DecodeHeaders(t, link, headers, wireLen, u, &g.p))
}

// BodyAhead reports where the sender of the last frame is in a message, if it is a client, and all that it has sent so
// far is there. A connection that comes on several paths is in none: the kernel follows each path by itself, and another
// one may have the copy that came first.
func (a *Assembler) BodyAhead() (b Body) {
	c := a.current
	if c == nil || c.closed || c.direction(a.side) != smtp.FromClient || c.rival || c.copies != nil ||
		c.postponed != nil || len(c.aside) > 0 || len(c.more) > 0 {
		return b
	}
	for d := range c.half {
		if h := &c.half[d]; !h.known || h.end() >= 0 || h.held.len() > 0 || h.wrong.len() > 0 || h.acked > h.next {
			return b
		}
	}
	client, server := &c.half[smtp.FromClient], &c.half[smtp.FromServer]
	b.Seq, b.Ack = client.base+uint32(client.next), server.base+uint32(server.next)
	b.Left, b.Exact = c.dialogue.BodyAhead()
	return b
}

// orderUnseen delivers a segment that was left in the kernel, if it is the next in order.
func (c *conn) orderUnseen(t time.Time, dir smtp.Direction, off int64, p *decode.Packet, acked int64) {
	h, n := &c.half[dir], len(p.Payload)
	if off < h.next {
		c.compareUnseen(dir, off, p)
		return
	}
	if off > h.next || h.held.len() > 0 || h.wrong.len() > 0 || h.end() >= 0 {
		c.shared.stats.IgnoredBytes += int64(n)
		return
	}
	h.seen = true
	from := h.remembered()
	h.history.addUnseen(&c.shared.histories, unseen{off, n, p.Digest}, p.Payload[n-2:], h.keep(c.shared, n))
	h.dropped(from)
	c.pass(t, dir, p.Payload, acked)
}

// compareUnseen compares a segment that was left in the kernel with what came before in its place.
func (c *conn) compareUnseen(dir smtp.Direction, off int64, p *decode.Packet) {
	h, n := &c.half[dir], len(p.Payload)
	c.shared.stats.DuplicateBytes += int64(n)
	if digest, ok := h.history.digest(c.shared.digestKey, off, n); !ok || digest != p.Digest {
		c.conflict(dir)
	}
}
