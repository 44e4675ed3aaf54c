package smtp

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// minKey and maxKey bound the keyword of a parameter that the record keeps, the equals sign included in the latter.
const minKey, maxKey = len("SIZE"), len("ENVID=")

// parameters reads the ESMTP parameters that the record keeps; the others are passed over. What is repeated is decoded
// once.
func (p *path) parameters(t *texts, b []byte) {
	var envid, kind, orcpt []byte
	for {
		var word []byte
		if word, b = nextParameter(b); len(word) == 0 {
			break
		}
		if len(word) <= minKey {
			continue
		}
		n := bytes.IndexByte(word[:min(len(word), maxKey)], '=')
		if n < minKey {
			continue
		}
		key, value := word[:n], word[n+1:]
		switch {
		case p.size == nil && bytes.EqualFold(key, []byte("SIZE")):
			p.size = declaredSize(value)
		case bytes.EqualFold(key, []byte("ENVID")):
			envid = value
		case bytes.EqualFold(key, []byte("ORCPT")):
			if k, address, ok := bytes.Cut(value, []byte(";")); ok {
				kind, orcpt = k, address
			}
		}
	}
	if envid != nil {
		p.envid = t.text8(unescape(envid, true, true))
	}
	if orcpt != nil {
		isUTF8 := bytes.EqualFold(kind, []byte("utf-8"))
		p.orcpt = t.text8(unescape(orcpt, !isUTF8, isUTF8))
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

// declaredSize reads a size-value, RFC 1870 section 3, of up to 20 digits; nil if it is none that a bigint holds.
func declaredSize(b []byte) *int64 {
	if n := digits(b, 21); n == 0 || n > 20 || n < len(b) {
		return nil
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil {
		return nil
	}
	return &n
}

// unescape decodes xtext (RFC 3461 section 4), in which "+41" is an A, and the forms of RFC 6533 section 3, in which
// "\x{41}" is one: utf-8-addr-xtext and utf-8-addr-unitext, whose other characters are themselves. What is malformed
// stays as it is.
func unescape(b []byte, xtext, unicode bool) []byte {
	if bytes.IndexByte(b, '+') < 0 && bytes.IndexByte(b, '\\') < 0 {
		return b
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); {
		n := 0
		switch {
		case b[i] == '+' && xtext && i+2 < len(b) && isHex(b[i+1]) && isHex(b[i+2]):
			v, _ := strconv.ParseUint(string(b[i+1:i+3]), 16, 8)
			out, n = append(out, byte(v)), 3
		case b[i] == '\\' && unicode:
			var r rune
			if r, n = embeddedUnicodeChar(b[i:]); n > 0 {
				out = utf8.AppendRune(out, r)
			}
		}
		if n == 0 {
			out, n = append(out, b[i]), 1
		}
		i += n
	}
	return out
}

// embeddedUnicodeChar reads the EmbeddedUnicodeChar that b begins with, and returns how long it is, 0 if there is none.
// Two to six digits give a code point; NUL and surrogates are none.
func embeddedUnicodeChar(b []byte) (r rune, n int) {
	const head, most = "\\x{", 6
	if !bytes.HasPrefix(b, []byte(head)) {
		return 0, 0
	}
	i := len(head)
	for i < len(b) && i < len(head)+most && isHex(b[i]) {
		i++
	}
	if i < len(head)+2 || i == len(b) || b[i] != '}' {
		return 0, 0
	}
	v, _ := strconv.ParseUint(string(b[len(head):i]), 16, 32)
	if r = rune(v); v == 0 || !utf8.ValidRune(r) {
		return 0, 0
	}
	return r, i + 1
}
