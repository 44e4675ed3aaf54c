package smtp

// awaitsReplies says whether, behind a hole in the client's bytes, these cannot be read yet: the client sent them when
// it had received replies that are still to come here, and one of them may say that they are a message.
func (d *Dialogue) awaitsReplies(acked int64) bool {
	return d.sync.uncertain && d.state == inCommand && acked > d.serverOff && d.seen[FromServer] && !d.closing &&
		d.heldSize < orDefault(d.cfg.MaxHeld, 64<<10)
}

// doubtful says whether, behind a hole in the client's bytes, nothing tells a message from commands yet: DATA may have
// been in the hole, and its reply was missed too. judgeFlight then tells.
func (d *Dialogue) doubtful() bool {
	return d.state == inCommand && d.sync.clientGap && d.clientOff >= d.sync.commandsUntil && (!d.seen[FromServer] || d.sync.serverGap)
}

// judgeFlight looks at what the client sent without receiving anything in between. A client waits for the answer to DATA
// (RFC 2920 section 3.1), so that a message begins a flight; a server answers it only behind the lone dot. So a flight
// with a lone dot is a message up to there, one that was answered where it ends is commands, and of one that breaks off
// at a hole nothing is known: it is left unread. It says whether it could tell.
func (d *Dialogue) judgeFlight() bool {
	if d.held.at(0).lost > 0 {
		return true
	}
	n, kind := d.flightIs()
	switch kind {
	case ofMessage:
		d.sync.judged(d.clientOff + int64(n))
		d.beginMessage(body{gap: true, midLine: d.loneDot() != 3})
		d.doubt = true
	case ofCommands:
		d.sync.judged(d.clientOff + int64(n))
	case ofEither:
		d.leaveUnread(int64(n))
	}
	return kind != notWhole
}

// flightKind says of what a flight is.
type flightKind uint8

// flightIs looks at the first flight held and returns its length.
func (d *Dialogue) flightIs() (n int, kind flightKind) {
	n, next := d.flight()
	dot := d.loneDot()
	if dot == 3 && n > 3 && d.torn && !d.endsLine(d.clientOff) {
		dot = 0 // it may be the tail of a line
	}
	switch {
	case dot > 0, n >= orDefault(d.cfg.MaxHeld, 64<<10)/2:
		return n, ofMessage
	case next != nil && next.lost == 0, d.answeredAt(d.clientOff + int64(n)), next == nil && d.closing && d.areCommands():
		return n, ofCommands
	case next != nil || d.closing:
		return n, ofEither
	}
	return n, notWhole
}

// answeredAt says whether the server, when it had received the client's bytes up to end and no more, answered what the
// client had sent last. 4xx and 5xx do not count: a server may break a message off with them.
func (d *Dialogue) answeredAt(end int64) bool {
	least := d.held.at(0).acked
	sorted := d.replies.place(d.recall().disorder[FromServer])
	for i := range sorted {
		if r := d.replies.at(i); r.acked == end && r.code < 400 && r.end > least {
			d.steps(i + 1)
			return true
		}
	}
	d.steps(sorted)
	from := d.replies.search(sorted, func(r *reply) bool { return r.acked >= end && r.end > least })
	to := d.replies.search(from, func(r *reply) bool { return r.acked > end })
	return from < to && d.replies.at(to-1).fine > d.replies.first+int64(from)
}

// leaveUnread drops the head of what is held like octets that were missed.
func (d *Dialogue) leaveUnread(n int64) {
	d.count(func(s *Stats) { s.Unread += n })
	d.clientOff += n
	d.unread, d.passedOver = true, max(d.passedOver, d.held.at(0).acked+1)
	for n > 0 {
		d.steps(1)
		piece := len(d.held.at(0).data)
		d.release(piece)
		n -= int64(piece)
	}
	d.line = line{}
	d.sever()
	d.loseLine()
}

// heldIsMessage says whether the client went on with a message after a DATA whose reply was not seen. Where nothing tells,
// what the client sent is left unread.
func (d *Dialogue) heldIsMessage() bool {
	if d.closed || d.held.len() == 0 {
		return false
	}
	n, kind := d.flightIs()
	switch kind {
	case ofMessage:
		return true
	case notWhole:
		return !d.areCommands()
	case ofEither:
		d.sync.couldNotTell()
		if d.tx != nil {
			d.tx.severed = true // the message may be in the hole
		}
		if n > 0 {
			d.leaveUnread(int64(n))
		}
	}
	return false
}
