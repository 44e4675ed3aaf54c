package smtp

// anchor looks, where octets were missed, for a command and a reply that belong together beyond doubt, and matches all
// before them from there backwards. It reports whether it led on.
//
//   - 354 answers DATA, 334 and 235 AUTH, 221 QUIT, 220 STARTTLS, and nothing else does.
//   - Between 354 and the end of the message a server says nothing: the first reply that the client had not received when
//     it sent the final dot answers the message.
//   - Every client waits for the replies to DATA, AUTH and STARTTLS (RFC 2920 section 3.1): what it sends next shows how
//     far the replies to all its commands go.
func (d *Dialogue) anchor() bool {
	message := d.match.next(verbEndOfData)
	i := d.anchorFrom(message)
	for ; i < d.match.replies.len(); i++ {
		d.work.steps(1)
		r := d.match.replies.at(i)
		if r.code == 220 && d.startsTLS(r) {
			d.align(d.match.pending.len(), i+1, r.start, false)
			return true
		}
		if r.acked > d.client.offset {
			break // it answers octets that are not read yet
		}
		if d.anchorAt(i, message) {
			return true
		}
	}
	d.match.looked(min(i, d.match.replies.len()-1)) // the last may be one to QUIT
	return d.anchorAhead() || d.anchorBehind()
}

// anchorAt anchors at reply i, if it belongs to a command beyond doubt; the end of data that waits first is at place
// message.
func (d *Dialogue) anchorAt(i, message int) bool {
	switch r := d.match.replies.at(i); {
	case r.code == 354:
		return d.anchorGoAhead(i)
	case r.code == 334 || r.code == 235:
		return d.anchorAuth(i)
	case r.code == 221 && d.match.lastIs(verbQuit) && i == d.match.replies.len()-1:
		d.align(d.match.pending.len(), i+1, r.start, false)
		return true
	}
	return d.anchorMessage(i, message)
}

// anchorAhead anchors at the command that blocks, where what the client sent next shows how far the replies go.
func (d *Dialogue) anchorAhead() bool {
	if !d.client.blocked || !d.backlog.hasData() || d.match.pending.len() == 0 {
		return false
	}
	x, last := d.backlog.head().acked, d.match.pending.last()
	m := d.match.repliesUpTo(x)
	if x <= last.acked || x > d.server.offset || !d.flightTells(last, m) {
		return false
	}
	d.align(d.match.pending.len(), m, x, true)
	return true
}

// startsTLS reports whether reply r, a 220, answers the STARTTLS that waits.
func (d *Dialogue) startsTLS(r *reply) bool {
	if !d.client.blocked || !d.match.lastIs(verbStartTLS) {
		return false
	}
	last := d.match.pending.last()
	n, _ := d.backlog.flight() // what was sent with it, by somebody on the way
	return r.end > last.acked && r.acked >= last.end && r.acked <= last.end+int64(n)
}

// anchored is how far anchor has looked, so that it does not look again at replies that lead nowhere.
type anchored struct {
	reply   int64 // number of the first that is to be looked at
	message int64 // number of the first end of data that waited, plus one
	hole    int64 // certainty.serverHoleEnd
	off     int64 // clientReader.offset: those looked at answer nothing after it
}

// look notes where both sides are when anchor looks.
func (a *anchored) look(hole, off int64) { a.hole, a.off = hole, off }

// lookFor notes which end of data is the first.
func (a *anchored) lookFor(message int64) { a.message = message }

// passed notes the number of the first reply that is to be looked at.
func (a *anchored) passed(reply int64) { a.reply = reply }

// looked notes that anchor has looked at the replies before the i-th.
func (m *matcher) looked(i int) { m.recall().anchored.passed(m.replies.first + int64(i)) }

