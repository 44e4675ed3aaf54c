package smtp

import "bytes"

// awaitsReplies says whether, behind a hole in the client's bytes, these cannot be read yet: the client sent them when
// it had received replies that are still to come here, and one of them may say that they are a message.
func (d *Dialogue) awaitsReplies(p piece) bool {
	return d.uncertain && d.state == inCommand && p.acked > d.serverOff && d.seen[FromServer] && !d.closing &&
		d.heldSize < orDefault(d.cfg.MaxHeld, 64<<10)
}

// doubtful says whether, behind a hole in the client's bytes, nothing tells a message from commands yet: DATA may have
// been in the hole, and its reply was missed too. judgeFlight then tells.
func (d *Dialogue) doubtful() bool {
	return d.state == inCommand && d.clientGap && d.clientOff >= d.sureUntil && (!d.seen[FromServer] || d.serverGap)
}

// judgeFlight looks at what the client sent without receiving anything in between. A client waits for the answer to DATA
// (RFC 2920 section 3.1), so that a message begins a flight; a server answers it only behind the lone dot. So a flight
// with a lone dot is a message up to there, one that was answered where it ends is commands, and of one that breaks off
// at a hole nothing is known: it is left unread. It says whether it could tell.
func (d *Dialogue) judgeFlight() bool {
	if d.held[0].lost > 0 {
		return true
	}
	n, kind := d.flightIs()
	switch kind {
	case ofMessage:
		d.sureUntil = d.clientOff + int64(n)
		flight, _ := d.flight()
		d.beginMessage(body{gap: true, midLine: loneDot(flight) != 3})
		d.doubt = true
	case ofCommands:
		d.sureUntil = d.clientOff + int64(n)
	case ofEither:
		d.leaveUnread(int64(n))
	}
	return kind != notWhole
}

// flightKind says of what a flight is.
type flightKind uint8

// flightIs looks at the first flight held and returns its length.
func (d *Dialogue) flightIs() (n int, kind flightKind) {
	flight, next := d.flight()
	n = len(flight)
	dot := loneDot(flight)
	if dot == 3 && n > 3 && d.torn && !d.endsLine(d.clientOff) {
		dot = 0 // it may be the tail of a line
	}
	switch {
	case dot > 0, n >= orDefault(d.cfg.MaxHeld, 64<<10)/2:
		return n, ofMessage
	case next != nil && next.lost == 0, d.answeredAt(d.clientOff + int64(n)), next == nil && d.closing && isCommands(flight):
		return n, ofCommands
	case next != nil || d.closing:
		return n, ofEither
	}
	return n, notWhole
}

// answeredAt says whether the server, when it had received the client's bytes up to end and no more, answered what the
// client had sent last. 4xx and 5xx do not count: a server may break a message off with them.
func (d *Dialogue) answeredAt(end int64) bool {
	d.steps(len(d.replies))
	for _, r := range d.replies {
		if r.acked == end && r.code < 400 && r.end > d.held[0].acked {
			return true
		}
	}
	return false
}

// leaveUnread drops the head of what is held like octets that were missed.
func (d *Dialogue) leaveUnread(n int64) {
	d.count(func(s *Stats) { s.Unread += n })
	d.clientOff += n
	d.unread, d.passedOver = true, max(d.passedOver, d.held[0].acked+1)
	for n > 0 {
		d.steps(1)
		piece := len(d.held[0].data)
		d.release(piece)
		n -= int64(piece)
	}
	d.line = line{}
	d.sever()
	d.loseLine()
}

// loneDot returns the offset behind the last line of b that is a dot alone, 0 if there is none.
func loneDot(b []byte) int {
	if i := bytes.LastIndex(b, []byte("\n.\r\n")); i >= 0 {
		return i + 4
	}
	if bytes.HasPrefix(b, []byte(".\r\n")) {
		return 3
	}
	return 0
}

// flight returns the bytes held that were sent with one acknowledgment, and what is held behind them.
func (d *Dialogue) flight() (b []byte, next *piece) {
	for i := range d.held {
		if p := &d.held[i]; p.lost > 0 || p.acked != d.held[0].acked {
			return b, p
		}
		b = append(b, d.held[i].data...)
		d.steps(1 + len(d.held[i].data))
	}
	return b, nil
}

// heldIsMessage says whether the client went on with a message after a DATA whose reply was not seen. Where nothing tells,
// what the client sent is left unread.
func (d *Dialogue) heldIsMessage() bool {
	if d.closed || len(d.held) == 0 {
		return false
	}
	n, kind := d.flightIs()
	switch kind {
	case ofMessage:
		return true
	case notWhole:
		flight, _ := d.flight()
		return !isCommands(flight)
	case ofEither:
		d.astray, d.clientGap, d.serverGap = true, true, true
		if d.tx != nil {
			d.tx.severed = true // the message may be in the hole
		}
		if n > 0 {
			d.leaveUnread(int64(n))
		}
	}
	return false
}

func isCommands(flight []byte) bool {
	if !bytes.HasSuffix(flight, []byte("\n")) {
		return false
	}
	for line := range bytes.Lines(flight) {
		word, rest := cutWord(trimLineEnd(line))
		switch v := verbOf(word); {
		case (v == verbRset || v == verbQuit || v == verbData) && len(rest) == 0, v == verbBdat, v == verbHello && len(rest) > 0:
		case v == verbOther && bytes.EqualFold(word, []byte("NOOP")):
		case v == verbMail && parsePath(rest, "from", false) != nil:
		case v == verbRcpt && parsePath(rest, "to", false) != nil:
		default:
			return false
		}
	}
	return true
}
