package smtp

// What TCP knows of a connection and reports to its dialogue.

// MissedGreeting records that it is not known how much the server had said before the client's first bytes: to be
// called before these.
func (d *Dialogue) MissedGreeting() {
	d.match.dropCommands() // its reply, or the hole where it stood, comes before all that is read
	d.sync.missedReplies(0)
}

// Conflict records that overlapping segments with different bytes were met in that direction. Where those that were
// read were not those that counted, replies may go to other commands than they seem to, until 354 or the reply to a
// message shows where both sides stand: every row in between has the flag.
func (d *Dialogue) Conflict(dir Direction) {
	if d.turned != nil {
		d.turned.dialogue.Conflict(d.turned.direction(dir))
		return
	}
	if d.cfg.Trace != nil {
		d.trace(Step{From: dir})
	}
	d.flag(Conflict, true)
	d.sync.conflict()
}

// agreed notes that an exchange that cannot be another has shown where both sides stand.
func (d *Dialogue) agreed() {
	if d.sync.conflicted {
		d.flag(Conflict, false)
		d.sync.agree()
	}
}

// MayHaveMissed records that the capture lost packets since the last byte of this dialogue, perhaps of it: what is open
// when it is closed may have gone on, or begun with more.
func (d *Dialogue) MayHaveMissed() {
	if d.closed {
		return
	}
	if d.turned != nil {
		d.turned.dialogue.MayHaveMissed()
		return
	}
	d.flag(Gap, false)
	d.mail.flagNext(Gap)
}

// Doubt records that bytes may have been missed at the beginning. Every row is flagged.
func (d *Dialogue) Doubt() {
	d.sync.doubt()
	if d.turned != nil {
		d.turned.dialogue.Doubt()
	}
}

// Unsent says, before Close, that the last n octets of the client were never received: commands among them are none.
func (d *Dialogue) Unsent(n int64) {
	if d.turned != nil {
		if !d.turned.flipped {
			d.turned.dialogue.Unsent(n)
		}
		return
	}
	from := d.client.offset + d.backlog.octets - n
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
	d.client.block(false)
	d.flag(Conflict, false)
}

// Rename changes the identification and the network of the session, as rows from now on have them.
func (d *Dialogue) Rename(id int64, network string) {
	if d.session.ID, d.session.Network = id, network; d.turned != nil {
		d.turned.dialogue.Rename(id, network)
	}
}

// Begun records that the beginning of the session was captured after all.
func (d *Dialogue) Begun() {
	if d.session.Midstream = false; d.turned != nil {
		d.turned.dialogue.Begun()
	}
}

// EmitTo gives rows from now on to a function in place of Config.Emit.
func (d *Dialogue) EmitTo(emit func(*Envelope)) {
	cfg := *d.cfg
	cfg.Emit = emit
	if d.cfg = &cfg; d.turned != nil {
		d.turned.dialogue.EmitTo(emit)
	}
}
