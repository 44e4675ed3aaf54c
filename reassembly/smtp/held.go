package smtp

// run matches replies with commands and reads what was held, until neither leads on.
func (d *Dialogue) run() {
	for {
		d.match()
		if d.blocked && d.mustPresume() {
			d.presume()
			continue
		}
		if d.blocked || len(d.held) == 0 || d.held[0].lost == 0 && d.awaitsReplies(d.held[0]) {
			return
		}
		if d.doubtful() && !d.judgeFlight() {
			return
		}
		d.readHeld()
	}
}

// readHeld reads of what is held as much as can be read now.
func (d *Dialogue) readHeld() {
	for len(d.held) > 0 && !d.blocked {
		p := d.held[0]
		if p.lost > 0 {
			d.release(0)
			d.loseOctets(p)
			d.match() // a 354 may say how to read on
			continue
		}
		if d.awaitsReplies(p) || d.doubtful() {
			return
		}
		n := d.step(p)
		d.clientOff += int64(n)
		d.release(n)
		if d.state == inCommand && len(d.replies) > 0 {
			d.match()
		}
	}
	if len(d.held) == 0 {
		d.held = nil
	}
}

// release drops the first n octets of the first piece held, and the piece when that is all of it.
func (d *Dialogue) release(n int) {
	p := &d.held[0]
	p.data = p.data[n:]
	d.heldSize -= n
	if len(p.data) == 0 {
		d.heldSize -= pieceSize
		d.held = d.held[1:]
	}
}

// pieceSize is what a held piece takes besides its octets.
const pieceSize = 64

// hold keeps a piece until the client is no longer blocked.
func (d *Dialogue) hold(p piece) {
	if d.line.n == 0 && len(d.held) > 0 {
		if last := &d.held[len(d.held)-1]; p.lost == 0 && last.lost == 0 && last.acked == p.acked && last.t.Equal(p.t) {
			last.data = append(last.data, p.data...)
			d.heldSize += len(p.data)
			return
		}
	}
	p.data = append([]byte(nil), p.data...)
	d.held = append(d.held, p)
	d.heldSize += len(p.data) + pieceSize
}

// Starves says whether so much of the client waits for a reply that Dialogue will soon have to go on without it.
func (d *Dialogue) Starves() bool { return d.heldSize > orDefault(d.cfg.MaxHeld, 64<<10)*3/4 }

// mustPresume says whether the reply that the client's bytes wait for cannot come any more.
func (d *Dialogue) mustPresume() bool {
	switch {
	case len(d.held) == 0:
		return false
	case d.heldSize > orDefault(d.cfg.MaxHeld, 64<<10):
		return !d.forgetHeld()
	case d.held[len(d.held)-1].acked == d.held[0].acked:
		return false // its flight may not be whole
	case !d.seen[FromServer]:
		return true
	}
	// Everything up to the hole's end was lost, and the client went on with what it had received there.
	d.steps(len(d.held))
	for _, p := range d.held {
		if p.lost == 0 && (len(d.pending) == 0 || p.acked > d.pending[len(d.pending)-1].acked) {
			return d.holeEnd > 0 && p.acked >= d.holeEnd && p.acked <= d.serverOff
		}
	}
	return false
}

// forgetHeld keeps of what is held no more than how much it was, like octets that were missed: where the client has not
// received the reply yet, it is still to come, and nothing may be taken for it.
func (d *Dialogue) forgetHeld() bool {
	first, last := &d.held[0], &d.held[len(d.held)-1]
	if !d.seen[FromServer] || d.holeEnd > 0 || len(d.pending) == 0 || last.acked > d.pending[len(d.pending)-1].acked {
		return false
	}
	d.count(func(s *Stats) { s.Overflows++ })
	p := piece{t: first.t, acked: first.acked}
	d.steps(len(d.held))
	for _, h := range d.held {
		p.lost += int64(len(h.data)) + h.lost
		p.unread += int64(len(h.data)) + h.unread
	}
	d.held, d.heldSize = []piece{p}, pieceSize
	return true
}

// presume answers the commands that wait with "not seen", the last of them deciding how the client's bytes are read.
func (d *Dialogue) presume() {
	d.count(func(s *Stats) { s.Presumed++ })
	if d.holeEnd > 0 {
		d.settleHole(len(d.pending), d.held[0].acked)
	} else if d.seen[FromServer] && !d.closing { // it is late, or was missed: nobody has said so yet
		d.flag(Gap, false)
		d.serverHole, d.serverGap, d.uncertain, d.missedReply = true, true, true, true
		d.holeEnd = max(d.serverOff, 1)
	}
	d.steps(len(d.pending))
	for len(d.pending) > 0 {
		d.resolve(d.takePending(), nil)
	}
	d.blocked = false
}
