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
