package smtp

import "slices"

// match gives each reply to its command: in order (RFC 2920 section 3.1), unless bytes were missed: see anchor.
func (d *Dialogue) match() {
	for len(d.replies) > 0 || len(d.pending) > 0 && d.pending[0].acked == severed {
		d.steps(1)
		if d.uncertain && d.seen[FromClient] && len(d.replies) < orDefault(d.cfg.MaxReplies, 4096) {
			if d.anchor() {
				continue
			}
			if !d.guessing {
				return
			}
		}
		if len(d.pending) > 0 && d.pending[0].acked == severed {
			d.takePending()
			if d.tx != nil {
				d.tx.severed = true
			}
			continue
		}
		if d.holeEnd > 0 {
			if !d.crossHole() {
				return
			}
			continue
		}
		r := d.replies[0]
		if len(d.pending) == 0 {
			if r.acked > d.clientOff && d.seen[FromClient] {
				return // it answers bytes that have not come yet
			}
			d.unsolicited(d.takeReply())
			continue
		}
		c := d.pending[0]
		if c.verb == verbEndOfData && r.acked > c.message && r.acked < c.end && r.code >= 400 {
			c.size = -1 // the server refused the message before its end
			d.pending[0] = c
		}
		// A reply that the server sent before it had received the command does not answer it. What the client says that it had
		// received when it sent the command does not count here: it may acknowledge what it never got.
		if r.acked < c.end && (r.code == 421 || c.verb != verbEndOfData || r.acked <= c.message) {
			d.unsolicited(d.takeReply())
			continue
		}
		if d.tooEarly(&r) {
			return
		}
		d.takesLF(&r)
		if d.noCommand(&r) {
			d.passOver()
			continue
		}
		if d.outOfStep(&r) {
			continue
		}
		if c.doubtful && !d.lfTaken {
			d.doubtLines()
		}
		d.takeReply()
		if len(d.pending) > 1 && d.pending[1].acked < r.end && !d.pending[1].doubtful {
			d.pace.grouped = true
		}
		d.resolve(d.takePending(), &r)
	}
}

// severed, as a command's acked, marks where sever was called among the commands that still await their replies.
const severed = 1<<63 - 1

// crossHole begins matching afresh behind a hole in the replies, at the first command that the client sent when it had
// received what lies behind the hole.
func (d *Dialogue) crossHole() bool {
	for i, c := range d.pending {
		if c.acked >= d.holeEnd && c.acked != severed {
			d.steps(i)
			d.settleHole(i, c.acked)
			return true
		}
	}
	d.steps(len(d.pending))
	if d.blocked && len(d.held) > 0 && d.held[0].lost == 0 && d.held[0].acked >= d.holeEnd && d.held[0].acked <= d.serverOff &&
		d.replies[0].acked <= d.clientOff+d.heldOctets() {
		d.settleHole(len(d.pending), d.held[0].acked)
		return true
	}
	if !d.seen[FromClient] || len(d.pending) == 0 && d.replies[0].acked <= d.clientOff {
		d.unsolicited(d.takeReply())
		return true
	}
	return false
}

// settleHole answers the first n commands, whose replies lie before offset x, some of them in the hole.
func (d *Dialogue) settleHole(n int, x int64) {
	d.answer(n, d.repliesUpTo(x))
	if x >= d.holeEnd {
		d.holeEnd = 0
	}
}

// answer answers the first n commands with the first m replies as well as can be, from the last backwards: a reply that the
// client had when it sent a command does not answer it, nor does one that the server sent before it had the command.
func (d *Dialogue) answer(n, m int) {
	by := make([]int, n)
	for i, j := n-1, m-1; i >= 0; i-- {
		by[i] = -1
		k, c := j, &d.pending[i]
		for k >= 0 && d.replies[k].acked < c.end && c.verb != verbGreeting {
			k--
		}
		d.steps(j - k + 1)
		if c.acked != severed && k >= 0 && (c.verb == verbGreeting || d.replies[k].end > c.acked) {
			by[i], j = k, k-1
		}
	}
	replies := append([]reply(nil), d.replies[:m]...)
	d.replies = d.replies[m:]
	d.steps(n * m)
	for j := range replies {
		if !slices.Contains(by, j) {
			d.unsolicited(replies[j])
		}
	}
	for _, j := range by {
		c := d.takePending()
		switch {
		case c.acked == severed:
			if d.tx != nil {
				d.tx.severed = true
			}
		case j < 0:
			d.resolve(c, nil)
		default:
			d.resolve(c, &replies[j])
		}
	}
}
