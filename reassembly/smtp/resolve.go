package smtp

import "math"

// resolve applies a command with its reply; r is nil where none was seen.
func (d *Dialogue) resolve(c *command, r *reply) {
	d.settleBefore(c)
	code := codeOf(r)
	if d.cfg.Trace != nil {
		d.trace(Step{Time: c.t, Verb: verbNames[c.verb], Code: code, Doubted: d.sync.uncertain})
	}
	if c.afterLF && !d.dialect.takesLF {
		c.flags |= Smuggling
	}
	switch c.verb {
	case verbMail:
		d.mailReply(c, code)
	case verbRcpt:
		d.rcptReply(c, code)
	case verbData:
		d.dataReply(c, r)
	case verbEndOfData:
		d.messageReply(c, r)
	case verbBdat:
		d.bdatReply(c, r)
	case verbHello:
		d.helloReply(c, r)
	case verbRset:
		d.rsetReply(c, code)
	case verbBurl:
		d.bdatReply(c, r)
	case verbXclient:
		d.xclientReply(c, code)
	case verbTurn:
		d.turnReply(r)
	case verbXforward:
		if code < 300 {
			d.mail.forwards(*c.client)
		}
	case verbQuit:
		d.endTransaction(d.abort(code))
	case verbAuth, verbAuthLine:
		d.authReply(c, code)
	case verbStartTLS:
		d.startTLSReply(c, r)
	case verbOther:
		d.otherReply(c, r)
	}
	if code == 421 {
		d.leave()
	}
}

// codeOf is the code of a reply, 0 if none was seen.
func codeOf(r *reply) uint16 {
	if r == nil {
		return 0
	}
	return r.code
}

// abort is the outcome of a transaction that a command ended: unknown if the message was given and its reply missed, or
// if the command's own reply was missed.
func (d *Dialogue) abort(code uint16) Outcome {
	if d.unseenReply() || code == 0 && !d.neverAnswered() {
		return Unknown
	}
	return Aborted
}

// unseenReply reports whether the message was given to the server and its reply may have been missed.
func (d *Dialogue) unseenReply() bool {
	tx := d.mail.tx
	return tx != nil && tx.submitted && (!d.seen[FromServer] || d.sync.replyMissed || tx.unheard)
}

// neverAnswered reports whether the connection has ended and the server, all of whose replies were seen since the
// transaction began, never answered what still waits.
func (d *Dialogue) neverAnswered() bool {
	return d.ended && d.seen[FromServer] && !d.sync.replyMissed && !d.sync.uncertain
}

// leftUnanswered sets that outcome if no reply of the session was missed.
func (d *Dialogue) leftUnanswered() bool { return d.neverAnswered() && !d.sync.anyReplyMissed }

// replyMissed reports whether a reply that was not seen may have been missed.
func (d *Dialogue) replyMissed(code uint16) bool {
	return code == 0 && (d.sync.replyMissed || d.sync.uncertain) && d.seen[FromServer]
}

func (d *Dialogue) mailReply(c *command, code uint16) {
	accepted := code >= 200 && code < 300 && !d.sync.uncertain
	tx := d.mail.tx
	nested := tx != nil && tx.path != nil && (tx.open || d.sync.uncertain)
	if nested && code >= 400 && !d.sync.uncertain && !d.sync.unsettled && !tx.severed {
		return // RFC 5321 section 4.1.4
	}
	outcome := d.abort(code)
	if tx != nil && tx.severed {
		outcome = Unknown
	}
	// Where it may be nested in a transaction, known or not, and refused, the recipients after it are nobody's.
	lost := code == 0 && !d.leftUnanswered() || d.sync.uncertain
	undecided := !accepted && (d.sync.unsettled || nested && !tx.submitted && (lost || tx.severed))
	if undecided {
		d.sync.unsettle()
	}
	if undecided && d.seen[FromServer] || d.replyMissed(code) {
		c.flags |= Gap
	}
	if accepted {
		d.sync.settled(c.start)
	}
	d.endTransaction(outcome)
	d.open(c)
	d.mail.tx.answered(code, undecided)
}

