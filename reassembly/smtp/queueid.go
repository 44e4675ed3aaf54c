package smtp

import "bytes"

// queueID reads the name that a server gives to the message that it took. Only so much of a reply's line is looked at
// as the longest of these forms may need, once from its head to its end: a server may send nothing else.
func queueID(code uint16, text []byte) string {
	if code != 250 || len(text) < 8 {
		return ""
	}
	text = text[:min(len(text), 1024)]
	if !bytes.Contains(text, []byte("ueued")) && !bytes.Contains(text, []byte("id=")) && !bytes.Contains(text, []byte("accepted")) {
		return ""
	}
	for _, form := range queueForms {
		if id := form(text); id != nil {
			return string(id)
		}
	}
	return ""
}

var queueForms = [...]func(text []byte) []byte{queuedAs, eximID, exchangeID, sendmailID, harakaID}

// queuedAs knows Postfix's "2.0.0 Ok: queued as 4F1B2C", and those that say likewise.
func queuedAs(text []byte) []byte {
	const words = "queued as "
	for i := 0; i+len(words) < len(text); i++ {
		if lower(text[i]) != words[0] || i > 0 && (isAlnum(text[i-1]) || text[i-1] == '_') || !hasFold(text[i:], words) {
			continue
		}
		if id := span(text[i+len(words):], 64, "._-"); len(id) > 0 {
			return id
		}
	}
	return nil
}

// eximID knows "OK id=1xW9xb-00000P-2C".
func eximID(text []byte) []byte {
	rest, ok := bytes.CutPrefix(text, []byte("OK id="))
	if !ok {
		return nil
	}
	id := span(rest, len(rest), "-")
	if len(id) < 10 || len(id) > 40 || len(bytes.Trim(rest[len(id):], " \t\r\n\f")) > 0 {
		return nil
	}
	return id
}

// exchangeID knows "[InternalId=25, Hostname=…]". What Exchange says before it is the Message-ID, which is content.
func exchangeID(text []byte) []byte {
	for {
		_, rest, ok := bytes.Cut(text, []byte("[InternalId="))
		if !ok {
			return nil
		}
		n := 0
		for n < len(rest) && '0' <= rest[n] && rest[n] <= '9' {
			n++
		}
		if n >= 1 && n <= 24 && n < len(rest) && (rest[n] == ',' || rest[n] == ']') {
			return rest[:n]
		}
		text = rest
	}
}

// sendmailID knows "2.0.0 4F1B2C25 Message accepted for delivery", which OpenSMTPD says with a colon.
func sendmailID(text []byte) []byte {
	rest := text
	for _, status := range []string{"2.0.0: ", "2.0.0 "} {
		if r, ok := bytes.CutPrefix(text, []byte(status)); ok {
			rest = r
		}
	}
	id := span(rest, 33, "")
	if len(id) < 8 || len(id) > 32 || !bytes.HasPrefix(rest[len(id):], []byte(" Message accepted for delivery")) {
		return nil
	}
	return id
}

// harakaID knows "Message Queued (4F1B2C25-1B2C.1)".
func harakaID(text []byte) []byte {
	const words = "message queued ("
	text = bytes.TrimPrefix(text, []byte("2.0.0 "))
	if !hasFold(text, words) {
		return nil
	}
	rest := text[len(words):]
	id := span(rest, 65, ".-")
	if len(id) < 8 || len(id) > 64 || len(id) == len(rest) || rest[len(id)] != ')' {
		return nil
	}
	return id
}

// span is what there is of letters, digits and some others at the head of b, up to limit octets.
func span(b []byte, limit int, others string) []byte {
	n := 0
	for n < min(len(b), limit) && (isAlnum(b[n]) || bytes.IndexByte([]byte(others), b[n]) >= 0) {
		n++
	}
	return b[:n]
}

// hasFold reports whether b begins with text, in capitals or not; text has none.
func hasFold(b []byte, text string) bool {
	if len(b) < len(text) {
		return false
	}
	for i := range len(text) {
		if lower(b[i]) != text[i] {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}
