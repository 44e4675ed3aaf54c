package smtp

// MayHaveMissed says that the capture lost packets since the last byte of this dialogue, perhaps of it: what is open
// when it is closed may have gone on, or begun with more.
func (d *Dialogue) MayHaveMissed() {
	if d.closed {
		return
	}
	d.flag(Gap, false)
	d.nextFlag |= Gap
}

// Doubt says that bytes may have been missed at the beginning. Every row is flagged.
func (d *Dialogue) Doubt() { d.doubted = true }

// Unsent says, before Close, that the last n bytes of the client were never received: commands among them are none.
func (d *Dialogue) Unsent(n int64) {
	from := d.clientOff + d.heldOctets() - n
	i := len(d.pending)
	for i > 0 && d.pending[i-1].start >= from {
		if i--; d.pending[i].verb == verbEndOfData {
			return
		}
	}
	d.steps(len(d.pending) - i)
	if i == len(d.pending) {
		return
	}
	d.pending = d.pending[:i]
	d.held, d.heldSize, d.blocked = nil, 0, false
	d.flag(Conflict, false)
}
