package smtp

// pace is what is known of how a client waits for replies. A client either groups commands (RFC 2920) in every session or
// waits for each reply; one that has sent a whole mail so is taken at its habit.
type pace struct {
	plain   bool // the server did not offer PIPELINING
	grouped bool // a command was sent before the reply to the one before it had been received
	waited  bool // a mail was sent without that
}

// lockStep says whether the client waits for each reply before it sends the next command.
func (p pace) lockStep() bool { return !p.grouped && (p.plain || p.waited) }

// inStep notes that both sides stand where the parser thinks they do, whatever was missed before.
func (d *Dialogue) inStep() {
	if d.guessing {
		return
	}
	if d.tx != nil && d.uncertain {
		d.tx.flags |= Gap
		d.tx.unheard = d.tx.unheard || d.serverHole
	}
	d.unsettled = d.unsettled || d.uncertain && d.tx != nil
	d.uncertain, d.clientGap, d.serverGap, d.serverHole, d.holeEnd = false, false, false, false, 0
}

// settled notes that command c shows what transaction the server holds open, unless a hole stands behind it.
func (d *Dialogue) settled(c command) {
	if c.start >= d.clientHoleEnd {
		d.unsettled = false
	}
}

// catchUp looks, behind a hole, for the moment at which every command has been answered: the client begins a line, and it
// waits for each reply, or its last command was one for whose reply every client waits.
func (d *Dialogue) catchUp(c *command) {
	acked := c.acked
	if acked < d.spoke && !c.doubtful {
		d.pace.grouped = true // it cannot have had the reply to the command before
	}
	if d.guessing || !d.uncertain || !d.seen[FromServer] || acked < d.holeEnd || acked > d.serverOff || acked == 0 {
		return
	}
	if acked < d.passedOver {
		return // what was passed over in this flight is answered too
	}
	last := command{acked: severed}
	if n := d.pending.len(); n > 0 {
		last = *d.pending.last()
	}
	waitsNow := (last.verb == verbHello || last.verb == verbData) && !last.bad && last.acked < acked && d.clientHoleEnd <= last.end
	if !d.pace.lockStep() && !waitsNow { // nor where a hole behind it may hide a line of this flight
		return
	}
	d.align(d.pending.len(), d.repliesUpTo(acked), acked, true)
}

// endsLine says whether the server has answered the client's bytes up to offset: they end with a line then.
func (d *Dialogue) endsLine(offset int64) bool {
	for _, f := range d.flights {
		if f == offset {
			return true
		}
	}
	return false
}