// anchorFrom is the place of the first reply that may be an anchor; that of the first end of data that waits is n. A
// reply that was looked at may be one now if another end of data is the first, or no hole stands before it any more.
func (d *Dialogue) anchorFrom(n int) int {
	a := &d.match.recall().anchored
	i := d.match.replies.place(a.reply)
	number := d.match.pending.first + int64(n) + 1
	switch {
	case n == d.match.pending.len():
		if d.client.state == inData && n == 0 {
			i = 0
		}
	case number != a.message || d.sync.serverHoleEnd < a.hole:
		a.lookFor(number)
		if c := d.match.pending.at(n); c.end <= a.off && d.sync.serverHoleEnd <= c.acked {
			i = min(i, d.match.replies.search(0, func(r *reply) bool { return r.end > c.acked }))
		}
	}
	a.look(d.sync.serverHoleEnd, d.client.offset)
	return i
}

// anchorBehind anchors at the command that blocks where octets were missed right after it: the server had not received
// more than the command when it answered it.
func (d *Dialogue) anchorBehind() bool {
	if !d.client.blocked || !d.backlog.hasHole() || d.match.pending.len() == 0 {
		return false
	}
	last := d.match.pending.last()
	m := d.match.repliesTo(last.end)
	later := m < d.match.replies.len() || d.backlog.leastAcked() <= d.server.offset
	if !later {
		return false
	}
	x := last.acked
	if m > 0 {
		x = d.match.replies.at(m - 1).start
	}
	d.align(d.match.pending.len(), m, x, false)
	return true
}

// flightTells reports whether what is held tells commands from a message, where last is DATA and its reply was missed.
func (d *Dialogue) flightTells(last *command, replies int) bool {
	if last.verb != verbData {
		return true
	}
	if replies > 0 {
		if r := d.match.replies.at(replies - 1); d.whole(r) && r.start >= last.acked {
			return true
		}
	}
	_, kind := d.flightIs()
	return kind != notWhole
}

// anchorGoAhead anchors at reply i, a 354.
func (d *Dialogue) anchorGoAhead(i int) bool {
	r := *d.match.replies.at(i)
	n := d.match.upTo(r.acked)
	if d.match.endsWith(n, &r) && d.match.pending.at(n-1).verb == verbData {
		d.align(n, i+1, r.start, false)
		return true
	}
	d.answerBefore(n, r.start)
	if d.match.replies.len() > 0 && d.match.replies.at(0).code == 354 {
		d.unsolicited(d.match.takeReply()) // its DATA was missed
	}
	return true
}

// anchorAuth anchors at reply i, a 334 or 235: what it answers was a line of an AUTH exchange, whatever it looks like.
func (d *Dialogue) anchorAuth(i int) bool {
	r := *d.match.replies.at(i)
	n := d.match.upTo(r.acked)
	if d.match.endsWith(n, &r) {
		if d.match.pending.at(n-1).verb != verbAuth {
			d.match.isAuthLine(n - 1)
		}
		d.align(n, i+1, r.start, false)
		return true
	}
	d.answerBefore(n, r.start)
	if d.match.replies.len() > 0 && d.match.replies.at(0).code == r.code {
		d.match.takeReply() // its AUTH was missed, or the line before
		d.authAlone(&r)
	}
	return true
}

// authAlone takes a 334 or 235 to a line of AUTH that was missed.
func (d *Dialogue) authAlone(r *reply) {
	if r.code == 235 {
		d.mail.authenticated()
		return
	}
	d.client.expectAuthLines(1)
	d.client.resynced()
	d.client.lineRead()
	if r.acked == d.client.offset {
		d.client.dropLine() // its end was missed
	}
}

// anchorMessage anchors at reply i if it is the first after a message, whose end waits at place n.
func (d *Dialogue) anchorMessage(i, n int) bool {
	r := *d.match.replies.at(i)
	if n < d.match.pending.len() {
		c := d.match.pending.at(n)
		switch {
		case r.end <= c.acked || r.acked < c.end || d.sync.serverHoleEnd > c.acked:
			return false
		case c.bad: // it is the reply to a message, if there was one
			d.answer(n, i)
			d.resolveFirst()
		default:
			d.align(n+1, i+1, r.start, false)
		}
		return true
	}
	if d.client.state != inData || i > 0 || d.match.pending.len() > 0 {
		return false
	}
	if m := &d.client.message; m.body.gap && r.acked > m.at && (d.sync.serverHoleEnd > m.acked || r.code == 221) {
		d.missBoth()
		return true
	}
	d.match.takeReply()
	if r.end > d.client.message.acked || r.code == 421 {
		d.unsolicited(r) // the message's end was missed
	}
	return true
}

