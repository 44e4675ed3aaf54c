package smtp

import "bytes"

// queueID returns the name that a server gives to the message that it took, "" if the reply has none. A Message-ID, a
// size or a word is none: who looks for the message in the server's log would not find it.
//
// Only so much of a reply's line is looked at as the longest of these forms may need, and each form reads it once from
// its head to its end: a server may send nothing else.
func queueID(code uint16, text []byte) string {
	const least = len("queued as 1") // no form is shorter
	if code != 250 || len(text) < least {
		return ""
	}
	text = text[:min(len(text), 1024)]
	rest := withoutStatus(text)
	if len(rest) < least {
		return ""
	}
	for _, form := range queueForms {
		if id := form(rest); id != nil {
			return string(id)
		}
	}
	return ""
}

var queueForms = [...]func(text []byte) []byte{
	queuedAs, okID, eximID, acceptedID, exchangeID, harakaID, ironPortID, mimecastID, oracleID, dovecotID,
}

// withoutStatus takes an enhanced status code (RFC 2034), and the colon that OpenSMTPD puts after it, off the head of
// a reply.
func withoutStatus(b []byte) []byte {
	rest, ok := bytes.CutPrefix(b, []byte("2."))
	if !ok {
		return b
	}
	for i := range 2 {
		n := digits(rest, 3)
		if n == 0 || n == len(rest) || i == 0 && rest[n] != '.' {
			return b
		}
		rest = rest[n+1-i:]
	}
	if rest[0] == ':' {
		rest = rest[1:]
	}
	if trimmed := bytes.TrimLeft(rest, " "); len(trimmed) < len(rest) {
		return trimmed
	}
	return b
}

// queuedAs reads "Ok: queued as 4F1B2C", which Postfix says, and so do Yahoo, iCloud, Barracuda, MailChannels and many
// others; Yandex's "Ok: queued on mxfront1.example as 1589909839-bA0qK0Zi51-bIQuI0q9", of late without "as"; Stalwart's
// "Message queued with id 3042a1b2c3d4e5f6."; NetEase's "Mail OK queued as zwqz-smtp-mta-g1-0,_____wD3X1Kv.1234S2
// 1653776100". These may stand anywhere: a filter before the server reports what that has said.
func queuedAs(text []byte) []byte {
	const word = "queued "
	for i := 0; i+len(word) < len(text); i++ {
		if text[i]|0x20 != word[0] || text[i+len(word)-1] != ' ' || !hasFold(text[i:], word) {
			continue
		}
		if i > 0 && (isAlnum(text[i-1]) || text[i-1] == '_') {
			continue
		}
		i += len(word) - 1
		rest := text[i+1:]
		switch {
		case hasFold(rest, "as "):
			rest = rest[len("as "):]
		case hasFold(rest, "with id "):
			rest = rest[len("with id "):]
		case hasFold(rest, "on "):
			rest = rest[len("on "):]
			host := bytes.IndexByte(rest[:min(len(rest), 256)], ' ')
			if host < 1 || bytes.IndexByte(rest[:host], '.') < 0 {
				continue
			}
			if rest = rest[host+1:]; hasFold(rest, "as ") {
				rest = rest[len("as "):]
			} else if n := digits(rest, 11); n < 9 || n == len(rest) || rest[n] != '-' {
				continue // it may be a date
			}
		default:
			continue
		}
		if id := nameAtHead(rest, 64, "._-,"); id != nil {
			return id
		}
	}
	return nil
}

