package smtp

import "bytes"

// body counts a message between 354 and CRLF.CRLF and keeps none of it (RFC 5321 sections 4.1.1.4 and 4.5.2).
type body struct {
	bytes     int64 // as the server receives it, up to the last complete line
	n         int64 // octets of the present line
	first     [3]byte
	last      byte // the octet before the next
	bareLF    bool // the line before ended with LF alone
	smuggling bool // an end of data that servers disagree on was met
	gap       bool // octets were missed
	midLine   bool // behind a hole, until the next line end: nothing is known of the line's head
}

// feed reads octets of the body and returns how many, and whether the end of data was among them.
func (b *body) feed(data []byte) (n int, ended bool) {
	for n < len(data) {
		piece := data[n:]
		i := bytes.IndexByte(piece, '\n')
		if i >= 0 {
			piece = piece[:i+1]
		}
		for k := b.n; k < 3 && int(k-b.n) < len(piece); k++ {
			b.first[k] = piece[k-b.n]
		}
		b.lookForCR(piece)
		before := b.last
		if len(piece) > 1 {
			before = piece[len(piece)-2]
		}
		b.last = piece[len(piece)-1]
		b.n += int64(len(piece))
		n += len(piece)
		if i >= 0 && b.endLine(before == '\r') {
			return n, true
		}
	}
	return n, false
}

// endLine counts a complete line and says whether it was the end of data.
func (b *body) endLine(crlf bool) bool {
	lineStart := !b.bareLF && !b.midLine // CRLF before it
	dot := b.first[0] == '.'
	alone := dot && !b.midLine && (b.n == 2 || b.n == 3 && crlf)
	if alone && crlf && lineStart {
		return true
	}
	if alone {
		b.smuggling = true
	}
	b.bytes += b.n
	if dot && lineStart && !alone {
		b.bytes-- // dot-stuffing
	}
	b.n, b.bareLF, b.midLine = 0, !crlf, false
	return false
}

// lookForCR looks for a dot behind a CR that is no line end to RFC 5321, but is one to some servers.
func (b *body) lookForCR(piece []byte) {
	if b.last == '\r' && b.n > 0 && piece[0] == '.' {
		b.smuggling = true
	}
	// CRLF.CR: the dot stands at a line start, the CR that follows is bare
	if b.n == 2 && b.first[0] == '.' && b.first[1] == '\r' && piece[0] != '\n' {
		b.smuggling = true
	}
	for i := bytes.IndexByte(piece, '\r'); i >= 0 && i < len(piece)-2; {
		if piece[i+1] == '.' && (piece[i+2] == '\r' || piece[i+2] == '\n') {
			b.smuggling = true
		}
		if b.n == 0 && i == 1 && piece[0] == '.' && piece[2] != '\n' {
			b.smuggling = true
		}
		next := bytes.IndexByte(piece[i+1:], '\r')
		if next < 0 {
			return
		}
		i += 1 + next
	}
}

// lose notes a hole.
func (b *body) lose() {
	b.gap, b.midLine = true, true
	b.n, b.first, b.last, b.bareLF = 0, [3]byte{}, 0, false
}
