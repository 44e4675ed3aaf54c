package reassembly

import (
	"bytes"
	"slices"
	"time"

	"tap25/reassembly/decode"
	"tap25/reassembly/smtp"
)

// unverified is what a direction holds of segments with a wrong checksum, if others of their sender are right: octets
// that are neither delivered nor held. A wrong checksum does not show what the receiver did. A host that merges
// segments (GRO, LRO, TSO) leaves the first one's, or that of the pseudo header, and whoever changes a capture often
// leaves the old one. So the octets wait:
//
//   - A segment with a right checksum in their place supersedes them: the receiver discarded the damaged copy, or the
//     decoy.
//   - If the receiver has acknowledged them and the sender has gone on behind them, they were received.
//   - If the hole that they leave is given up, they fill it.
//   - Otherwise they are ignored.
//
// Two such segments that differ are a conflict.
type unverified struct {
	runs
	cost     int    // octets
	segments uint32 // so far
	fin      int64  // offset after a FIN with a wrong checksum; 0: none
}

const (
	// maxUnverified bounds the cost of what one direction holds with a wrong checksum.
	maxUnverified = maxAhead

	// unverifiedRun is how long a run of it is at most, so that one is cut at little cost, and unverifiedCost what one
	// takes besides its octets.
	unverifiedRun  = 2048
	unverifiedCost = 112
)

func (u *unverified) len() int {
	if u == nil {
		return 0
	}
	return u.runs.len()
}

// all returns the runs, of which there are none in nil.
func (u *unverified) all() *runs {
	if u == nil {
		return &runs{}
	}
	return &u.runs
}

func (u *unverified) size() int {
	if u == nil {
		return 0
	}
	return u.cost
}

// end is the offset after the last octet; 0 without any.
func (u *unverified) end() int64 {
	if u.len() == 0 {
		return 0
	}
	return u.runs.end()
}

// insert adds a run, and returns the steps that it took.
func (u *unverified) insert(r run) int64 {
	u.cost += len(r.data) + unverifiedCost
	return int64(u.runs.insert(r))
}

// pop takes the first run out.
func (u *unverified) pop() run {
	r := u.runs.pop()
	u.cost -= len(r.data) + unverifiedCost
	return r
}

// remove takes a run out, and returns the steps that it took.
func (u *unverified) remove(b, i int) int64 {
	u.cost -= len(u.at(b, i).data) + unverifiedCost
	return int64(u.runs.remove(b, i))
}

// captured is the end of what was captured of a direction, a FIN included.
func (h *half) captured() int64 {
	if h.fin >= 0 {
		return h.fin
	}
	end := h.next
	if h.held.len() > 0 {
		end = max(end, h.held.end())
	}
	if h.wrong != nil {
		end = max(end, h.wrong.end(), h.wrong.fin)
	}
	return end
}

// arrivesUnverified reads a segment with a wrong checksum, and reports whether it belongs to the connection as far as
// is known.
func (c *conn) arrivesUnverified(t time.Time, dir smtp.Direction, p *decode.Packet) bool {
	h, o := &c.half[dir], &c.half[1-dir]
	c.shared.stats.IgnoredBytes += int64(len(p.Payload))
	if c.closed || !h.known || p.Conflict || p.Flags&(decode.RST|decode.SYN) != 0 {
		return false // of fragments that overlap, the receiver took the copy that has the right checksum
	}
	off := h.offset(p.Seq)
	if !c.acceptable(dir, off, p) {
		return false
	}
	var acked int64
	if o.known {
		// Until it is known that the peer has received it, it confirms what was captured, but does not show that
		// anything was missed.
		acked = o.offset(p.Ack)
		o.offer(o.acknowledgeTo(t, min(acked, o.captured())), p.Window, h.shift)
		c.confirmFIN(1-dir, p.Ack)
		c.deliverAside(1 - dir)
	}
	c.wentOn(dir, off)
	data := p.Payload
	if end := h.end(); end >= 0 {
		data = data[:max(min(int64(len(data)), end-off), 0)]
	}
	c.holdUnverified(t, dir, off, data, acked, p.Flags&decode.URG != 0 && p.Urgent > 0)
	if p.Flags&decode.FIN != 0 && h.fin < 0 {
		h.unverified().fin = off + int64(len(p.Payload)) + 1
	}
	if c.dialogue.Starves() {
		c.feed(t)
	}
	c.closeBehindFINs(t)
	return true
}

func (h *half) unverified() *unverified {
	if h.wrong == nil {
		h.wrong = &unverified{}
	}
	return h.wrong
}

// holdUnverified keeps the parts of a segment that no other has, and compares those that another one with a wrong
// checksum has.
func (c *conn) holdUnverified(t time.Time, dir smtp.Direction, off int64, data []byte, acked int64, conflict bool) {
	h := &c.half[dir]
	if n := min(h.next-off, int64(len(data))); n > 0 {
		off, data = off+n, data[n:]
	}
	if len(data) == 0 {
		return
	}
	u := h.unverified()
	u.segments++
	var fresh []run
	ignore := func(*run, int64, []byte) {}
	h.held.split(off, data, func(off int64, data []byte) {
		u.split(off, data, func(off int64, data []byte) {
			for part := range slices.Chunk(data, unverifiedRun) {
				fresh = append(fresh, run{
					off: off, data: bytes.Clone(part), t: t, acked: acked, segment: u.segments, conflict: conflict,
				})
				off += int64(len(part))
			}
		}, func(r *run, off int64, data []byte) {
			r.conflict = r.conflict || conflict || !bytes.Equal(r.data[off-r.off:][:len(data)], data)
		})
	}, ignore)
	for _, r := range fresh {
		c.shared.stats.Steps += u.insert(r)
	}
	for u.cost > maxUnverified {
		if r := u.first(); r.off == h.next && (r.end() <= h.acked || !c.half[1-dir].heard) {
			c.take(dir, len(r.data))
		} else {
			c.shared.stats.Steps++
			u.pop()
		}
	}
}

