package smtp

// A server that answers a command ended by a bare LF has taken that for a line end. Another reads on: to it, what
// comes after the bare LF is part of the same command and gets no reply. As long as the server has not shown which it
// is, lines after a bare LF are flagged, as is what may have got their replies.

// takesLF notes, at a reply to the first command that waits, whether the server answered where it had received nothing
// but lines with a bare LF since.
func (d *Dialogue) takesLF(r *reply) {
	if d.dialect.takesLF || !d.match.pending.at(0).bareLF {
		return
	}
	if d.match.endsBareLF(r.acked) {
		d.dialect.acceptsLF()
	}
}

// endsBareLF reports whether one of the first commands, all of which end with a bare LF, ends at that offset.
func (m *matcher) endsBareLF(offset int64) bool {
	q, known := &m.pending, &m.recall().bareLFs
	n := q.place(*known)
	from := n
	for n < q.len() && q.at(n).bareLF {
		n++
	}
	*known = q.first + int64(n)
	m.work.steps(n - from)
	i := q.search(0, func(c *command) bool { return !c.bareLF || c.end >= offset })
	return i < n && q.at(i).end == offset
}

// noCommand reports whether the server did not treat the line after a bare LF at the head as a command: a client that
// waits for each reply went on when it had the one to the line before, and the server said nothing until it had
// received that.
func (d *Dialogue) noCommand(r *reply) bool {
	c := d.match.pending.at(0)
	if c.blank {
		return d.noEmptyCommand(r)
	}
	if !c.afterLF || d.dialect.takesLF || d.dialect.grouped {
		return false
	}
	switch {
	case d.match.pending.len() > 1 && d.match.pending.at(1).acked != severed:
		next := d.match.pending.at(1)
		return !next.afterLF && next.acked > c.acked && r.start >= next.acked && r.acked >= next.end
	case d.match.pending.len() == 1 && d.client.blocked && !d.backlog.empty():
		return d.backlog.head().acked > c.acked && r.start >= d.backlog.head().acked && r.acked > c.end
	}
	return false
}

// noEmptyCommand reports whether the server passed over the empty line at the head, as some do: r is none of the
// replies to a line that is no command, or the client had waited for what was due when it went on.
func (d *Dialogue) noEmptyCommand(r *reply) bool {
	switch {
	case r.code < 500 && r.code != 421:
		return true
	case r.code <= 504 || d.dialect.grouped || d.match.pending.len() < 2:
		return false
	}
	c, next := d.match.pending.at(0), d.match.pending.at(1)
	return next.acked != severed && next.acked > c.acked && r.start >= next.acked && r.acked >= next.end
}

// passOver drops the line at the head, which is no command to the server.
func (d *Dialogue) passOver() {
	c := d.match.takeCommand()
	d.client.block(d.client.blocked && d.match.pending.len() > 0)
	if !c.blank {
		d.flag(Smuggling, true)
	}
}

// flagAfterLF flags what comes after a line after a bare LF that took a reply.
func (d *Dialogue) flagAfterLF() {
	if d.dialect.tookReplyAfterLF() {
		d.flag(Smuggling, false)
	}
}

// tooEarly reports whether what the client sent with the command at the head, or after it, is still to come here, and
// tells whether r answers it.
func (d *Dialogue) tooEarly(r *reply) bool {
	c := d.match.pending.at(0)
	if r.acked <= d.client.offset || !d.backlog.empty() || d.closing {
		return false
	}
	of, ok := only(r.code)
	unsure := c.afterLF || c.bareLF && !d.client.blocked
	another := ok && of != c.verb && c.verb != verbOther && !d.client.blocked
	return !d.dialect.takesLF && unsure || another
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

// outOfStep reports whether r cannot answer the command at the head. The one that alone is answered so, if it waits,
// is next then; those before it get no reply.
func (d *Dialogue) outOfStep(r *reply) bool {
	of, ok := only(r.code)
	if !ok {
		return false
	}
	switch d.match.pending.at(0).verb {
	case of, verbAuthLine, verbOther, verbGreeting:
		return false
	}
	n := d.match.next(of) // the first is none
	if n == d.match.pending.len() || d.match.pending.at(n).end > r.acked {
		return false
	}
	d.flag(Gap, true)
	for range n {
		c := d.match.takeCommand()
		d.resolve(&c, nil)
	}
	return true
}
