package smtp

// A server that answers a command ended by a bare LF has taken that for a line end. One that has not takes what stands behind
// it for the same command, so that the lines behind a bare LF are none to it and have no replies. As long as it has not
// shown which it is, such lines are *doubtful*: they are flagged, as is what may have got their replies.

// takesLF notes, at a reply to the first command that waits, whether the server answered where it had received nothing but
// lines with a bare LF since.
func (d *Dialogue) takesLF(r *reply) {
	if d.lfTaken || !d.pending.at(0).bareLF {
		return
	}
	q := &d.pending
	m := d.recall()
	n := q.place(m.bareLFs)
	from := n
	for n < q.len() && q.at(n).bareLF {
		n++
	}
	m.bareLFs = q.first + int64(n)
	d.steps(n - from)
	if i := q.search(0, func(c *command) bool { return !c.bareLF || c.end >= r.acked }); i < n && q.at(i).end == r.acked {
		d.lfTaken, d.lfDoubt = true, false
	}
}

// noCommand says whether the doubtful line at the head is none to the server: a client that waits for each reply went on when
// it had the one to the line before, and the server said nothing until it had received that.
func (d *Dialogue) noCommand(r *reply) bool {
	c := d.pending.at(0)
	if !c.doubtful || d.lfTaken || d.pace.grouped {
		return false
	}
	switch {
	case d.pending.len() > 1 && d.pending.at(1).acked != severed:
		next := d.pending.at(1)
		return !next.doubtful && next.acked > c.acked && r.start >= next.acked && r.acked >= next.end
	case d.pending.len() == 1 && d.blocked && d.held.len() > 0:
		return d.held.at(0).acked > c.acked && r.start >= d.held.at(0).acked && r.acked > c.end
	}
	return false
}

// passOver drops the doubtful line at the head, which is no command.
func (d *Dialogue) passOver() {
	d.takePending()
	d.blocked = d.blocked && d.pending.len() > 0
	d.flag(Smuggling, true)
}

// doubtLines flags what stands behind a doubtful line that took a reply.
func (d *Dialogue) doubtLines() {
	if !d.lfDoubt {
		d.lfDoubt = true
		d.flag(Smuggling, false)
	}
}

// tooEarly says whether what the client sent with the command at the head, or behind it, is still to come here, and tells
// whether r answers it.
func (d *Dialogue) tooEarly(r *reply) bool {
	c := d.pending.at(0)
	if r.acked <= d.clientOff || d.held.len() > 0 || d.closing {
		return false
	}
	of, ok := only(r.code)
	return !d.lfTaken && (c.doubtful || c.bareLF && !d.blocked) || ok && of != c.verb && c.verb != verbOther && !d.blocked
}

// only gives the command that alone is answered by a code.
func only(code uint16) (verb, bool) {
	switch code {
	case 354:
		return verbData, true
	case 334, 235:
		return verbAuth, true
	case 221:
		return verbQuit, true
	}
	return 0, false
}

// outOfStep says whether r cannot answer the command at the head. The one that alone is answered so, if it waits, is next
// then; those before it get no reply.
func (d *Dialogue) outOfStep(r *reply) bool {
	of, ok := only(r.code)
	if !ok {
		return false
	}
	switch d.pending.at(0).verb {
	case of, verbAuthLine, verbOther, verbGreeting:
		return false
	}
	n := d.next(of) // the first is none
	if n == d.pending.len() || d.pending.at(n).end > r.acked {
		return false
	}
	d.flag(Gap, true)
	for range n {
		d.resolve(d.takePending(), nil)
	}
	return true
}
