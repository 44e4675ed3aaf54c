package smtp

import "math"

// BodyAhead reports whether the client's next octets are those of a message and nothing else, as far as both sides
// have shown it: no octet was missed among commands or in the message, and no reply decides how they are to be read. Of
// a chunk of BDAT, left is how many of it are to come, and exact is true. Of a message after DATA, whose end only
// CRLF.CRLF shows, left is an estimate: what the client has declared (RFC 1870) and not sent yet or, if that is more,
// as much as has come. left is 0 if the next octets may be something else.
func (d *Dialogue) BodyAhead() (left int64, exact bool) {
	if d.closed || d.turned != nil || d.client.blocked || d.sync.uncertain || !d.backlog.empty() {
		return 0, false
	}
	switch r := &d.client; r.state {
	case inChunk:
		if !r.chunk.refused && r.chunk.left < math.MaxInt64/2 { // beyond it the size is not known
			return r.chunk.left, true
		}
	case inData:
		if m := &r.message; m.announced && !m.presumed && !m.surplus && !m.body.gap {
			read := r.offset - m.at
			return max(d.declared()-read, read, 1), false
		}
	}
	return 0, false
}

// declared is the size of the message that the client has declared; 0 if it has declared none.
func (d *Dialogue) declared() int64 {
	if tx := d.mail.tx; tx != nil && tx.path != nil && tx.path.size != nil {
		return *tx.path.size
	}
	return 0
}
