package smtp

import "bytes"

// body counts a message between 354 and CRLF.CRLF and keeps none of it (RFC 5321 sections 4.1.1.4 and 4.5.2).
type body struct {
	bytes     int64 // as the server receives it, up to the last complete line
	n         int64 // octets of the present line
	dot       bool  // it begins with a dot
	before    byte  // the octet before the last
	last      byte  // the octet before the next
	bareLF    bool  // the line before ended with LF alone
	smuggling bool  // an end of data that servers disagree on was met
	gap       bool  // octets were missed
	midLine   bool  // after a hole, until the next line end: nothing is known of the line's head
}

// plainAgain is how many octets are read one by one after plain lines, before these are looked for again: lines of
// which two have room there cost less than the look.
const plainAgain = 32

// feed reads octets of the body and returns how many, and whether the end of data was among them.
func (b *body) feed(data []byte) (n int, ended bool) {
	for again := 0; n < len(data); {
		if n >= again {
			n += b.part(data[n:])
			if k := b.plain(data[n:]); k > 0 {
				n += k
				n += b.part(data[n:])
			}
			again = n + plainAgain
		}
		k, end := b.line(data[n:])
		if n += k; end {
			return n, true
		}
	}
	return n, false
}

// plain reads the whole lines at the head of data that are nothing but octets to count, which nearly all are: no dot
// stands after a line end or a CR. It returns how many octets that was.
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

// line reads up to the end of the present line, or what there is of it, octet by octet. It looks for a dot after a CR
// that is no line end to RFC 5321, but is one to some servers, and for CRLF.CR, whose CR is bare.
func (b *body) line(data []byte) (n int, ended bool) {
	if b.n == 0 && len(data) > 0 {
		b.dot = data[0] == '.'
	}
	before, last, third := b.before, b.last, 2-int(b.n)
	for i, c := range data {
		if last == '.' && before == '\r' && isLineEnd(c) || last == '\r' && i == third && b.dot && c != '\n' {
			b.smuggling = true
		}
		if c == '\n' {
			b.n += int64(i + 1)
			b.before, b.last = last, c
			return i + 1, b.endLine(last == '\r')
		}
		before, last = last, c
	}
	b.n += int64(len(data))
	b.before, b.last = before, last
	return len(data), false
}

// part reads the rest of a line that does not begin with a dot, or what there is of it, if nothing but its end has a
// CR. It returns how many octets that was: 0 if it is another.
func (b *body) part(data []byte) (n int) {
	if b.n == 0 && len(data) > 0 {
		b.dot = data[0] == '.'
	}
	if b.dot || b.last == '.' || b.last == '\r' {
		return 0
	}
	if n = bytes.IndexByte(data, '\n') + 1; n == 0 {
		n = len(data)
	}
	if n < 2 {
		return 0
	}
	if i := bytes.IndexByte(data[:n], '\r'); i >= 0 && i < n-2 {
		return 0
	}
	b.n += int64(n)
	if b.before, b.last = data[n-2], data[n-1]; b.last == '\n' {
		b.endLine(b.before == '\r')
	}
	return n
}

// endLine counts a complete line and reports whether it was the end of data.
func (b *body) endLine(crlf bool) bool {
	lineStart := !b.bareLF && !b.midLine // CRLF before it
	alone := b.dot && !b.midLine && (b.n == 2 || b.n == 3 && crlf)
	if alone && crlf && lineStart {
		return true
	}
	if alone {
		b.smuggling = true
	}
	b.bytes += b.n
	if b.dot && lineStart && !alone {
		b.bytes-- // dot-stuffing
	}
	b.n, b.bareLF, b.midLine = 0, !crlf, false
	return false
}

func isLineEnd(c byte) bool { return c == '\r' || c == '\n' }

// lose notes a hole.
func (b *body) lose() {
	b.gap, b.midLine = true, true
	b.n, b.dot, b.before, b.last, b.bareLF = 0, false, 0, 0, false
}