// open begins a transaction.
func (d *Dialogue) open(c *command) {
	d.mail.begin(c)
	if d.dialect.mayTakeLF {
		d.mail.tx.flag(Smuggling)
	}
	unknown := d.sync.uncertain || d.sync.unsettled || d.mail.authMissed && !d.mail.auth
	if c.path == nil && d.sync.mailMissed || unknown && !d.session.Midstream {
		d.mail.tx.flag(Gap)
	}
	d.sync.began()
}

func (d *Dialogue) rcptReply(c *command, code uint16) {
	if tx := d.mail.tx; tx != nil && tx.mailCode >= 400 && code >= 200 && code < 300 {
		tx.sever() // its MAIL was nested in a transaction that the server holds
		d.sync.unsettle()
	}
	if tx := d.mail.tx; tx.takesNoRcpt(code) {
		outcome := Unknown
		if d.leftUnanswered() && tx != nil && !tx.severed {
			outcome = Aborted
		}
		d.endTransaction(outcome)
		flags := c.flags
		if !d.session.Midstream && (code >= 200 && code < 300 || code == 0 && d.lost > 0) {
			flags |= Gap // no server accepts a RCPT without MAIL: one was missed
		}
		d.open(&command{t: c.t, flags: flags})
	}
	if d.replyMissed(code) {
		c.flags |= Gap
	}
	d.addRcpt(recipient{t: c.t, path: c.path, code: code, flags: c.flags})
}

// addRcpt adds a recipient to the open transaction. The row of a refused one goes out at once.
func (d *Dialogue) addRcpt(rc recipient) {
	tx := d.mail.tx
	if rc.code >= 400 {
		outcome := refusal(rc.code)
		switch {
		case tx.mailCode >= 400:
			outcome = refusal(tx.mailCode)
		case rc.code == 503 && d.mayHaveMissedMail(&rc):
			outcome = Unknown // the reply to MAIL decides
		}
		d.emitRow(rc, outcome, nil)
		return
	}
	if tx.rcpts.len() >= orDefault(d.cfg.MaxRcpt, 1<<17) {
		d.stats.Overflows++
		tx.flag(Truncated)
		d.emitRow(tx.takeRcpt(), Unknown, nil)
	}
	tx.addRcpt(rc)
}

// mayHaveMissedMail reports whether the MAIL of a recipient, or its reply, may have been missed.
func (d *Dialogue) mayHaveMissedMail(rc *recipient) bool {
	tx := d.mail.tx
	missed := (tx.flags|rc.flags)&Gap != 0 || d.session.Midstream && tx.path == nil
	return tx.mailCode == 0 && missed
}

func refusal(code uint16) Outcome {
	if code >= 500 {
		return Refused
	}
	return Deferred
}

// dataReply applies the reply to DATA and frees the client's octets after it.
func (d *Dialogue) dataReply(c *command, r *reply) {
	d.client.block(false)
	code := codeOf(r)
	if code == 354 && !c.bad && r.end > c.acked && r.acked == c.end && d.sync.serverHoleEnd <= r.start {
		d.goAhead(r)
	}
	if d.sync.uncertain {
		d.sync.unsettle()
		if code != 354 {
			code = 0 // it may be another command's: what the client did tells
		}
	}
	if code >= 400 || code >= 200 && code < 300 {
		if tx := d.mail.tx; tx != nil && code >= 400 {
			if tx.mayBeOver {
				tx.missRefusal() // it is another's
			} else {
				tx.refuse(code)
			}
		}
		return
	}
	if code == 0 && !d.heldIsMessage() {
		if !d.neverAnswered() {
			d.mail.tx.missRefusal()
		}
		return
	}
	if d.messageIsOthers() {
		d.endTransaction(Unknown) // the message is of another, which was missed
	}
	if d.mail.tx == nil {
		d.open(&command{t: c.t, flags: c.flags})
	}
	if code > 0 || !d.leftUnanswered() {
		d.mail.tx.refuse(0)
	}
	d.mail.tx.beginMessage()
	if code == 0 {
		d.client.beginMessage(body{}, 0)
		return
	}
	d.client.beginMessage(body{}, r.end)
	d.client.announced()
}

// messageIsOthers reports whether a message that begins may be that of a transaction which was missed.
func (d *Dialogue) messageIsOthers() bool {
	tx := d.mail.tx
	return tx != nil && (tx.mayBeOver || tx.mailCode >= 400 && d.sync.unsettled)
}

