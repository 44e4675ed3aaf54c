package smtp

// anchor looks, where bytes were missed, for a command and a reply that belong together beyond doubt, and matches all
// before them from there backwards. It says whether it led on.
//
//   - 354 answers DATA, 334 and 235 AUTH, 221 QUIT, 220 STARTTLS, and nothing else does.
//   - Between 354 and the end of the message a server says nothing: the first reply that the client had not received when
//     it sent the final dot answers the message.
//   - Every client waits for the replies to DATA, AUTH and STARTTLS (RFC 2920 section 3.1): what it sends next shows how
//     far the replies to all its commands go.
func (d *Dialogue) anchor() bool {
	for i := range d.replies {
		d.steps(1)
		r := &d.replies[i]
		if r.code == 220 && d.startsTLS(r) {
			d.align(len(d.pending), i+1, r.start, false)
			return true
		}
		if r.acked > d.clientOff {
			break // it answers bytes that are not read yet
		}
		switch {
		case r.code == 354:
			return d.anchorGoAhead(i)
		case r.code == 334 || r.code == 235:
			return d.anchorAuth(i)
		case r.code == 221 && len(d.pending) > 0 && d.pending[len(d.pending)-1].verb == verbQuit && i == len(d.replies)-1:
			d.align(len(d.pending), i+1, r.start, false)
			return true
		}
		if d.anchorMessage(i) {
			return true
		}
	}
	if d.blocked && len(d.held) > 0 && d.held[0].lost == 0 && len(d.pending) > 0 {
		x, last := d.held[0].acked, d.pending[len(d.pending)-1]
		if m := d.repliesUpTo(x); x > last.acked && x <= d.serverOff && d.flightTells(last, m) {
			d.align(len(d.pending), m, x, true)
			return true
		}
	}
	return d.anchorBehind()
}

// startsTLS says whether reply r, a 220, answers the STARTTLS that waits.
func (d *Dialogue) startsTLS(r *reply) bool {
	if !d.blocked || len(d.pending) == 0 {
		return false
	}
	last := d.pending[len(d.pending)-1]
	flight, _ := d.flight() // what was sent with it, by somebody on the way
	return last.verb == verbStartTLS && r.end > last.acked && r.acked >= last.end && r.acked <= last.end+int64(len(flight))
}

// anchorBehind anchors at the command that blocks where bytes were missed right behind it: the server had not received
// more than the command when it answered it.
func (d *Dialogue) anchorBehind() bool {
	if !d.blocked || len(d.held) == 0 || d.held[0].lost == 0 || len(d.pending) == 0 {
		return false
	}
	last := d.pending[len(d.pending)-1]
	m, later := 0, false
	d.steps(len(d.replies) + len(d.held))
	for _, r := range d.replies {
		if r.acked <= last.end {
			m++
		} else {
			later = true
		}
	}
	for _, p := range d.held {
		later = later || p.lost == 0 && p.acked <= d.serverOff
	}
	if !later {
		return false
	}
	x := last.acked
	if m > 0 {
		x = d.replies[m-1].start
	}
	d.align(len(d.pending), m, x, false)
	return true
}

// flightTells says whether what is held tells commands from a message, where last is DATA and its reply was missed.
func (d *Dialogue) flightTells(last command, replies int) bool {
	if last.verb != verbData || replies > 0 && d.whole(&d.replies[replies-1]) && d.replies[replies-1].start >= last.acked {
		return true
	}
	_, kind := d.flightIs()
	return kind != notWhole
}

// anchorGoAhead anchors at reply i, a 354.
func (d *Dialogue) anchorGoAhead(i int) bool {
	r := d.replies[i]
	n := 0
	for n < len(d.pending) && (d.pending[n].acked == severed || d.pending[n].end <= r.acked) {
		n++
	}
	d.steps(n)
	if n > 0 && d.pending[n-1].verb == verbData && r.end > d.pending[n-1].acked && r.acked == d.pending[n-1].end {
		d.align(n, i+1, r.start, false)
		return true
	}
	d.settleHole(n, r.start)
	if len(d.replies) > 0 && d.replies[0].code == 354 {
		d.unsolicited(d.takeReply()) // its DATA was missed
	}
	return true
}

