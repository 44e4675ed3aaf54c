package smtp

// settle applies the reply that decides on the message, and ends the transaction.
func (d *Dialogue) settle(r *reply) {
	code := d.mail.tx.settle(r.code)
	outcome := Unknown
	switch {
	case code >= 400:
		outcome = refusal(code)
	case code >= 200 && code < 300:
		outcome = Accepted
	}
	d.finish(outcome, r)
}

// endTransaction ends the open transaction; rows without a refusal of their own get the outcome.
func (d *Dialogue) endTransaction(outcome Outcome) {
	if d.mail.tx == nil {
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
		d.emitRow(rc, tx.outcomeOf(&rc, outcome, r), r)
	}
	if tx.rows == 0 {
		alone := recipient{t: tx.t, dataCode: tx.dataCode}
		d.emitRow(alone, tx.outcomeOf(&alone, outcome, r), r)
	}
	d.mail.end()
}

// outcomeOf is the outcome of one recipient, or of a MAIL alone, where the others' is outcome; r is the reply that settled the
// message, nil where the transaction ended without one.
func (tx *transaction) outcomeOf(rc *recipient, outcome Outcome, r *reply) Outcome {
	switch {
	case r != nil && outcome == Accepted && rc.code == 0 && rc.path != nil:
		return Unknown // the message was taken; whether for this recipient was not seen
	case r == nil && tx.mailCode < 400 && rc.dataCode >= 400:
		return refusal(rc.dataCode)
	}
	return outcome
}

// emitRow emits one row of the open transaction. r is the reply that settled the message, if one did.
func (d *Dialogue) emitRow(rc recipient, outcome Outcome, r *reply) {
	tx := d.mail.tx
	tx.countRow()
	e := d.row(tx, outcome)
	e.MailNo, e.MailCode, e.RcptCode = tx.mailNo, tx.mailCode, rc.code
	e.Flags |= rc.flags
	if d.session.Midstream && d.lost == 0 && !d.client.unread {
		e.Flags &^= Gap
	}
	if tx.path == nil && !rc.t.IsZero() {
		e.SeenAt = rc.t
	}
	if tx.path != nil {
		e.MailFrom, e.MailFromRaw = tx.path.mailbox, tx.path.raw
		e.DeclaredSize, e.EnvID = tx.path.size, tx.path.envid
	}
	if rc.path != nil {
		e.RcptTo, e.RcptToRaw = rc.path.mailbox, rc.path.raw
		if o := rc.path.orcpt; o != nil && (e.RcptTo == nil || *o != *e.RcptTo) {
			e.ORcpt = o
		}
	}
	if rc.code < 400 {
		e.DataCode = tx.dataCode
		if r == nil {
			e.DataCode = rc.dataCode
		}
		if tx.submitted && !tx.missed {
			n := tx.bytes
			e.MessageBytes = &n
		}
	}
	if r != nil && r.queueID != "" && outcome == Accepted {
		id := r.queueID // a copy: the reply need not outlive this
		e.QueueID = &id
	}
	d.emit(e)
}

func (d *Dialogue) row(tx *transaction, outcome Outcome) *Envelope {
	e := &Envelope{
		SeenAt: tx.t, Sensor: d.session.Sensor, SessionID: d.session.ID, Client: d.session.Client, Server: d.session.Server,
		Network: d.session.Network,
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

func (d *Dialogue) emit(e *Envelope) {
	d.stats.Rows[e.Outcome]++
	if d.cfg.Emit != nil {
		d.cfg.Emit(e)
	}
}
