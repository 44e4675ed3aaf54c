package smtp

// flag marks the open transaction and those whose MAIL awaits its reply; with next, if there is none, the next one.
func (d *Dialogue) flag(f Flags, next bool) {
	marked := d.match.mark(f)
	marked = d.mail.flag(f) || marked
	if next && !marked {
		d.mail.flagNext(f)
	}
}

// flagUpTo marks as incomplete what the replies up to offset end may belong to: what the client sent when it had
// received more does not. end never falls, so that the last call covers the others.
func (d *Dialogue) flagUpTo(end int64) {
	d.mail.flag(Gap)
	d.match.markUpTo(end)
}
