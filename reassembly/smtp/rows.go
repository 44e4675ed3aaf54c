package smtp

// settle applies the reply that decides on the message, or, with LMTP, the first one, and ends the transaction with the
// last.
func (d *Dialogue) settle(r *reply) {
	if !d.settleEach(r) {
		d.settleAll(r)
	}
}

// settleAll applies a reply to the message to all recipients that wait for one, and ends the transaction.
func (d *Dialogue) settleAll(r *reply) {
	d.finish(outcomeOf(d.mail.tx.settle(r.code)), r)
}

// outcomeOf is the outcome by the reply to a message.
func outcomeOf(code uint16) Outcome {
	switch {
	case code >= 400:
		return refusal(code)
	case code >= 200 && code < 300:
		return Accepted
	}
	return Unknown
}

// endTransaction ends the open transaction; rows without a refusal of their own get the outcome.
func (d *Dialogue) endTransaction(outcome Outcome) {
	if d.mail.tx == nil {
		return
	}
	if first := d.mail.tx.first; first != nil {
		d.mail.tx.keepFirst(nil)
		if d.closing { // nothing more will come
			d.mail.tx.flag(Gap)
		}
		d.settleAll(first)
		return
	}
	if d.mail.tx.mailCode >= 400 {
		outcome = refusal(d.mail.tx.mailCode)
	}
	d.finish(outcome, nil)
}

// finish emits the transaction's open rows in the order of their RCPTs, or the one of a MAIL without any.
func (d *Dialogue) finish(outcome Outcome, r *reply) {
	tx := d.mail.tx
	d.work.takes(tx.rcpts.len())
	for tx.rcpts.len() > 0 {
		rc := tx.takeRcpt()
		d.emitRow(rc, d.outcomeOf(&rc, outcome, r), r)
	}
	if tx.rows == 0 {
		alone := recipient{t: tx.t, dataCode: tx.dataCode}
		d.emitRow(alone, d.outcomeOf(&alone, outcome, r), r)
	}
	d.stats.Mails[tx.best]++
	d.mail.end()
}

// outcomeOf is the outcome of one recipient, or of a MAIL alone, where the others' is outcome; r is the reply that
// settled the message, nil if the transaction ended without one.
func (d *Dialogue) outcomeOf(rc *recipient, outcome Outcome, r *reply) Outcome {
	switch tx := d.mail.tx; {
	case r == nil && tx.mailCode >= 400:
	case d.missedReplyTo(rc, r != nil):
		return Unknown
	case r == nil && rc.path == nil && tx.severed: // its recipients may be in the hole
		return Unknown
	case r == nil && rc.dataCode >= 400:
		return refusal(rc.dataCode)
	case r == nil && outcome == Aborted && (tx.severed || tx.undecided):
		return Unknown
	}
	return outcome
}

// missedReplyTo reports whether the reply to RCPT was missed, or to a MAIL alone if no reply settled the message: it
// may have been a refusal. A server that accepts a recipient has accepted MAIL.
func (d *Dialogue) missedReplyTo(rc *recipient, settled bool) bool {
	switch tx := d.mail.tx; {
	case rc.path != nil:
		return rc.code == 0 && (settled || rc.flags&Gap != 0 || !d.neverAnswered())
	case settled:
		return false
	default:
		return tx.mailCode == 0 && (tx.flags&Gap != 0 || !d.neverAnswered())
	}
}

// emitRow emits one row of the open transaction. r is the reply that settled the message, if one did.
func (d *Dialogue) emitRow(rc recipient, outcome Outcome, r *reply) {
	tx := d.mail.tx
	tx.countRow(outcome)
	e := d.row(tx, outcome)
	e.Flags |= rc.flags
	if d.session.Midstream && d.lost == 0 && !d.client.unread {
		e.Flags &^= Gap
	}
	e.fromMail(tx)
	e.fromRcpt(&rc, tx.path == nil)
	if rc.code < 400 {
		e.fromMessage(tx, r, rc.dataCode)
	}
	d.emit(e)
}

// fromMail fills in the columns that come from MAIL.
func (e *Envelope) fromMail(tx *transaction) {
	e.MailNo, e.MailCode = tx.mailNo, tx.mailCode
	if tx.path != nil {
		e.MailFrom, e.MailFromRaw = tx.path.mailbox, tx.path.raw
		e.DeclaredSize, e.EnvID = tx.path.size, tx.path.envid
	}
}

// fromRcpt fills in the columns that come from RCPT; first if no MAIL was seen before it.
func (e *Envelope) fromRcpt(rc *recipient, first bool) {
	e.RcptCode = rc.code
	if first && !rc.t.IsZero() {
		e.SeenAt = rc.t
	}
	if rc.path == nil {
		return
	}
	e.RcptTo, e.RcptToRaw = rc.path.mailbox, rc.path.raw
	if o := rc.path.orcpt; o != nil && (e.RcptTo == nil || *o != *e.RcptTo) {
		e.ORcpt = o
	}
}

// fromMessage fills in what became of the message, settled by r; without one, dataCode is that of a DATA that was
// refused.
func (e *rowMemory) fromMessage(tx *transaction, r *reply, dataCode uint16) {
	e.DataCode = dataCode
	if r != nil {
		e.DataCode = tx.dataCode
	}
	if tx.submitted && !tx.missed {
		e.messageBytes = tx.bytes
		e.MessageBytes = &e.messageBytes
	}
	if r != nil && r.queueID != "" && e.Outcome == Accepted {
		e.queueID = r.queueID // a copy: the reply need not outlive this
		e.QueueID = &e.queueID
	}
}

func (d *Dialogue) row(tx *transaction, outcome Outcome) *rowMemory {
	e := d.cfg.Memory.row()
	e.Envelope = Envelope{
		SeenAt: tx.t, Sensor: d.session.Sensor, SessionID: d.session.ID,
		Client: d.session.Client, Server: d.session.Server, Network: d.session.Network,
		OriginIP: tx.origin.ip, OriginPort: tx.origin.port, OriginBy: tx.origin.by,
		HELO: tx.helo, Outcome: outcome, Auth: tx.auth, LostBytes: d.lost, Flags: tx.flags,
	}
	if d.session.Midstream {
		e.Flags |= Midstream
	} else if d.sync.uncertain || d.sync.unsettled && tx.path == nil {
		e.Flags |= Gap
	}
	if d.sync.doubted {
		e.Flags |= Gap
	}
	if d.sync.conflicted {
		e.Flags |= Conflict
	}
	if !d.seen[FromClient] || !d.seen[FromServer] {
		e.Flags |= OneSided
	}
	return e
}

func (d *Dialogue) emit(e *rowMemory) {
	d.stats.Rows[e.Outcome]++
	if d.cfg.Emit != nil {
		d.cfg.Emit(&e.Envelope)
	}
}
