package reassembly

import (
	"time"

	"tap25/reassembly/decode"
	"tap25/reassembly/smtp"
)

// Unseen stands for the payload of a frame of which only the headers are there.
type Unseen = decode.Unseen

// DigestKey is the secret key of the digests of such payloads.
type DigestKey = decode.DigestKey

// Body is where a client is within a message.
type Body struct {
	// Seq is the sequence number of its next octet, Ack the acknowledgment number of a client that has received what
	// the server has sent so far.
	Seq, Ack uint32
	Left     int64 // octets of the message to come; 0: the client's next octets may be something else
	Exact    bool  // Left is exact: a chunk of BDAT. Otherwise it is an estimate, 1 at least.
}

// Headers reads a frame of which only the headers are there, as Frame reads a whole one. A payload may be left out only
// if it lies within what BodyAhead has reported, and follows what came before it. If the message follows DATA, the
// payload must also hold no dot after a CR or LF. Then the rows are those of whole frames. Any other payload counts as
// not captured.
func (a *Assembler) Headers(t time.Time, link uint16, headers []byte, wireLen int, u *Unseen) {
	g := segment{t: t}
	a.decoded(&g, a.dec.DecodeHeaders(t, link, headers, wireLen, u, &g.p))
}

// BodyAhead reports where the sender of the last frame is within a message. Left is 0 if the sender is no client, or if
// some of what it has sent is missing. It is 0 also if the connection comes on several paths: the kernel follows each
// path by itself, and the copy that came first may have come on another one.
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
