package smtp

// With LMTP (RFC 2033 section 4.2) the server answers a message once for each recipient that it has accepted, in their
// order.

// settleEach applies the first reply to a message of LMTP, or of what may be LMTP, and reports whether that was all
// that is to be done: more follow, or an unknown number.
func (d *Dialogue) settleEach(r *reply) bool {
	tx := d.mail.tx
	n, unknown := tx.finals()
	d.work.takes(tx.rcpts.len())
	missed := d.sync.uncertain || tx.severed || tx.unheard || tx.path == nil || tx.flags&Truncated != 0
	switch {
	case d.dialect.lmtp && (unknown > 0 || missed):
		tx.flag(Gap)
		d.finish(Unknown, nil)
		d.sync.missedReplies(r.end)
		return true
	case d.dialect.lmtp && n > 1:
		tx.await(n, r)
		d.settleNext(r)
		return true
	case n > 1 && !d.dialect.greeted && !missed && (d.lost > 0 || d.session.Midstream): // it may have been LHLO
		tx.await(n, r)
		tx.keepFirst(r)
		return true
	}
	return false
}

// settleNext applies a reply to the message to the first recipient whose reply is still to come.
func (d *Dialogue) settleNext(r *reply) {
	tx := d.mail.tx
	if last := tx.settled(r); last {
		d.settleAll(r)
		return
	}
	outcome := outcomeOf(tx.settle(r.code))
	rc := tx.takeRcpt()
	d.emitRow(rc, d.outcomeOf(&rc, outcome, r), r)
	if r.code == 421 {
		d.endTransaction(Aborted)
	}
}

// awaitsFinal reports whether the first reply that waits answers a message for one of its recipients, as far as is
// known.
func (d *Dialogue) awaitsFinal() bool {
	tx := d.mail.tx
	return tx != nil && tx.awaited > 0 && d.match.replies.len() > 0
}

// takeFinal takes that reply, and reports whether it could: not before what the client sent has come too.
func (d *Dialogue) takeFinal() bool {
	r := d.match.replies.at(0)
	switch {
	case r.acked > d.client.offset && (d.backlog.empty() || !d.client.blocked) && d.seen[FromClient] && !d.closing:
		return false
	case d.mail.tx.first != nil:
		d.tellLMTP(r)
	case d.skipsFinals(r):
		d.endTransaction(Unknown)
	default:
		final := d.match.takeReply()
		d.settleNext(&final)
	}
	return true
}

// tellLMTP finds out, by the reply that comes after the first one to a message, if the client, whose greeting was
// missed, speaks LMTP: it is another one to the message if the client waited for it.
func (d *Dialogue) tellLMTP(r *reply) {
	first := d.mail.tx.first
	d.mail.tx.keepFirst(nil)
	switch {
	case r.code == 421:
		d.mail.tx.flag(Gap)
		d.settleAll(first)
	case d.sync.uncertain: // it may answer what is in a hole
		d.mail.tx.flag(Gap)
		d.finish(Unknown, nil)
	case r.code == 221 || d.skipsFinals(r):
		d.dialect.greet(false)
		d.settleAll(first)
	case d.match.pending.len() > 0: // sent with the end of data, as clients of LMTP hardly do
		d.settleAll(first)
	default:
		d.dialect.greet(true)
		d.settleNext(first)
	}
}

// settleBefore settles a message of which the first reply was kept, before a command that the client sent later is
// dealt with: it speaks no LMTP if it had that reply and went on.
func (d *Dialogue) settleBefore(c *command) {
	tx := d.mail.tx
	if tx == nil || tx.first == nil {
		return
	}
	first := tx.first
	if tx.keepFirst(nil); c.acked < tx.lastFinal && d.closing {
		tx.flag(Gap)
	}
	d.settleAll(first)
}

// skipsFinals reports whether the server has sent all its replies to the message: the client had the replies so
// far, and went on, and r answers what it sent then.
func (d *Dialogue) skipsFinals(r *reply) bool {
	if d.match.pending.len() == 0 {
		return false
	}
	next := d.match.pending.at(0)
	return next.acked != severed && next.acked >= d.mail.tx.lastFinal && r.start >= next.acked && r.acked >= next.end
}

// cutFinals gives up the replies to a message that are still to come, since a hole may hide some of them.
func (d *Dialogue) cutFinals() {
	if tx := d.mail.tx; tx != nil && tx.awaited > 0 {
		tx.flag(Gap)
		d.endTransaction(Unknown)
	}
}

// finals is how many recipients the server has accepted, and of how many that is not known.
func (tx *transaction) finals() (accepted, unknown int) {
	for i := range tx.rcpts.len() {
		if code := tx.rcpts.at(i).code; code >= 200 && code < 300 {
			accepted++
		} else {
			unknown++
		}
	}
	return accepted, unknown
}

// await notes that n replies to the message are to come, of which r is the first.
func (tx *transaction) await(n int, r *reply) {
	tx.awaited, tx.lastFinal, tx.chunkCode = n, r.end, tx.dataCode
}

// keepFirst keeps the first reply to the message until the next one shows if there are more.
func (tx *transaction) keepFirst(r *reply) {
	if tx.first = nil; r != nil {
		kept := *r
		tx.first = &kept
	}
}

// settled counts a reply to the message, and reports whether it is the last.
func (tx *transaction) settled(r *reply) (last bool) {
	tx.awaited--
	tx.lastFinal, tx.dataCode = r.end, tx.chunkCode
	return tx.awaited == 0
}
