package smtp

import "bytes"

// lineModel is what body is held against: the same rules, a piece of a line at a time.
type lineModel struct {
	bytes, n                   int64
	first                      [3]byte
	before, last               byte
	bareLF, smuggling, midLine bool
}

// line reads up to the end of the present line, or what there is of it.
func (b *lineModel) line(data []byte) (n int, ended bool) {
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
func (b *lineModel) endLine(crlf bool) bool {
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
func (b *lineModel) lookForCR(piece []byte) {
	if b.before == '\r' && b.last == '.' && isLineEnd(piece[0]) ||
		b.last == '\r' && len(piece) > 1 && piece[0] == '.' && isLineEnd(piece[1]) {
		b.smuggling = true
	}
	// CRLF.CR: the dot stands at a line start, the CR that follows is bare
	if b.n == 2 && b.first[0] == '.' && b.first[1] == '\r' && piece[0] != '\n' ||
		b.n == 1 && len(piece) > 1 && b.first[0] == '.' && piece[0] == '\r' && piece[1] != '\n' {
		b.smuggling = true
	}
	for i := bytes.IndexByte(piece, '\r'); i >= 0 && i < len(piece)-1; {
		if b.n == 0 && i == 1 && piece[0] == '.' && piece[2] != '\n' ||
			i < len(piece)-2 && piece[i+1] == '.' && isLineEnd(piece[i+2]) {
			b.smuggling = true
		}
		next := bytes.IndexByte(piece[i+1:], '\r')
		if next < 0 {
			return
		}
		i += 1 + next
	}
}
