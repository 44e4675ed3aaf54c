package smtp

// unsolicited takes a reply that answers no command that was seen.
func (d *Dialogue) unsolicited(r reply) {
	d.stats.Unsolicited++
	if r.code >= 500 && d.head.end > 0 && r.acked == d.head.end {
		d.mail.proxied(origin{}) // the server knows no PROXY protocol: its header names nobody
	}
	if d.state == inData && r.code != 421 && r.acked <= d.messageAt {
		return // sent before the message was
	}
	blind := !d.seen[FromClient] || d.sync.uncertain || d.session.Midstream
	switch {
	case d.state == inData && d.doubt:
		d.state, d.resync, d.doubt = inCommand, true, false
		d.line = line{}
		d.endTransaction(Unknown)
	case d.state == inData && d.surplus:
		if r.code < 400 { // it took what was passed over for commands
			d.readSurplus()
		}
	case d.state == inData && r.code == 421:
		d.surplus = true
		d.endTransaction(Aborted)
	case d.state == inData:
		// The server settled the message: its end was in a hole, or it took one that RFC 5321 does not know.
		c := command{verb: verbEndOfData, t: r.t, size: -1, flags: Gap}
		if !d.body.gap {
			c.flags = 0
			if r.code < 300 || d.body.smuggling {
				c.flags = Smuggling
			}
		}
		if d.surplus = d.sure && !d.body.gap && r.code >= 400; !d.surplus {
			d.state, d.resync = inCommand, true
		}
		if d.body.gap {
			d.sync.lostEndOfData()
		}
		d.line = line{}
		d.resolve(c, &r)
	case d.state == inChunk && d.chunkRefused && r.acked-d.clientOff <= d.chunkLeft && r.code != 421:
		d.readSurplus() // it answers something within the octets that it had refused
	case d.mail.tx != nil && d.mail.tx.blindData:
		d.mail.tx.endUnseen()
		d.settle(&r)
	case r.code == 354 && blind:
		d.blindData(r)
	case r.code == 354 && d.seen[FromClient] && d.state == inCommand && r.acked == d.clientOff && !d.smuggled:
		d.flag(Gap, false) // what the client sends next is a message, whatever was read before it
		d.blindData(r)
		d.mail.tx.flag(Gap)
	case r.code == 354 && d.smuggled && d.mail.tx == nil: // the server took a DATA out of the message before
		d.open(command{t: r.t, flags: Smuggling})
		d.mail.tx.beginUnseen()
	case r.code == 421:
		d.endTransaction(Aborted)
	}
}

// readSurplus goes back to commands where the server took what was passed over behind a message that it had refused for
// commands: these were missed.
func (d *Dialogue) readSurplus() {
	d.state, d.surplus, d.resync, d.torn = inCommand, false, true, true
	d.sync.lostCommands()
	d.line = line{}
}

// blindData opens the data of a transaction whose DATA was not seen.
func (d *Dialogue) blindData(r reply) {
	if d.severNext && d.clientOff != r.acked {
		d.severNow()
	}
	if d.mail.tx == nil || d.mail.tx.severed {
		d.endTransaction(Unknown)
		d.open(command{t: r.t})
	}
	if d.seen[FromClient] {
		if d.clientOff == r.acked { // the message begins here
			d.severNext = false // the hole was DATA
			if d.sync.serverHoleEnd <= r.start {
				d.inStep()
				d.sync.sawGoAhead(r.end)
			}
			d.beginMessage(body{})
			return
		}
		d.beginMessage(body{gap: true, midLine: true})
		d.messageAt = r.acked
		d.mail.tx.lose()
		return
	}
	d.mail.tx.beginUnseen()
}
