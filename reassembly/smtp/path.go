package smtp

import (
	"bytes"
	"unicode/utf8"
)

// path is a reverse-path or forward-path (RFC 5321 section 4.1.2) with its parameters. A nil mailbox could not be read.
type path struct {
	mailbox *string
	raw     []byte // nil if the mailbox shows the octets exactly
	size    *int64
	envid   *string
	orcpt   *string
}

// pathIn finds what follows MAIL or RCPT: "FROM:<path> parameters", with the spaces, missing and doubled brackets,
// phrases and cases that servers tolerate. It returns what stands after the colon, and where the path is in it. ok is
// false if there is no such thing, or if the line was cut inside the path.
func pathIn(b []byte, keyword string, cut bool) (argument []byte, r pathRange, ok bool) {
	if !hasFold(b, keyword) {
		return nil, r, false
	}
	b = trimBlanks(b[len(keyword):])
	if len(b) == 0 || b[0] != ':' {
		return nil, r, false
	}
	b = trimBlanks(b[1:])
	r = findPath(b)
	return b, r, r.closed || !cut
}

// parsePath reads what pathIn finds, nil if there is nothing.
func (t *texts) parsePath(b []byte, keyword string, cut bool) *path {
	b, r, ok := pathIn(b, keyword, cut)
	if !ok {
		return nil
	}
	p := t.path()
	p.mailbox = t.text8(stripRoute(stripScheme(trimSpaces(b[r.from:r.to]))))
	if octets := b[:r.end]; *p.mailbox != string(withoutBrackets(octets, r.closed)) {
		p.raw = t.raw(octets)
	}
	p.parameters(t, b[r.end:])
	return p
}

// A pathRange is where the path and its mailbox stand in the argument of MAIL or RCPT.
type pathRange struct {
	from, to int  // of the mailbox, with spaces around it and a source route
	end      int  // after the path
	closed   bool // its end was seen: the bracket that closes it, or, without brackets, a parameter after it
}

// findPath looks for the path that b begins with. A server that takes "Bob <b@b.example>" takes out what stands in the
// brackets.
func findPath(b []byte) pathRange {
	at, end, parameter := bracketAt(b)
	if at < 0 {
		r := pathRange{to: end, end: end, closed: parameter}
		if word := b[:end]; bytes.IndexByte(word, '<') < 0 {
			r.to = len(bytes.TrimRight(word, ">")) // the opening bracket is missing
		}
		return r
	}
	r := pathRange{from: at + 1}
	quoted := false
	for i := at + 1; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '<':
			r.from = i + 1 // it cannot stand in a mailbox
		case c == '>':
			r.to, r.end, r.closed = i, i+1, true
			for r.end < len(b) && b[r.end] == '>' {
				r.end++
			}
			return r
		}
	}
	// No closing bracket (or quote): the path ends at the first space, if there is one.
	r.to = len(b)
	if i := bytes.IndexAny(b[r.from:], " \t"); i > 0 {
		r.to = r.from + i
	}
	r.end = r.to
	return r
}

// bracketAt returns where the bracket stands that opens the path at the head of b, before which a phrase may stand, as
// in a header (RFC 5322 section 3.4). If there is none, at is -1, and the path is the first word, which ends at end;
// parameter reports whether a parameter follows it. Brackets in a parameter, such as AUTH=<>, and in quotes open
// nothing.
func bracketAt(b []byte) (at, end int, parameter bool) {
	quoted, word := false, 0
	end = -1
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '=' && end >= 0 && isKeyword(b[word:i]):
			return -1, end, true
		case c == '<' && (end >= 0 || i == 0 || b[i-1] != '='):
			return i, 0, false
		case c == ' ' || c == '\t':
			if end < 0 {
				end = i
			}
			word = i + 1
		}
	}
	switch {
	case end >= 0:
	case !quoted:
		end = len(b)
	default:
		if end = bytes.IndexAny(b, " \t"); end <= 0 { // the quote is not closed
			end = len(b)
		}
	}
	return -1, end, false
}

// isKeyword reports whether b is an esmtp-keyword, RFC 5321 section 4.1.2.
func isKeyword(b []byte) bool {
	return len(b) > 0 && b[0] != '-' && len(span(b, len(b), "-")) == len(b)
}

// withoutBrackets takes the brackets off a path, and the spaces in them. closed reports whether there is a second one.
func withoutBrackets(b []byte, closed bool) []byte {
	if len(b) == 0 || b[0] != '<' {
		return b
	}
	if b = b[1:]; closed {
		b = b[:len(b)-1]
	}
	return trimSpaces(b)
}

// stripScheme takes "mailto:" off a mailbox that was taken out of a page, and the query after it (RFC 6068). A colon
// cannot stand in a mailbox that is not quoted.
func stripScheme(b []byte) []byte {
	const scheme = "mailto:"
	if !hasFold(b, scheme) {
		return b
	}
	b = b[len(scheme):]
	if at := bytes.LastIndexByte(b, '@'); at >= 0 {
		if i := bytes.IndexByte(b[at:], '?'); i >= 0 {
			b = b[:at+i]
		}
	}
	return b
}

// stripRoute removes a source route "@one,@two:" (RFC 5321 appendix C).
func stripRoute(b []byte) []byte {
	if len(b) == 0 || b[0] != '@' {
		return b
	}
	if i := bytes.IndexByte(b, ':'); i > 0 && !bytes.ContainsAny(b[:i], "\"<>") {
		return b[i+1:]
	}
	return b
}

// text8 returns b as text that PostgreSQL takes: NUL and invalid UTF-8 become U+FFFD.
func (t *texts) text8(b []byte) *string {
	if !utf8.Valid(b) || bytes.IndexByte(b, 0) >= 0 {
		b = bytes.ReplaceAll(bytes.ToValidUTF8(b, []byte("\uFFFD")), []byte{0}, []byte("\uFFFD"))
	}
	return t.text(b)
}

// octets is about how much memory it takes besides the command.
func (p *path) octets() int {
	if p == nil {
		return 0
	}
	n := pathSize + len(p.raw)
	for _, s := range []*string{p.mailbox, p.envid, p.orcpt} {
		if s != nil {
			n += len(*s)
		}
	}
	return n
}

const pathSize = 96
