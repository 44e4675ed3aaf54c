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
	from := d.clientOff + d.heldOctets - n
	i := d.pending.len()
	for i > 0 && d.pending.at(i-1).start >= from {
		if i--; d.pending.at(i).verb == verbEndOfData {
			return
		}
	}
	d.steps(d.pending.len() - i)
	if i == d.pending.len() {
		return
	}
	for k := i; k < d.pending.len(); k++ {
		d.uncount(d.pending.at(k))
	}
	d.pending.cut(i)
	d.dropHeld()
	d.blocked = false
	d.flag(Conflict, false)
}