// anchorAuth anchors at reply i, a 334 or 235: what it answers was a line of an AUTH exchange, whatever it looks like.
func (d *Dialogue) anchorAuth(i int) bool {
	r := d.replies[i]
	n := 0
	for n < len(d.pending) && (d.pending[n].acked == severed || d.pending[n].end <= r.acked) {
		n++
	}
	d.steps(n)
	if n > 0 && r.acked == d.pending[n-1].end && r.end > d.pending[n-1].acked {
		if c := &d.pending[n-1]; c.verb != verbAuth {
			c.verb = verbAuthLine
		}
		d.align(n, i+1, r.start, false)
		return true
	}
	d.settleHole(n, r.start)
	if len(d.replies) > 0 && d.replies[0].code == r.code {
		d.takeReply() // its AUTH was missed, or the line before
		d.auth = d.auth || r.code == 235
		if r.code == 334 {
			d.authLines, d.resync, d.torn, d.small = 1, false, false, false
			if r.acked == d.clientOff {
				d.line = line{} // its end was missed
			}
		}
	}
	return true
}

// anchorMessage anchors at reply i if it is the first behind a message.
func (d *Dialogue) anchorMessage(i int) bool {
	r := d.replies[i]
	for n, c := range d.pending {
		if c.verb != verbEndOfData {
			continue
		}
		d.steps(n)
		if r.end <= c.acked || r.acked < c.end || d.holeEnd > c.acked {
			return false
		}
		if c.bad {
			d.answer(n+1, i+1)
		} else {
			d.align(n+1, i+1, r.start, false)
		}
		return true
	}
	d.steps(len(d.pending))
	if d.state != inData || i > 0 || len(d.pending) > 0 {
		return false
	}
	d.takeReply()
	if r.end > d.bodyAcked || r.code == 421 {
		d.unsolicited(r) // the message's end was missed
	}
	return true
}

// align answers the first n commands with the first m replies, of which the last belong together, at offset x of the
// server. What no hole divides from these is matched beyond doubt. With all, all that the client sent is answered there.
func (d *Dialogue) align(n, m int, x int64, all bool) {
	if x < d.holeEnd {
		d.answer(n, m)
		return
	}
	sure := 0
	for sure < n && sure < m {
		c, r := &d.pending[n-1-sure], &d.replies[m-1-sure]
		if c.acked == severed || c.start < d.clientHoleEnd || !d.whole(r) {
			break
		}
		sure++
	}
	d.steps(sure)
	behind := !all && n > 0 && d.pending[n-1].end < d.clientHoleEnd // what a hole hides is not answered yet
	d.astray = false
	d.answer(n-sure, m-sure)
	if !behind && !d.astray {
		d.inStep()
	}
	for range sure {
		r := d.takeReply()
		d.resolve(d.takePending(), &r)
	}
}

// whole says whether a reply stands behind all holes, head included.
func (d *Dialogue) whole(r *reply) bool {
	return r.start >= d.holeEnd && (!r.torn || d.endsReply(r.start))
}

// endsReply says whether a client that had received the server's bytes up to offset sent a command: a reply ends there.
func (d *Dialogue) endsReply(offset int64) bool {
	d.steps(len(d.pending))
	for _, c := range d.pending {
		if c.acked == offset {
			return true
		}
	}
	return false
}

// repliesUpTo is the number of replies that end at offset x or before.
func (d *Dialogue) repliesUpTo(x int64) (n int) {
	for n < len(d.replies) && d.replies[n].end <= x {
		n++
	}
	d.steps(n)
	return n
}
