package smtp

import "math"

// run matches replies with commands and reads what was held, until neither leads on.
func (d *Dialogue) run() {
	for {
		d.match()
		if d.blocked && d.mustPresume() {
			d.presume()
			continue
		}
		if d.blocked || d.held.len() == 0 || d.held.at(0).lost == 0 && d.awaitsReplies(d.held.at(0).acked) {
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
	for d.held.len() > 0 && !d.blocked {
		p := *d.held.at(0)
		if p.lost > 0 {
			d.release(0)
			d.loseOctets(p)
			d.match() // a 354 may say how to read on
			continue
		}
		if d.awaitsReplies(p.acked) || d.doubtful() {
			return
		}
		n := d.step(p)
		d.clientOff += int64(n)
		d.release(n)
		if d.state == inCommand && d.replies.len() > 0 {
			d.match()
		}
	}
}

// release drops the first n octets of the first piece held, and the piece when that is all of it.
func (d *Dialogue) release(n int) {
	p := d.held.at(0)
	if n > 0 {
		d.heldMidLine = p.data[n-1] != '\n'
	}
	p.data = p.data[n:]
	p.off += int64(n)
	d.heldSize -= n
	d.heldOctets -= int64(n)
	if len(p.data) == 0 {
		d.heldSize -= pieceSize
		d.heldOctets -= p.lost
		d.held.pop()
	}
}

// pieceSize is what a held piece takes besides its octets.
const pieceSize = 64

// hold keeps a piece until the client is no longer blocked.
func (d *Dialogue) hold(p piece) {
	p.off = d.clientOff + d.heldOctets
	d.heldOctets += int64(len(p.data)) + p.lost
	if d.line.n == 0 && d.held.len() > 0 {
		if last := d.held.last(); p.lost == 0 && last.lost == 0 && last.acked == p.acked && last.t.Equal(p.t) {
			last.data = append(last.data, p.data...)
			d.heldSize += len(p.data)
			return
		}
	}
	if p.lost == 0 {
		h := &d.recall().held
		if d.held.len() > 0 && p.acked < h.acked {
			h.fell = d.held.end()
		}
		h.acked = p.acked
	}
	p.data = append([]byte(nil), p.data...)
	d.held.push(p)
	d.heldSize += len(p.data) + pieceSize
}

func (d *Dialogue) dropHeld() {
	d.held.drop()
	d.heldSize, d.heldOctets = 0, 0
}

// firstHeld is the place of the first piece held that was not missed, how many there are if none.
func (d *Dialogue) firstHeld() int {
	h := &d.recall().held
	i := d.held.place(h.data)
	from := i
	for i < d.held.len() && d.held.at(i).lost > 0 {
		i++
	}
	h.data = d.held.first + int64(i)
	d.steps(i - from)
	return i
}

// heldLeast is the least that the client had received when it sent any piece held.
func (d *Dialogue) heldLeast() int64 {
	i := d.firstHeld()
	if i == d.held.len() {
		return math.MaxInt64
	}
	least := d.held.at(i).acked
	last := d.held.place(d.recall().held.fell)
	for ; i < last; i++ { // the one after that counts too
		if p := d.held.at(i + 1); p.lost == 0 {
			least = min(least, p.acked)
		}
		d.steps(1)
	}
	return least
}

// heldAfter is the first piece held that the client sent when it had received more than when it sent its last command, nil if there
// is none.
func (d *Dialogue) heldAfter() *piece {
	if d.pending.len() == 0 {
		if i := d.firstHeld(); i < d.held.len() {
			return d.held.at(i)
		}
		return nil
	}
	h := &d.recall().held
	if h.command != d.pending.end() {
		h.command, h.looked = d.pending.end(), 0
	}
	from := d.held.place(h.looked)
	i := from
	for ; i < d.held.len(); i++ {
		if p := d.held.at(i); p.lost == 0 && p.acked > d.pending.last().acked {
			h.looked = d.held.first + int64(i)
			d.steps(i - from)
			return p
		}
	}
	h.looked = d.held.end()
	d.steps(i - from)
	return nil
}

// Starves says whether so much of the client waits for a reply that Dialogue will soon have to go on without it.
func (d *Dialogue) Starves() bool { return d.heldSize > orDefault(d.cfg.MaxHeld, 64<<10)*3/4 }

// mustPresume says whether the reply that the client's bytes wait for cannot come any more.
func (d *Dialogue) mustPresume() bool {
	switch {
	case d.held.len() == 0:
		return false
	case d.heldSize > orDefault(d.cfg.MaxHeld, 64<<10):
		return !d.forgetHeld()
	case d.held.last().acked == d.held.at(0).acked:
		return false // its flight may not be whole
	case !d.seen[FromServer]:
		return true
	}
	// Everything up to the hole's end was lost, and the client went on with what it had received there.
	p := d.heldAfter()
	return p != nil && d.sync.serverHoleEnd > 0 && p.acked >= d.sync.serverHoleEnd && p.acked <= d.serverOff
}

// forgetHeld keeps of what is held no more than how much it was, like octets that were missed: where the client has not
// received the reply yet, it is still to come, and nothing may be taken for it.
func (d *Dialogue) forgetHeld() bool {
	first, last := d.held.at(0), d.held.last()
	if !d.seen[FromServer] || d.sync.serverHoleEnd > 0 || d.pending.len() == 0 || last.acked > d.pending.last().acked {
		return false
	}
	d.count(func(s *Stats) { s.Overflows++ })
	p := piece{t: first.t, acked: first.acked, off: first.off}
	d.takes(d.held.len())
	for i := range d.held.len() {
		h := d.held.at(i)
		p.lost += int64(len(h.data)) + h.lost
		p.unread += int64(len(h.data)) + h.unread
	}
	d.held.drop()
	d.held.push(p)
	d.heldSize = pieceSize
	return true
}

// presume answers the commands that wait with "not seen", the last of them deciding how the client's bytes are read.
func (d *Dialogue) presume() {
	d.count(func(s *Stats) { s.Presumed++ })
	if d.sync.serverHoleEnd > 0 {
		d.settleHole(d.pending.len(), d.held.at(0).acked)
	} else if d.seen[FromServer] && !d.closing { // it is late, or was missed: nobody has said so yet
		d.flag(Gap, false)
		d.sync.missedReplies(max(d.serverOff, 1))
	}
	d.takes(d.pending.len())
	for d.pending.len() > 0 {
		d.resolve(d.takePending(), nil)
	}
	d.blocked = false
}