// goAhead takes a 354 that answers the DATA at hand beyond doubt: nothing but DATA is answered so.
func (d *Dialogue) goAhead(r *reply) {
	d.inStep()
	d.agreed()
	d.dialect.asManyReplies()
	d.sync.sawGoAhead(r.end)
	if tx := d.mail.tx; tx != nil && tx.path != nil && tx.flags&Gap == 0 {
		d.dialect.waits()
	}
}

// messageReply applies the reply to the end of data.
func (d *Dialogue) messageReply(c *command, r *reply) {
	begins := d.mail.tx == nil || d.mail.tx.severed           // its MAIL was missed
	replaced := r != nil && c.size < 0 && d.sync.missedBoth() // as may have been the end of a message before it
	if c.flags&Gap != 0 && (begins || replaced) {
		d.endTransaction(Unknown)
		d.open(&command{t: c.t})
	}
	if d.mail.tx == nil {
		return
	}
	if c.end > 0 || d.sync.goAhead > 0 {
		d.sync.settled(c.start)
	}
	if r != nil && r.acked == c.end && !c.bad {
		d.agreed()
	}
	d.mail.tx.endMessage(c)
	switch {
	case r != nil:
		d.settle(r)
	case !d.neverAnswered():
		if d.sync.missedBoth() && d.seen[FromServer] {
			d.mail.tx.missSize() // the message may be another's
		}
		d.mail.tx.missReply()
	}
}

func (d *Dialogue) helloReply(c *command, r *reply) {
	code := codeOf(r)
	if code >= 300 {
		if d.mail.tx != nil && d.sync.uncertain {
			d.mail.tx.sever()
			d.sync.unsettle()
		}
		return
	}
	if !d.sync.uncertain {
		d.sync.settled(c.start)
	} else if d.mail.tx != nil {
		d.sync.unsettle() // it may have been refused
	}
	if r != nil {
		d.dialect.offered(r, !d.sync.uncertain && !r.torn)
	}
	d.dialect.greet(c.last)
	d.endTransaction(d.abort(code))
	d.mail.greeted(c.arg)
}

// rsetReply applies the reply to RSET, which cannot be refused, RFC 5321 section 4.1.1.5.
func (d *Dialogue) rsetReply(c *command, code uint16) {
	if code >= 300 && !d.sync.uncertain {
		return
	}
	d.endTransaction(d.abort(250))
	d.mail.reset()
	if code == 0 && d.sync.uncertain {
		d.sync.unsettle() // it may be a line of AUTH
	} else {
		d.sync.settled(c.start)
	}
}

// xclientReply applies the reply to XCLIENT, after which the session is where it was at the server's greeting.
func (d *Dialogue) xclientReply(c *command, code uint16) {
	if code >= 300 {
		return
	}
	d.endTransaction(d.abort(250))
	d.mail.reintroduced(*c.client)
}

func (d *Dialogue) authReply(c *command, code uint16) {
	d.client.block(false)
	switch {
	case code == 235:
		d.mail.authenticated()
	case code == 334:
		d.client.expectAuthLines(1)
	case code > 0:
	default:
		if d.replyMissed(code) {
			d.mail.missAuth() // 235 may have been missed
		}
		if c.verb == verbAuth && c.arg != nil {
			d.client.expectAuthLines(presumedAuthLines(*c.arg, c.last))
		}
	}
}

// presumedAuthLines is how many lines follow an AUTH whose replies were not seen.
func presumedAuthLines(mechanism string, initial bool) int {
	n := 1
	switch mechanism {
	case "LOGIN", "DIGEST-MD5", "NTLM":
		n = 2
	case "GSSAPI":
		n = 3
	}
	if initial {
		n--
	}
	return n
}

// otherReply applies the reply to a command that is not known, or was not read whole.
func (d *Dialogue) otherReply(c *command, r *reply) {
	code := codeOf(r)
	switch {
	case !c.bad && code == 354 && d.match.pending.len() == 0 && r.acked == d.client.offset:
		d.client.beginChunk(math.MaxInt64) // of a size unknown: XEXCH50 and its kin; the next reply ends it
		d.client.refuseChunk()
	case !c.bad:
	case code == 354:
		d.blindData(*r) // it was DATA
	case code < 400:
		d.mail.tx.sever() // it may have ended the transaction, or begun another
	}
}
