package smtp

// run matches replies with commands and reads what was held, until neither leads on.
func (d *Dialogue) run() {
	for {
		d.matchReplies()
		if d.judgeAside() {
			continue
		}
		if d.client.blocked && d.mustPresume() {
			d.presume()
			continue
		}
		if d.client.blocked || d.backlog.empty() || d.backlog.hasData() && d.awaitsReplies(d.backlog.head().acked) {
			return
		}
		if d.mayBeMessage() && !d.judgeFlight() {
			return
		}
		d.readHeld()
	}
}

// readHeld reads of what is held as much as can be read now.
func (d *Dialogue) readHeld() {
	for !d.backlog.empty() && !d.client.blocked {
		p := *d.backlog.head()
		if p.lost > 0 {
			d.backlog.release(0)
			d.loseOctets(p)
			d.matchReplies() // a 354 may say how to read on
			continue
		}
		if d.awaitsReplies(p.acked) || d.mayBeMessage() {
			return
		}
		n := d.step(&p)
		d.client.advance(int64(n))
		d.backlog.release(n)
		if d.client.state == inCommand && d.match.replies.len() > 0 {
			d.matchReplies()
		}
	}
}

// hold keeps a piece until the client is no longer blocked.
func (d *Dialogue) hold(p piece) { d.backlog.hold(p, d.client.offset, d.client.line.n == 0) }

// heldAfter is the first piece held that the client sent when it had received more than when it sent its last command,
// nil if there is none.
func (d *Dialogue) heldAfter() *piece {
	if d.match.pending.len() == 0 {
		return d.backlog.first()
	}
	return d.backlog.after(d.match.pending.last().acked, d.match.pending.end())
}

// Starves reports whether so much of the client waits for a reply that Dialogue will soon have to go on without it.
func (d *Dialogue) Starves() bool {
	if d.turned != nil {
		return !d.turned.flipped && d.turned.dialogue.Starves()
	}
	return d.backlog.size > d.maxHeld()*3/4
}

func (d *Dialogue) maxHeld() int { return orDefault(d.cfg.MaxHeld, 64<<10) }

// mustPresume reports whether the reply that the client's octets wait for cannot come any more.
func (d *Dialogue) mustPresume() bool {
	switch {
	case d.backlog.empty():
		return false
	case d.backlog.size > d.maxHeld():
		return !d.forgetHeld()
	case d.backlog.oneFlight():
		return false // it may not be whole
	case !d.seen[FromServer]:
		return true
	}
	// Everything up to the hole's end was lost, and the client went on with what it had received there.
	p := d.heldAfter()
	return p != nil && d.sync.serverHoleEnd > 0 && p.acked >= d.sync.serverHoleEnd && p.acked <= d.server.offset
}

// forgetHeld replaces the backlog by a hole of the same length if the client has not received the reply yet: then that
// is still to come, and nothing may be taken for it.
func (d *Dialogue) forgetHeld() bool {
	last := d.backlog.pieces.last()
	if !d.seen[FromServer] || d.sync.serverHoleEnd > 0 || d.match.pending.len() == 0 ||
		last.acked > d.match.pending.last().acked {
		return false
	}
	d.stats.Overflows++
	d.backlog.collapse()
	return true
}

// presume answers the commands that wait with "not seen", the last of them deciding how the client's octets are read.
func (d *Dialogue) presume() {
	d.stats.Presumed++
	if d.sync.serverHoleEnd > 0 {
		d.answerBefore(d.match.pending.len(), d.backlog.head().acked)
	} else if d.seen[FromServer] && !d.closing { // it is late, or was missed: nobody has said so yet
		d.flag(Gap, false)
		d.sync.missedReplies(max(d.server.offset, 1))
	}
	d.giveUpPending()
	d.client.block(false)
}

// giveUpPending answers all commands that wait with "not seen".
func (d *Dialogue) giveUpPending() {
	d.work.takes(d.match.pending.len())
	for d.match.pending.len() > 0 {
		c := d.match.takeCommand()
		d.resolve(&c, nil)
	}
}

// giveUp answers all commands that wait with "not seen", and takes all replies that wait for missed: to tell which
// belong together has cost more than was paid for.
func (d *Dialogue) giveUp() {
	d.stats.GivenUp++
	d.flag(Gap, true)
	for d.match.replies.len() > 0 {
		d.forgetReply()
	}
	d.sync.missedReplies(0)
	d.giveUpPending()
	d.sync.matchAfresh(d.server.offset)
	d.client.block(false)
	d.work.forgive()
}
