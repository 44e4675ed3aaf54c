package smtp

// unsolicited takes a reply that answers no command that was seen.
func (d *Dialogue) unsolicited(r reply) {
	d.stats.Unsolicited++
	if r.code >= 500 && d.head.end > 0 && r.acked == d.head.end {
		d.mail.proxied(origin{}) // the server knows no PROXY protocol: its header names nobody
	}
	chunk := &d.client.chunk
	switch {
	case d.client.state == inData:
		d.unsolicitedInMessage(r)
	case d.client.state == inChunk && chunk.refused && r.acked-d.client.offset <= chunk.left && r.code != 421:
		d.readSurplus() // it answers something within the octets that it had refused
	case d.mail.tx != nil && d.mail.tx.blindData:
		d.mail.tx.endUnseen()
		d.settle(&r)
	case r.code == 354:
		d.unsolicitedGoAhead(r)
	case r.code == 421:
		d.leave()
	}
}

// leave ends the transaction at a 421. While it is not certain what that answers, the server may have ended another.
func (d *Dialogue) leave() {
	if d.sync.uncertain {
		d.sync.unsettle()
	}
	d.endTransaction(Aborted)
}

// unsolicitedInMessage takes a reply that comes before the end of the message.
func (d *Dialogue) unsolicitedInMessage(r reply) {
	m := &d.client.message
	switch {
	case r.code != 421 && r.acked <= m.at: // sent before the message was
	case m.presumed:
		d.client.leaveMessage()
		d.endTransaction(Unknown)
	case m.surplus:
		if r.code < 400 { // it took what was passed over for commands
			d.readSurplus()
		}
	case r.code == 421:
		d.client.refuseMessage()
		d.endTransaction(Aborted)
	default:
		d.settledEarly(r)
	}
}

// settledEarly takes the reply to a message whose end was not seen: it was in a hole, or the server took one that RFC
// 5321 does not know.
func (d *Dialogue) settledEarly(r reply) {
	m := &d.client.message
	c := command{verb: verbEndOfData, t: r.t, size: -1}
	switch {
	case m.body.gap:
		c.flags = Gap
		d.sync.lostEndOfData()
	case r.code < 300 || m.body.smuggling:
		c.flags = Smuggling
	}
	if m.announced && !m.body.gap && r.code >= 400 {
		d.client.refuseMessage()
		d.client.dropLine()
	} else {
		d.client.leaveMessage()
	}
	d.resolve(&c, &r)
}

// unsolicitedGoAhead takes a 354 whose DATA was not seen.
func (d *Dialogue) unsolicitedGoAhead(r reply) {
	smuggled := d.client.smuggled || d.client.messageEnd > 0 && d.client.messageEnd == r.acked
	switch {
	case !d.seen[FromClient] || d.sync.uncertain || d.session.Midstream:
		d.blindData(r)
	case d.client.state == inCommand && r.acked == d.client.offset && !smuggled:
		d.flag(Gap, false) // what the client sends next is a message, whatever was read before it
		d.blindData(r)
		d.mail.tx.flag(Gap)
	case smuggled && d.mail.tx == nil: // the server took a DATA out of the message before
		d.open(&command{t: r.t, flags: Smuggling})
		d.mail.tx.beginUnseen()
	}
}

// readSurplus goes back to commands if the server took what was passed over after a message that it had refused for
// commands: these were missed.
func (d *Dialogue) readSurplus() {
	d.client.leaveSurplus()
	d.sync.lostCommands(d.client.offset)
}

// blindData opens the data of a transaction whose DATA was not seen.
func (d *Dialogue) blindData(r reply) {
	here := d.client.offset == r.acked // the message begins with what comes next
	if d.client.hole.severNext && !here {
		d.severNow()
	}
	if d.mail.tx == nil || d.mail.tx.severed {
		d.endTransaction(Unknown)
		d.open(&command{t: r.t})
	}
	switch {
	case !d.seen[FromClient]:
		d.mail.tx.beginUnseen()
	case here:
		d.client.wasData()
		if d.sync.serverHoleEnd <= r.start {
			d.inStep()
			d.sync.sawGoAhead(r.end)
		}
		d.client.beginMessage(body{}, r.end)
	default:
		d.client.beginMessage(body{gap: true, midLine: true}, r.end)
		d.client.beganAt(r.acked)
		d.mail.tx.lose()
	}
}