// okID reads what follows "OK " up to the end of the line, if that has a form that nothing but a name has:
//
//   - Gmail: "OK  1653776100 r33-20020a056870582100b000f169cbbb32sm1847208oap.43 - gsmtp", which may have
//     "DMARC:Quarantine" before the time; the time alone is no name.
//   - Amazon SES: "Ok 0100016e4ab7c399-5058a2a5-d4ad-407b-92b8-94472f229325-000000" from its submission servers, "OK "
//     and 40 letters and digits from those that receive.
func okID(text []byte) []byte {
	if !hasFold(text, "ok ") {
		return nil
	}
	rest := bytes.Trim(text[len("ok "):], " \t")
	if hasFold(rest, "dmarc:") {
		_, rest, _ = bytes.Cut(rest, []byte(" "))
		rest = bytes.TrimLeft(rest, " ")
	}
	if n := digits(rest, 12); n >= 9 && n < len(rest) && rest[n] == ' ' {
		id := bytes.TrimSuffix(bytes.TrimLeft(rest[n:], " "), []byte(" - gsmtp"))
		head := span(id, 60, "-")
		tail := id[len(head):]
		if len(head) == 0 || len(id) < 8 || len(tail) < 2 || len(tail) > 20 || tail[0] != '.' {
			return nil
		}
		if digits(tail[1:], 20) == len(tail)-1 {
			return id
		}
		return nil
	}
	if isSESName(rest) {
		return rest
	}
	return nil
}

// isSESName reports whether b is a name that Amazon SES gives: 16 hexadecimal digits, a UUID and a number; or 40
// letters and digits.
func isSESName(b []byte) bool {
	const form = "xxxxxxxxxxxxxxxx-xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx-000000"
	if len(b) == 40 {
		return len(span(b, 40, "")) == 40 && bytes.Equal(b, bytes.ToLower(b)) && isName(b)
	}
	if len(b) != len(form) {
		return false
	}
	for i, c := range b {
		switch form[i] {
		case '-':
			if c != '-' {
				return false
			}
		case '0':
			if c < '0' || c > '9' {
				return false
			}
		default:
			if !isHex(c) {
				return false
			}
		}
	}
	return true
}

// eximID reads "OK id=1xW9xb-00000P-2C" of Exim, Mail.ru and others, and "Requested mail action okay, completed:
// id=1MKsaz-1wevcp3BHR-00M7kH" of GMX, WEB.DE and IONOS.
func eximID(text []byte) []byte {
	for _, words := range []string{"ok id=", "requested mail action okay, completed: id="} {
		if !hasFold(text, words) {
			continue
		}
		rest := text[len(words):]
		id := span(rest, len(rest), "-")
		if len(id) >= 10 && len(id) <= 40 && len(bytes.Trim(rest[len(id):], " \t\r\n\f")) == 0 && isName(id) {
			return id
		}
	}
	return nil
}

// acceptedID reads "3AO4Dpgx012345 Message accepted for delivery" of Sendmail, OpenSMTPD and, with a number after the
// name, Proofpoint; "mail accepted for delivery" of Cloudmark.
func acceptedID(text []byte) []byte {
	id := span(text, 65, "-")
	rest := text[len(id):]
	accepted := hasFold(rest, " message accepted for delivery") || hasFold(rest, " mail accepted for delivery")
	if !accepted || len(id) < 8 || len(id) > 64 || !isName(id) {
		return nil
	}
	return id
}

// exchangeID reads "[InternalId=25, Hostname=…]" of Exchange and Outlook. What they say before it is the Message-ID,
// which is content.
func exchangeID(text []byte) []byte {
	for {
		_, rest, ok := bytes.Cut(text, []byte("[InternalId="))
		if !ok {
			return nil
		}
		n := digits(rest, 25)
		if n >= 1 && n <= 24 && n < len(rest) && (rest[n] == ',' || rest[n] == ']') {
			return rest[:n]
		}
		text = rest
	}
}

// harakaID reads "Message Queued (4F1B2C25-1B2C.1)" of Haraka.
func harakaID(text []byte) []byte {
	const words = "message queued ("
	if !hasFold(text, words) {
		return nil
	}
	rest := text[len(words):]
	id := span(rest, 65, ".-")
	if len(id) < 8 || len(id) > 64 || len(id) == len(rest) || rest[len(id)] != ')' || !isName(id) {
		return nil
	}
	return id
}

