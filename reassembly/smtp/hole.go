package smtp

import "bytes"

func (d *Dialogue) loseOctets(p piece) {
	d.lost += p.lost - p.unread
	if p.unread > 0 {
		d.unread = true
		d.stats.Unread += p.unread
	}
	d.clientOff += p.lost
	d.loseClient(p)
}

// missEnd ends a message whose end is in a hole: the client has received something since.
func (d *Dialogue) missEnd() {
	if d.surplus {
		d.state, d.surplus = inCommand, false
		d.loseLine()
		return
	}
	c := command{verb: verbEndOfData, t: d.now, acked: d.bodyAcked, size: -1, flags: Gap}
	if d.body.smuggling {
		c.flags |= Smuggling
	}
	d.state = inCommand
	d.loseLine()
	d.sync.lostEndOfData()
	d.await(c)
}

// loseClient reads on behind a hole in the client's bytes.
func (d *Dialogue) loseClient(p piece) {
	again := d.sync.clientHoleEnd == d.clientOff-p.lost && d.resync && d.line.n == 0 // the hole goes on
	if d.head.open {
		if p.lost = d.loseHead(p.lost); p.lost == 0 {
			return
		}
	}
	d.sync.lostClient(d.clientOff)
	switch d.state {
	case inData:
		d.flag(Gap, false)
		d.sync.lostBody()
		d.body.lose()
		return
	case inChunk:
		d.flag(Gap, false)
		d.mail.tx.lose()
		d.match.markChunks()
		if p.lost < d.chunkLeft {
			d.chunkLeft -= p.lost
			return
		}
		p.lost -= d.chunkLeft
		d.chunkLeft, d.state = 0, inCommand
		if p.lost == 0 {
			return
		}
	case inHello:
		d.flag(Gap, false)
		d.emitDark()
		d.state = inDark
		return
	case inDark:
		return
	}
	d.flag(Gap, false)
	d.sync.lostCommands()
	d.authLines = 0
	d.loseCommands(p.lost, again)
}

// loseCommands takes a hole among commands; again says that it goes on from the one before.
func (d *Dialogue) loseCommands(n int64, again bool) {
	if !again {
		d.holeSize, d.holeFirst = 0, !d.resync
	}
	d.holeSize += n
	l := &d.line
	if l.n > 0 && n < shortestReset && !d.resync && !l.holed {
		l.holed, l.hole = true, len(l.buf)
		return
	}
	whole := d.holeFirst && l.n == 0 // the hole begins with a line
	d.severNext = whole && d.holeSize == shortestReset
	if !d.severNext && (!d.holeFirst || l.holed || d.holeSize+l.n >= shortestReset) {
		d.sever()
	}
	d.small = whole && d.holeSize < shortestReset
	d.loseLine()
}

// loseLine begins afresh at the next line that is a command beyond doubt.
func (d *Dialogue) loseLine() {
	if d.line.n > 0 {
		d.passedOver = max(d.passedOver, d.line.acked+1)
	}
	d.resync, d.torn, d.behindLF = true, true, false
	d.line = line{}
	d.sync.lostClient(d.clientOff)
}

// shortestReset is the length of "RSET" CRLF: a smaller hole hides no command that ends a transaction.
const shortestReset = 6

// sever closes the open transaction to commands behind a hole that may have ended it and begun another.
func (d *Dialogue) sever() {
	if d.match.pending.len() == 0 {
		d.mail.tx.sever()
	}
	d.await(command{verb: verbOther, bad: true, acked: severed})
}

func (d *Dialogue) severNow() {
	d.severNext = false
	d.sever()
}

// endHoledLine takes a line whose end is in a hole, and no more than that.
func (d *Dialogue) endHoledLine() {
	l := d.line
	d.line = line{}
	word, rest := cutWord(l.buf)
	c := command{verb: verbOf(word), t: l.t, acked: l.acked, start: d.clientOff - l.n, end: d.clientOff, flags: Gap, bad: true}
	switch {
	case c.verb == verbMail && parsePath(rest, "from", false) != nil, c.verb == verbRcpt && parsePath(rest, "to", false) != nil:
		c.path, c.bad = &path{}, false
	case c.verb == verbHello && len(rest) > 0:
		c.bad = false
	default:
		c.verb = verbOther
		d.sever()
	}
	d.await(c)
}

// holedCommand takes a line of which octets were missed for what it must have been, without an argument: no address is
// made of pieces that were not adjacent.
func (d *Dialogue) holedCommand(text []byte, hole int, c command) {
	if d.proxyCommand(text, &c, true) {
		return
	}
	c.flags |= Gap
	tail := bytes.ToUpper(text[min(hole, len(text)):])
	if bytes.Contains(tail, []byte("FROM")) || !bytes.Contains(tail, []byte(">")) {
		d.sever() // the hole may hide a line end, and the tail be that of MAIL or RSET
	}
	word, rest := cutWord(text)
	switch c.verb = verbOf(word); {
	case c.verb == verbMail && parsePath(rest, "from", false) != nil, c.verb == verbRcpt && parsePath(rest, "to", false) != nil:
		c.path = &path{}
	case c.verb == verbHello:
	default:
		c.verb, c.bad = verbOther, true
		if bytes.Contains(tail, []byte("TO:")) && !bytes.Contains(tail, []byte("FROM")) {
			c.verb, c.path = verbRcpt, &path{}
		}
		d.sever()
	}
	d.await(c)
}

// loseCommand takes the tail of a command whose head was missed.
func (d *Dialogue) loseCommand(text []byte, c command) {
	c.bad = true
	c.flags |= Gap
	switch upper := bytes.ToUpper(text); {
	case !d.small:
		d.passedOver = max(d.passedOver, c.acked+1)
		d.sever()
		return
	case bytes.Contains(upper, []byte("TO:")) && !bytes.Contains(upper, []byte("FROM")):
		c.verb, c.path = verbRcpt, &path{}
	default:
		d.sever() // it may have been MAIL or RSET
	}
	d.await(c)
}

// MayHaveMissed says that the capture lost packets since the last byte of this dialogue, perhaps of it: what is open
// when it is closed may have gone on, or begun with more.
func (d *Dialogue) MayHaveMissed() {
	if d.closed {
		return
	}
	d.flag(Gap, false)
	d.mail.flagNext(Gap)
}

// Doubt says that bytes may have been missed at the beginning. Every row is flagged.
func (d *Dialogue) Doubt() { d.sync.doubt() }

// Unsent says, before Close, that the last n bytes of the client were never received: commands among them are none.
func (d *Dialogue) Unsent(n int64) {
	from := d.clientOff + d.backlog.octets - n
	i := d.match.pending.len()
	for i > 0 && d.match.pending.at(i-1).start >= from {
		if i--; d.match.pending.at(i).verb == verbEndOfData {
			return
		}
	}
	d.work.steps(d.match.pending.len() - i)
	if i == d.match.pending.len() {
		return
	}
	d.match.cut(i)
	d.backlog.drop()
	d.blocked = false
	d.flag(Conflict, false)
}
