package smtp

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
)

// path is a reverse-path or forward-path (RFC 5321 section 4.1.2) with its parameters. A nil mailbox could not be read.
type path struct {
	mailbox *string
	raw     []byte // nil where the mailbox says it all
	size    *int64
	envid   *string
	orcpt   *string
}

// parsePath reads what follows MAIL or RCPT: "FROM:<path> parameters", with the spaces, missing brackets and cases that
// servers tolerate. It returns nil where there is no such thing, or where the line was cut inside the path.
func parsePath(b []byte, keyword string, cut bool) *path {
	if len(b) < len(keyword) || !strings.EqualFold(string(b[:len(keyword)]), keyword) {
		return nil
	}
	b = bytes.TrimLeft(b[len(keyword):], " \t")
	if len(b) == 0 || b[0] != ':' {
		return nil
	}
	b = bytes.TrimLeft(b[1:], " \t")
	n, closed := pathLength(b)
	if cut && !closed {
		return nil
	}
	octets := b[:n]
	inner := octets
	if len(inner) > 0 && inner[0] == '<' {
		inner = inner[1:]
		if closed {
			inner = inner[:len(inner)-1]
		}
		inner = bytes.Trim(inner, " \t")
	}
	mailbox := stripRoute(inner)
	p := &path{mailbox: text8(mailbox)}
	if len(mailbox) != len(inner) || *p.mailbox != string(mailbox) {
		p.raw = append([]byte{}, octets...)
	}
	p.parameters(b[n:])
	return p
}

// pathLength returns the length of the path at the head of b, and whether it ends with the bracket that it began with
// (or has none). Brackets and spaces inside a quoted local-part do not end it.
func pathLength(b []byte) (n int, closed bool) {
	bracket := len(b) > 0 && b[0] == '<'
	quoted := false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case bracket && c == '>':
			return i + 1, true
		case !bracket && (c == ' ' || c == '\t'):
			return i, true
		}
	}
	if !bracket && !quoted {
		return len(b), true
	}
	// No closing bracket (or quote): the path ends at the first space, if there is one.
	if i := bytes.IndexAny(b, " \t"); i > 0 {
		return i, false
	}
	return len(b), false
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

// parameters reads the ESMTP parameters that the record keeps; the others are passed over. What is repeated is decoded once.
func (p *path) parameters(b []byte) {
	var envid, orcpt []byte
	for {
		var word []byte
		if word, b = nextParameter(b); len(word) == 0 {
			break
		}
		if len(word) < len("SIZE=") || lower(word[0]) != 's' && lower(word[0]) != 'e' && lower(word[0]) != 'o' {
			continue
		}
		key, value, ok := bytes.Cut(word, []byte("="))
		if !ok {
			continue
		}
		switch strings.ToUpper(string(key[:min(len(key), 8)])) {
		case "SIZE":
			if p.size != nil {
				continue
			}
			if n, err := strconv.ParseInt(string(value[:min(len(value), 24)]), 10, 64); err == nil && n >= 0 {
				p.size = &n
			}
		case "ENVID":
			envid = value
		case "ORCPT":
			if _, address, ok := bytes.Cut(value, []byte(";")); ok {
				orcpt = address
			}
		}
	}
	if envid != nil {
		p.envid = text8(unxtext(envid))
	}
	if orcpt != nil {
		p.orcpt = text8(unxtext(orcpt))
	}
}

// nextParameter cuts off the next word, with little for each octet: a line may hold 32,000 of them.
func nextParameter(b []byte) (word, rest []byte) {
	from := 0
	for from < len(b) && (b[from] == ' ' || b[from] == '\t') {
		from++
	}
	to := from
	for to < len(b) && b[to] != ' ' && b[to] != '\t' {
		to++
	}
	return b[from:to], b[to:]
}

// unxtext decodes xtext, RFC 3461 section 4; what is no hexchar stays as it is.
func unxtext(b []byte) []byte {
	if bytes.IndexByte(b, '+') < 0 {
		return b
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] == '+' && i+2 < len(b) {
			if v, err := strconv.ParseUint(string(b[i+1:i+3]), 16, 8); err == nil {
				out = append(out, byte(v))
				i += 2
				continue
			}
		}
		out = append(out, b[i])
	}
	return out
}

// text8 returns b as text that PostgreSQL takes: NUL and invalid UTF-8 become U+FFFD.
func text8(b []byte) *string {
	s := string(b)
	if !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
	}
	return &s
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
