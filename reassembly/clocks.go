package reassembly

import (
	"bytes"
	"time"

	"tap25/reassembly/smtp"
)

// Two directions need not have the same clock: two capture cards drift apart, or each direction lies in a file of its
// own and the files were merged by time. Then what one side says is captured long before what it answers. The
// acknowledgment of a segment shows what its sender had received, so a piece of one direction waits until all that it
// acknowledges was given to the dialogue:
//
//   - if nothing of the other direction was captured so far, for maxLead at most: it may never be;
//   - if the other direction was late the last time that it was acknowledged;
//   - if what it acknowledges has a wrong checksum, and waits itself.
//
// Otherwise the dialogue gets each piece at once: if what it acknowledges was not captured, it is most likely lost.
//
// maxLead is the largest difference of two clocks that is allowed for.
const maxLead = 15 * patience

const (
	// maxPostponed bounds what one connection keeps because of it, in octets.
	maxPostponed = maxAhead

	// pieceCost is counted for each piece: more than it takes, so that one frame never gives more than 8,192 of them.
	pieceCost = 512
)

// piece is what the dialogue is given of one direction: octets, a number of lost ones, or word of a conflict.
type piece struct {
	t        time.Time
	data     []byte
	lost     int64
	conflict bool
	acked    int64
	number   uint64 // in the order of the capture
}

// postponed is the pieces of both directions that wait for the other one.
type postponed struct {
	pieces [2][]piece
	octets [2]int64 // of the stream
	cost   int
	number uint64
}

func (p *postponed) size() int {
	if p == nil {
		return 0
	}
	return p.cost
}

// due is when the pieces are given whatever they acknowledge; zero: there are none.
func (p *postponed) due() (first time.Time) {
	if p == nil {
		return first
	}
	for d := range p.pieces {
		if q := p.pieces[d]; len(q) > 0 && (first.IsZero() || q[0].t.Before(first)) {
			first = q[0].t
		}
	}
	if !first.IsZero() {
		first = first.Add(maxLead)
	}
	return first
}

// given is how far a direction was given to the dialogue.
func (c *conn) given(dir smtp.Direction) int64 {
	if c.postponed == nil {
		return c.half[dir].next
	}
	return c.half[dir].next - c.postponed.octets[dir]
}

// give passes a piece to the dialogue, or postpones it. The octets that it stands for are counted in half.next already.
func (c *conn) give(dir smtp.Direction, p piece) {
	n := int64(len(p.data)) + p.lost
	if c.postponed == nil {
		if !c.early(dir, p.acked) {
			c.push(dir, &p)
			return
		}
		c.postponed = &postponed{}
	}
	q := c.postponed
	p.data, p.number = bytes.Clone(p.data), q.number
	q.number++
	q.pieces[dir] = append(q.pieces[dir], p)
	q.octets[dir] += n
	q.cost += len(p.data) + pieceCost
	c.givePostponed()
	if q.cost > maxPostponed {
		c.giveAll()
	}
}

// early reports whether a piece of a direction was captured before what it acknowledges.
func (c *conn) early(dir smtp.Direction, acked int64) bool {
	switch o := &c.half[1-dir]; {
	case acked <= o.next:
		return false
	case o.wrong.len() > 0 && o.wrong.first().off == o.next:
		return true
	case !o.seen:
		return !c.alone
	default:
		return o.late.again()
	}
}

// push passes a piece to the dialogue.
func (c *conn) push(dir smtp.Direction, p *piece) {
	switch {
	case p.conflict:
		c.dialogue.Conflict(dir)
	case p.lost > 0:
		c.dialogue.Lost(dir, p.t, p.lost)
	default:
		c.dialogue.Push(dir, p.t, p.data, p.acked)
	}
}

// givePostponed gives the pieces that acknowledge nothing that was not given.
func (c *conn) givePostponed() {
	q := c.postponed
	for moved := true; moved; {
		moved = false
		for d := range q.pieces {
			for dir := smtp.Direction(d); len(q.pieces[d]) > 0 && q.pieces[d][0].acked <= c.given(1-dir); moved = true {
				c.giveFirst(dir)
			}
		}
	}
	if len(q.pieces[0])+len(q.pieces[1]) == 0 {
		c.postponed = nil
	}
}