// supersede drops what has a wrong checksum in the place of a segment with a right one. If the octets differ, none of
// that segment was received.
func (c *conn) supersede(dir smtp.Direction, off int64, data []byte) {
	u := c.half[dir].wrong
	if u.len() == 0 {
		return
	}
	end := off + int64(len(data))
	for b, i := u.search(off); b < len(u.blocks) && u.at(b, i).off < end; b, i = u.search(off) {
		r := *u.at(b, i)
		c.shared.stats.Steps += 1 + u.remove(b, i)
		from, to := max(off, r.off), min(end, r.end())
		if !bytes.Equal(r.data[from-r.off:to-r.off], data[from-off:to-off]) {
			c.dropSegment(u, r.segment, r.off)
			continue
		}
		if from > r.off {
			left := r
			left.data = bytes.Clone(r.data[:from-r.off])
			c.shared.stats.Steps += u.insert(left)
		}
		if to < r.end() {
			r.off, r.data = to, bytes.Clone(r.data[to-r.off:])
			c.shared.stats.Steps += u.insert(r)
		}
	}
}

// dropSegment drops what is left of a segment before and after an offset.
func (c *conn) dropSegment(u *unverified, segment uint32, off int64) {
	for b, i := u.search(off); b < len(u.blocks) && u.at(b, i).segment == segment; b, i = u.search(off) {
		c.shared.stats.Steps += 1 + u.remove(b, i)
	}
	for {
		b, i := u.search(off)
		if i--; i < 0 {
			if b--; b < 0 {
				return
			}
			i = len(u.blocks[b]) - 1
		}
		if u.at(b, i).segment != segment {
			return
		}
		c.shared.stats.Steps += 1 + u.remove(b, i)
	}
}

// wentOn delivers what the peer has acknowledged and the sender has gone on behind. Without the latter, the copy that
// the peer took might be on its way still, if the acknowledgment was captured before it.
func (c *conn) wentOn(dir smtp.Direction, off int64) {
	h := &c.half[dir]
	for h.wrong.len() > 0 {
		r := h.wrong.first()
		n := min(r.end(), off, h.acked) - r.off
		if r.off > h.next || n <= 0 {
			return
		}
		c.take(dir, int(n))
	}
}

// take orders the first n octets of the first run.
func (c *conn) take(dir smtp.Direction, n int) {
	r := c.takeOut(dir, n)
	c.order(r.t, dir, r.off, r.data, r.acked)
}

// takeOut removes the first n octets of the first run, which are received.
func (c *conn) takeOut(dir smtp.Direction, n int) run {
	u := c.half[dir].wrong
	r := u.pop()
	c.shared.stats.Steps++
	if n < len(r.data) {
		rest := r
		rest.off, rest.data = r.off+int64(n), bytes.Clone(r.data[n:])
		c.shared.stats.Steps += u.insert(rest)
		r.data = r.data[:n]
	}
	c.shared.stats.IgnoredBytes -= int64(n)
	if o := &c.half[1-dir]; o.known {
		r.acked = o.acknowledgeTo(c.shared.now, r.acked)
	}
	if r.conflict {
		c.conflict(dir)
	}
	return r
}

// fillUnverified delivers what has a wrong checksum in the hole before an offset, as far as it goes, and reports
// whether it did.
func (c *conn) fillUnverified(dir smtp.Direction, until int64) (filled bool) {
	h := &c.half[dir]
	for h.wrong.len() > 0 && h.wrong.first().off == h.next && h.next < until {
		r := c.takeOut(dir, int(min(until, h.wrong.first().end())-h.next))
		c.deliver(r.t, dir, r.data, r.acked)
		filled = true
	}
	return filled
}

// settleUnverified delivers at the end of the connection what the peer has acknowledged. What becomes received by that
// may acknowledge more of the other direction.
func (c *conn) settleUnverified(t time.Time) {
	if c.half[0].wrong.len()+c.half[1].wrong.len() == 0 {
		return
	}
	for d := range c.half {
		c.drain(smtp.Direction(d))
		// An acknowledgment that seemed bogus was not, if the sender came so far after all: the peer's clock is early.
		h := &c.half[d]
		h.acked = max(h.acked, min(h.bogus, h.captured()))
	}
	for moved := true; moved; {
		moved = false
		for d := range c.half {
			h := &c.half[d]
			if until := min(h.wrong.end(), h.acked); until > h.next {
				c.passOver(t, smtp.Direction(d), until)
				moved = true
			}
		}
	}
}

// confirmFIN notes the end of a direction by a FIN with a wrong checksum that the peer acknowledges.
func (c *conn) confirmFIN(dir smtp.Direction, ack uint32) {
	h := &c.half[dir]
	if h.wrong == nil || h.wrong.fin == 0 || h.fin >= 0 || h.offset(ack) != h.wrong.fin || h.wrong.fin <= h.next {
		return
	}
	h.fin = h.wrong.fin - 1
	c.dropBehind(dir, h.fin)
}
