package smtp

// awaitsReplies reports whether, after a hole in the client's octets, these cannot be read yet: the client sent them
// when it had received replies that are still to come here, and one of them may say that they are a message.
func (d *Dialogue) awaitsReplies(acked int64) bool {
	toCome := acked > d.server.offset && d.seen[FromServer] && !d.closing
	return toCome && d.sync.uncertain && d.client.state == inCommand && d.backlog.size < d.maxHeld()
}

// mayBeMessage reports whether, after a hole in the client's octets, a message cannot be distinguished from commands
// yet: DATA may have been in the hole, and its reply was missed too. judgeFlight decides it later.
func (d *Dialogue) mayBeMessage() bool {
	unknown := d.sync.clientGap && (!d.seen[FromServer] || d.sync.serverGap)
	return d.client.state == inCommand && unknown && d.client.offset >= d.sync.commandsUntil
}

// judgeFlight looks at what the client sent without receiving anything in between. A client waits for the answer to
// DATA (RFC 2920 section 3.1), so that a message begins a flight; a server answers it only after the lone dot. So a
// flight with a lone dot is a message up to there, one that was answered where it ends is commands, and of one that
// breaks off at a hole nothing is known: it is left unread. It reports whether it could decide.
func (d *Dialogue) judgeFlight() bool {
	if d.backlog.head().lost > 0 {
		return true
	}
	n, kind := d.flightIs()
	switch kind {
	case ofMessage:
		d.sync.judged(d.client.offset + int64(n))
		d.client.beginMessage(body{gap: true, midLine: d.backlog.loneDot() != 3}, 0)
		d.client.presumed()
	case ofCommands:
		d.sync.judged(d.client.offset + int64(n))
	case ofEither:
		d.leaveUnread(int64(n))
	}
	return kind != notWhole
}

// flightKind is what a flight consists of.
type flightKind uint8

const (
	notWhole flightKind = iota // more of it may come
	ofCommands
	ofMessage // up to its lone dot
	ofEither
)

// flightIs looks at the first flight held and returns its length.
func (d *Dialogue) flightIs() (n int, kind flightKind) {
	n, next := d.backlog.flight()
	dot := d.backlog.loneDot()
	if dot == 3 && n > 3 && d.client.hole.torn && !d.match.endsLine(d.client.offset) {
		dot = 0 // it may be the tail of a line
	}
	switch {
	case dot > 0, n >= d.maxHeld()/2:
		return n, ofMessage
	case next != nil && next.lost == 0,
		d.match.answeredAt(d.client.offset+int64(n), d.backlog.head().acked),
		next == nil && d.closing && d.backlog.areCommands():
		return n, ofCommands
	case next != nil || d.closing:
		return n, ofEither
	}
	return n, notWhole
}

// leaveUnread drops the head of what is held like octets that were missed.
func (d *Dialogue) leaveUnread(n int64) {
	d.stats.Unread += n
	d.client.advance(n)
	d.client.leaveUnread()
	d.client.passOver(d.backlog.head().acked)
	d.backlog.releaseFlight(n)
	d.client.dropLine()
	d.sever()
	d.loseLine()
}

// heldIsMessage reports whether the client went on with a message after a DATA whose reply was not seen. Where nothing
// tells, what the client sent is left unread.
func (d *Dialogue) heldIsMessage() bool {
	if d.closed || d.backlog.empty() {
		return false
	}
	n, kind := d.flightIs()
	switch kind {
	case ofMessage:
		return true
	case notWhole:
		return !d.backlog.areCommands()
	case ofEither:
		d.sync.couldNotTell()
		d.mail.tx.sever() // the message may be in the hole
		if n > 0 {
			d.leaveUnread(int64(n))
		}
	}
	return false
}
