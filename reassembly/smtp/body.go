package smtp

import "bytes"

// body counts a message between 354 and CRLF.CRLF and keeps none of it (RFC 5321 sections 4.1.1.4 and 4.5.2).
type body struct {
	bytes     int64 // as the server receives it, up to the last complete line
	n         int64 // octets of the present line
	first     [3]byte
	before    byte // the octet before the last
	last      byte // the octet before the next
	bareLF    bool // the line before ended with LF alone
	smuggling bool // an end of data that servers disagree on was met
	gap       bool // octets were missed
	midLine   bool // behind a hole, until the next line end: nothing is known of the line's head
}

// feed reads octets of the body and returns how many, and whether the end of data was among them.
func (b *body) feed(data []byte) (n int, ended bool) {
	for n < len(data) {
		if n += b.plain(data[n:]); n == len(data) {
			break
		}
		k, end := b.line(data[n:])
		if n += k; end {
			return n, true
		}
	}
	return n, false
}

// plain reads the whole lines at the head of data that are nothing but octets to count, which nearly all are: no dot stands
// behind a line end or a CR. It returns how many octets that was.
func (b *body) plain(data []byte) int {
	if b.n > 0 || b.midLine {
		return 0
	}
	dot := 0
	for dot < len(data) {
		i := bytes.IndexByte(data[dot:], '.')
		if i < 0 {
			dot = len(data)
			break
		}
		if dot += i; dot == 0 || data[dot-1] == '\n' || data[dot-1] == '\r' {
			break
		}
		dot++
	}
	end := bytes.LastIndexByte(data[:dot], '\n') + 1
	if end > 0 {
		b.bytes += int64(end)
		b.bareLF = end < 2 || data[end-2] != '\r'
		b.last = '\n'
	}
	return end
}

// line reads up to the end of the present line, or what there is of it.
func (b *body) line(data []byte) (n int, ended bool) {
	i := bytes.IndexByte(data, '\n')
	if i >= 0 {
		data = data[:i+1]
	}
	for k := b.n; k < 3 && int(k-b.n) < len(data); k++ {
		b.first[k] = data[k-b.n]
	}
	b.lookForCR(data)
	b.before = b.last
	if len(data) > 1 {
		b.before = data[len(data)-2]
	}
	b.last = data[len(data)-1]
	b.n += int64(len(data))
	return len(data), i >= 0 && b.endLine(b.before == '\r')
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
	if b.before == '\r' && b.last == '.' && isLineEnd(piece[0]) || b.last == '\r' && len(piece) > 1 && piece[0] == '.' && isLineEnd(piece[1]) {
		b.smuggling = true
	}
	// CRLF.CR: the dot stands at a line start, the CR that follows is bare
	if b.n == 2 && b.first[0] == '.' && b.first[1] == '\r' && piece[0] != '\n' || b.n == 1 && len(piece) > 1 && b.first[0] == '.' && piece[0] == '\r' && piece[1] != '\n' {
		b.smuggling = true
	}
	for i := bytes.IndexByte(piece, '\r'); i >= 0 && i < len(piece)-1; {
		if b.n == 0 && i == 1 && piece[0] == '.' && piece[2] != '\n' || i < len(piece)-2 && piece[i+1] == '.' && isLineEnd(piece[i+2]) {
			b.smuggling = true
		}
		next := bytes.IndexByte(piece[i+1:], '\r')
		if next < 0 {
			return
		}
		i += 1 + next
	}
}

func isLineEnd(c byte) bool { return c == '\r' || c == '\n' }

// lose notes a hole.
func (b *body) lose() {
	b.gap, b.midLine = true, true
	b.n, b.first, b.before, b.last, b.bareLF = 0, [3]byte{}, 0, 0, false
}
