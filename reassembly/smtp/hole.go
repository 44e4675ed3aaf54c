package smtp

import "bytes"

// loseOctets takes a hole in the client's octets that comes next.
func (d *Dialogue) loseOctets(p piece) {
	d.lost += p.lost - p.unread
	if p.unread > 0 {
		d.client.leaveUnread()
		d.stats.Unread += p.unread
	}
	d.client.advance(p.lost)
	d.loseClient(p.lost)
}

// missEnd ends a message whose end is in a hole: the client has received something since.
func (d *Dialogue) missEnd() {
	m := &d.client.message
	if m.surplus {
		d.client.endSurplus()
		d.loseLine()
		return
	}
	c := command{verb: verbEndOfData, t: d.now, acked: m.acked, size: -1, flags: Gap}
	if m.body.smuggling {
		c.flags |= Smuggling
	}
	d.client.missEnd()
	d.loseLine()
	d.sync.lostEndOfData()
	d.await(&c)
}

// missBoth ends a message of which the end may be in a hole, and the reply in another.
func (d *Dialogue) missBoth() {
	c := command{verb: verbEndOfData, t: d.now, size: -1, flags: Gap}
	d.sync.lostEndOfData()
	d.client.leaveMessage()
	d.resolve(&c, nil)
}

// loseClient reads on after a hole of n octets.
func (d *Dialogue) loseClient(n int64) {
	if d.head.open {
		if n = d.loseHead(n); n == 0 {
			return
		}
	}
	goesOn := d.sync.clientHoleEnd == d.client.offset-n
	again := goesOn && d.client.hole.resync && d.client.line.n == 0
	d.sync.lostClient(d.client.offset)
	if d.client.state == inDark {
		return
	}
	d.flag(Gap, false)
	switch d.client.state {
	case inData:
		d.sync.lostBody(d.client.offset - n)
		d.client.loseBody()
		return
	case inChunk:
		d.mail.tx.lose()
		d.match.markChunks()
		if n = d.client.loseChunk(n); n == 0 {
			return
		}
	case inHello:
		d.emitEncrypted()
		d.client.encrypted()
		return
	}
	d.sync.lostCommands(d.client.offset - n)
	d.client.expectAuthLines(0)
	d.loseCommands(n, again)
}

// loseCommands takes a hole among commands; again says that it goes on from the one before.
func (d *Dialogue) loseCommands(n int64, again bool) {
	if d.client.loseInLine(n, again) {
		return
	}
	if d.client.loseLines() {
		d.sever()
	}
	d.loseLine()
}

// loseLine begins afresh at the next line that is a command beyond doubt.
func (d *Dialogue) loseLine() {
	d.client.loseLine()
	d.sync.lostClient(d.client.offset)
}

// sever closes the open transaction to commands after a hole that may have ended it and begun another.
func (d *Dialogue) sever() {
	if d.match.pending.len() == 0 {
		d.mail.tx.sever()
	}
	d.await(&command{verb: verbOther, bad: true, acked: severed})
}

func (d *Dialogue) severNow() {
	d.client.wasData()
	d.sever()
}

// endHoledLine takes a line whose end is in a hole, and no more than that.
func (d *Dialogue) endHoledLine() {
	l := d.client.line
	d.client.dropLine()
	word, rest := cutWord(l.buf)
	end := d.client.offset
	c := command{verb: verbOf(word), t: l.t, acked: l.acked, start: end - l.n, end: end, flags: Gap, bad: true}
	switch {
	case c.verb.hasPath(rest):
		c.path, c.bad = &path{}, false
	case c.verb == verbHello && len(rest) > 0:
		c.bad = false
	default:
		c.verb = verbOther
		d.sever()
	}
	d.await(&c)
}

// holedCommand takes a line of which octets were missed for what it must have been, without an argument: no address is
// made of pieces that were not adjacent.
func (d *Dialogue) holedCommand(text []byte, hole int, c *command) {
	if d.proxyCommand(text, c, true) {
		return
	}
	c.flags |= Gap
	tail := bytes.ToUpper(text[min(hole, len(text)):])
	if bytes.Contains(tail, []byte("FROM")) || !bytes.Contains(tail, []byte(">")) {
		d.sever() // the hole may hide a line end, and the tail be that of MAIL or RSET
	}
	word, rest := cutWord(text)
	switch c.verb = verbOf(word); {
	case c.verb.hasPath(rest):
		c.path = &path{}
	case c.verb == verbHello:
	default:
		c.verb, c.bad = verbOther, true
		if isRcptTail(tail) {
			c.verb, c.path = verbRcpt, &path{}
		}
		d.sever()
	}
	d.await(c)
}

// loseCommand takes the tail of a command whose head was missed.
func (d *Dialogue) loseCommand(text []byte, c *command) {
	c.bad = true
	c.flags |= Gap
	switch upper := bytes.ToUpper(text); {
	case !d.client.hole.small:
		d.client.passOver(c.acked)
		d.sever()
		return
	case isRcptTail(upper):
		c.verb, c.path = verbRcpt, &path{}
	default:
		d.sever() // it may have been MAIL or RSET
	}
	d.await(c)
}

// isRcptTail reports whether the end of a line, in capitals, can only be that of RCPT.
func isRcptTail(tail []byte) bool {
	return bytes.Contains(tail, []byte("TO:")) && !bytes.Contains(tail, []byte("FROM"))
}