// ironPortID reads "ok:  Message 64111812 accepted" of Cisco's gateways.
func ironPortID(text []byte) []byte {
	if !hasFold(text, "ok:") {
		return nil
	}
	rest := bytes.TrimLeft(text[len("ok:"):], " ")
	const word = "message "
	if !hasFold(rest, word) {
		return nil
	}
	rest = rest[len(word):]
	n := digits(rest, 20)
	if n == 0 || !hasFold(rest[n:], " accepted") {
		return nil
	}
	return rest[:n]
}

// mimecastID reads "SmtpThread-230451-1550091842414@mta-2.example Received OK [fOaMSUFaOlaIZIgN0p5oOA.us31]" of
// Mimecast: the name in the brackets is the one that it logs.
func mimecastID(text []byte) []byte {
	_, rest, ok := bytes.Cut(text, []byte("Received OK ["))
	if !ok {
		return nil
	}
	id := span(rest, 65, "._-")
	if len(id) < 16 || len(id) > 64 || len(id) == len(rest) || rest[len(id)] != ']' {
		return nil
	}
	return id
}

// oracleID reads "Ok, envelope id 0LUD00A9Q8EK4BQ0@smtpin1.example" of Oracle's server, which iCloud ran on.
func oracleID(text []byte) []byte {
	const words = "ok, envelope id"
	if !hasFold(text, words) {
		return nil
	}
	rest := bytes.Trim(text[len(words):], " \t")
	id := span(rest, 129, "@.-")
	if at := bytes.IndexByte(id, '@'); at < 8 || len(id) > 128 || len(id) != len(rest) || !isName(id[:at]) {
		return nil
	}
	return id
}

// dovecotID reads "<b@b.example> GHPsGQ5yWVhFEQAAeTjFSw Saved" of Dovecot's LMTP server: the name of the session, with
// the number of the transaction in it, that it logs.
func dovecotID(text []byte) []byte {
	if len(text) == 0 || text[0] != '<' {
		return nil
	}
	end := bytes.LastIndex(text, []byte("> "))
	if end < 0 {
		return nil
	}
	id, saved, ok := bytes.Cut(text[end+len("> "):], []byte(" "))
	if !ok || !bytes.HasPrefix(saved, []byte("Saved")) {
		return nil
	}
	if len(id) < 16 || len(id) > 64 || len(span(id, 64, "+/:")) != len(id) {
		return nil
	}
	return id
}

// nameAtHead is the name at the head of b, at most limit octets of letters, digits and some others; nil if it is none,
// or if it goes on with something else, as a Message-ID does.
func nameAtHead(b []byte, limit int, others string) []byte {
	if len(b) == 0 || !isAlnum(b[0]) && b[0] != '.' && b[0] != '_' && b[0] != '-' {
		return nil
	}
	id := span(b, limit+1, others)
	if len(id) > limit || len(id) < len(b) && bytes.IndexByte([]byte(" \t\r\n;:)]"), b[len(id)]) < 0 {
		return nil
	}
	if id = bytes.TrimRight(id, ".,"); len(id) == 0 || !isName(id) {
		return nil
	}
	return id
}

// isName reports whether b can be a name, and no word: it has a digit, or capitals alone, or is long and of capitals
// and small letters in no order that a word has, or is a long hexadecimal number.
func isName(b []byte) bool {
	hex, upper, small := true, false, false
	for i, c := range b {
		switch {
		case '0' <= c && c <= '9':
			return true
		case 'A' <= c && c <= 'Z':
			upper = upper || i > 0
		case 'a' <= c && c <= 'z':
			small = true
		}
		hex = hex && isHex(c)
	}
	return hex && len(b) >= 8 || upper && (!small && len(b) >= 4 || len(b) >= 16)
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// digits is how many digits b begins with, at most limit.
func digits(b []byte, limit int) int {
	n := 0
	for n < min(len(b), limit) && '0' <= b[n] && b[n] <= '9' {
		n++
	}
	return n
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