// align answers the first n commands with the first m replies, of which the last belong together, at offset x of the
// server. What no hole divides from these is matched beyond doubt. With all, all that the client sent is answered
// there.
func (d *Dialogue) align(n, m int, x int64, all bool) {
	if x < d.sync.serverHoleEnd {
		d.answer(n, m)
		return
	}
	sure := 0
	for sure < n && sure < m {
		c, r := d.match.pending.at(n-1-sure), d.match.replies.at(m-1-sure)
		if (all || sure > 0) && (c.acked == severed || c.start < d.sync.clientHoleEnd || !d.whole(r)) {
			break
		}
		if (d.dialect.lmtp || d.dialect.lhlo) && c.endsMessage() && (all || sure > 0) {
			break // its number of replies is not known
		}
		sure++
	}
	d.work.steps(sure)
	// what a hole hides is not answered yet
	behind := !all && n > 0 && d.match.pending.at(n-1).end < d.sync.clientHoleEnd
	d.sync.align()
	d.answer(n-sure, m-sure)
	if !d.sync.hidesMail() {
		d.mail.tx.goesOn()
	}
	if !behind && !d.sync.ambiguous {
		d.inStep()
	}
	for range sure {
		d.resolveFirst()
	}
}

// answer answers the first n commands with the first m replies, of which nothing shows which belongs to which: a hole
// divides them from what is certain before them, and from what is certain after them. So the commands have no reply
// that was seen, and the replies answer nothing.
func (d *Dialogue) answer(n, m int) {
	for range m {
		d.sync.answersNothing()
		d.unsolicited(d.match.takeReply())
	}
	for range n {
		if d.match.pending.len() == 0 {
			return // a reply before them has reversed the roles
		}
		if c := d.match.takeCommand(); c.acked == severed {
			d.mail.tx.sever()
		} else {
			d.resolve(&c, nil)
		}
	}
}

// resolveFirst answers the first command with the first reply. There are none if a reply before them has encrypted the
// session, or reversed its roles.
func (d *Dialogue) resolveFirst() {
	if d.match.replies.len() == 0 || d.match.pending.len() == 0 {
		return
	}
	r := d.match.takeReply()
	c := d.match.takeCommand()
	d.resolve(&c, &r)
}

// whole reports whether a reply comes after all holes, head included.
func (d *Dialogue) whole(r *reply) bool {
	return r.start >= d.sync.serverHoleEnd && (!r.torn || d.match.endsReply(r.start))
}

// inStep notes that both sides are where the parser takes them to be, whatever was missed before.
func (d *Dialogue) inStep() {
	if d.guessing {
		return
	}
	if d.mail.tx != nil && d.sync.uncertain {
		d.mail.tx.caughtUp(d.sync.replyMissed)
	}
	d.sync.inStep(d.mail.tx != nil)
}

// catchUp looks, after a hole, for the moment at which every command has been answered: the client begins a line, and
// it waits for each reply, or its last command was one for whose reply every client waits.
func (d *Dialogue) catchUp(c *command) {
	acked := c.acked
	if acked < d.client.spoke && !c.afterLF {
		d.dialect.groups() // it cannot have had the reply to the command before
	}
	if d.guessing || !d.sync.uncertain || !d.seen[FromServer] {
		return
	}
	if acked < d.sync.serverHoleEnd || acked > d.server.offset || acked == 0 {
		return
	}
	if acked < d.client.passedOver {
		return // what was passed over in this flight is answered too
	}
	if !d.dialect.lockStep() && !d.waitsFor(acked) {
		return
	}
	d.align(d.match.pending.len(), d.match.repliesUpTo(acked), acked, true)
}

// waitsFor reports whether the last command is one for whose reply every client waits, and the client had it when it
// had received acked octets. No hole after that command may hide a line of the same flight.
func (d *Dialogue) waitsFor(acked int64) bool {
	if !d.match.lastIs(verbHello) && !d.match.lastIs(verbData) {
		return false
	}
	last := d.match.pending.last()
	return !last.bad && last.acked < acked && d.sync.clientHoleEnd <= last.end
}
