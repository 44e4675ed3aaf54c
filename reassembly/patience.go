package reassembly

import (
	"cmp"
	"container/heap"
	"slices"
	"time"

	"tap25/reassembly/smtp"
)

// patient is a heap of the connections with a hole that will be given up unless something fills it, the earliest
// deadline first. However many there are, and however the packets' clock jumps, only those whose deadline has passed
// are looked at.
type patient struct {
	conns  []*conn
	opened uint64 // connections that were ever put in
}

func (q *patient) Len() int { return len(q.conns) }
func (q *patient) Less(i, j int) bool {
	return q.conns[i].hole.due.Before(q.conns[j].hole.due)
}
func (q *patient) Swap(i, j int) {
	q.conns[i], q.conns[j] = q.conns[j], q.conns[i]
	q.conns[i].hole.at, q.conns[j].hole.at = i, j
}

// Push implements heap.Interface.
func (q *patient) Push(x any) {
	c := x.(*conn)
	c.hole.at = len(q.conns)
	q.conns = append(q.conns, c)
}

// Pop implements heap.Interface.
func (q *patient) Pop() any {
	last := len(q.conns) - 1
	c := q.conns[last]
	q.conns[last] = nil
	q.conns = q.conns[:last]
	return c
}

// wait is the place of a connection among the patient.
type wait struct {
	waiting bool      // it has a hole
	since   stamp     // when that opened
	number  uint64    // patient.opened then
	due     time.Time // when one is to be given up; zero: not before more is heard
	at      int       // in patient.conns
}

// await adds a connection, removes it or moves it, according to its holes.
func (q *patient) await(c *conn) {
	waiting := !c.closed && (c.half[0].waiting() || c.half[1].waiting() || c.postponed != nil)
	if !waiting && !c.hole.waiting {
		return
	}
	if waiting && !c.hole.waiting {
		q.opened++
		c.hole.since, c.hole.number = c.shared.stamp, q.opened
	}
	c.hole.waiting = waiting
	var due time.Time
	if waiting {
		due = c.due()
	}
	switch was := !c.hole.due.IsZero(); {
	case due.Equal(c.hole.due):
	case due.IsZero():
		heap.Remove(q, c.hole.at)
		c.hole.due = due
	case was:
		c.hole.due = due
		heap.Fix(q, c.hole.at)
	default:
		c.hole.due = due
		heap.Push(q, c)
	}
}

// expire removes connections whose deadline has passed, no more than most, and returns them in the order in which their
// holes opened: the output is deterministic.
func (q *patient) expire(t time.Time, most int) (out []*conn) {
	for len(q.conns) > 0 && len(out) < most && !q.conns[0].hole.due.After(t) {
		c := heap.Pop(q).(*conn)
		c.hole.due = time.Time{}
		out = append(out, c)
	}
	slices.SortFunc(out, func(x, y *conn) int { return cmp.Compare(x.hole.number, y.hole.number) })
	return out
}

// due is when expireHoles will find something to give up if nothing else is captured; zero: never.
func (c *conn) due() (first time.Time) {
	first = c.postponed.due()
	for dir := range c.half {
		if at := c.halfDue(smtp.Direction(dir)); !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

func (c *conn) halfDue(dir smtp.Direction) time.Time {
	h, o := &c.half[dir], &c.half[1-dir]
	if !h.waiting() {
		return time.Time{}
	}
	at := h.ackedAt.Add(patience + h.lead())
	switch {
	case h.acked > h.next && (h.held.len() > 0 || h.acked-h.next > 1): // 1 may be a FIN that was missed
		return at
	case h.held.len() > 0 && !o.heard:
		if alone := h.held.first().t.Add(15*patience + 1); alone.After(at) {
			return alone
		}
		return at
	}
	return time.Time{}
}

// expireHoles declares holes lost that the peer acknowledged `patience` ago and that nothing has filled since.
func (c *conn) expireHoles(t time.Time) {
	if at := c.postponed.due(); !at.IsZero() && !at.After(t) {
		c.alone = true
		c.giveAll()
	}
	for dir := range c.half {
		dir := smtp.Direction(dir)
		if at := c.halfDue(dir); at.IsZero() || at.After(t) {
			continue
		}
		if h := &c.half[dir]; h.held.len() > 0 {
			c.giveUp(dir)
			c.endEpisode(dir)
		} else {
			c.passOver(t, dir, h.acked)
		}
	}
}