func (c *conn) giveFirst(dir smtp.Direction) {
	q := c.postponed
	p := q.pieces[dir][0]
	q.pieces[dir][0] = piece{}
	q.pieces[dir] = q.pieces[dir][1:]
	q.octets[dir] -= int64(len(p.data)) + p.lost
	q.cost -= len(p.data) + pieceCost
	c.shared.stats.Steps++
	c.push(dir, &p)
}

// giveAll gives all pieces, in the order of the capture as far as they wait for what was not captured.
func (c *conn) giveAll() {
	for c.postponed != nil {
		q := c.postponed
		dir := smtp.FromClient
		if a, b := q.pieces[0], q.pieces[1]; len(a) == 0 || len(b) > 0 && b[0].number < a[0].number {
			dir = smtp.FromServer
		}
		c.giveFirst(dir)
		c.givePostponed()
	}
}

// late is what a direction knows of its clock: whether its octets are captured after their acknowledgments.
type late struct {
	awaited int64 // offset up to which an acknowledgment came ahead; 0: none
	at      time.Time
	by      time.Duration // most
	least   time.Duration // since the last acknowledgment in order
	times   int           // since then
}

func (l *late) again() bool { return l != nil && l.times > 0 }

// lead is how much longer than patience a hole may stay open.
func (h *half) lead() time.Duration {
	if h.late == nil {
		return 0
	}
	return h.late.by
}

// acknowledgedEarly notes an acknowledgment of what was not captured yet.
func (h *half) acknowledgedEarly(t time.Time, off int64) {
	if h.late == nil {
		h.late = &late{}
	}
	if h.late.awaited == 0 {
		h.late.awaited, h.late.at = off, t
	}
}

// came notes that octets were captured at t, after their acknowledgment if one is awaited.
func (l *late) came(t time.Time, next int64, s *Stats) {
	if l.awaited == 0 || next < l.awaited {
		return
	}
	l.awaited = 0
	by := t.Sub(l.at)
	if by <= 0 {
		return
	}
	if l.times++; l.times == 1 || by < l.least {
		l.least = by
	}
	if l.by = max(l.by, min(by, maxLead)); l.times > 1 { // one alone may have been sent again
		s.ClockSkew = max(s.ClockSkew, l.least)
	}
}

// firstHeard notes the first segment of a direction. If it continues what the peer has acknowledged before, its clock
// is late.
func (c *conn) firstHeard(t time.Time, dir smtp.Direction, off int64) {
	h := &c.half[dir]
	if h.acked <= h.next || off > h.next || h.late == nil {
		return
	}
	by := t.Sub(h.ackedAt)
	h.late.by, h.late.times = max(h.late.by, min(by, maxLead)), 1
	h.late.least = by
	if by > maxLead {
		c.dialogue.Doubt() // what came ahead was read without it
	}
}

// rebase sets where the offsets of a direction begin, of which nothing but acknowledgments was captured so far.
func (c *conn) rebase(dir smtp.Direction, base uint32) {
	h, o := &c.half[dir], &c.half[1-dir]
	by := int64(h.base - base)
	if h.base, h.known = base, true; h.heard || h.acked == 0 || by >= maxBehindSYN {
		return
	}
	h.acked += by
	h.edge += by
	if h.late != nil && h.late.awaited > 0 {
		h.late.awaited += by
	}
	if c.postponed != nil {
		for i := range c.postponed.pieces[1-dir] {
			c.postponed.pieces[1-dir][i].acked += by
		}
		c.shared.stats.Steps += int64(len(c.postponed.pieces[1-dir]))
	}
	for _, q := range []*runs{&o.held, o.wrong.all()} {
		for _, block := range q.blocks {
			for i := range block {
				block[i].acked += by
			}
		}
		c.shared.stats.Steps += int64(q.len())
	}
}
