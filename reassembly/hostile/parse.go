package hostile

import (
	"encoding/binary"
	"strings"
)

// What must be read from its head to its end before anybody knows what it is: lines of almost 64 KiB, and handshakes of
// TLS.
var parseShapes = []Shape{
	{"paths without an end, of quotes", Lines, longLines("RCPT TO:<", "\"\\\"")},
	{"paths without an end, of brackets", Lines, longLines("RCPT TO:<", "<a@b>,")},
	{"paths of source routes", Lines, longLines("RCPT TO:<", "@a,")},
	{"paths of phrases", Lines, longLines("RCPT TO:", "\"a\" <b> ")},
	{"parameters of one octet", Lines, longLines("MAIL FROM:<a@b>", " x")},
	{"parameters of RFC 1870 and RFC 3461", Lines, longLines("MAIL FROM:<a@b>", " SIZE=1 ENVID=+41 ORCPT=rfc822;+41")},
	{"xtext without an end", Lines, longLines("RCPT TO:<a@b> ORCPT=utf-8;", "+41\\x{41}")},
	{"replies of words before a queue id", Lines, longReplies("250 2.0.0 ok ", "queued as ")},
	{"replies of brackets before a queue id", Lines, longReplies("250 2.6.0 accepted ", "[InternalId=")},
	{"replies of ids", Lines, longReplies("250 OK ", "id=")},
	{"a ClientHello an octet a segment", Small, clientHellos(1, 1<<14)},
	{"a ClientHello an octet a record", Lines, clientHellos(1400, 1)},
	{"a ClientHello of empty extensions", Lines, clientHellos(1400, 1<<14)},
}

// longLine is a line of 64,000 octets, which the dialogue keeps whole.
func longLine(head, unit string) string {
	return head + strings.Repeat(unit, (64_000-len(head))/len(unit)) + "\r\n"
}

// segments sends text in full frames.
func (s *session) segments(from int, text string, size int) {
	for text != "" && s.w.room() {
		n := min(len(text), size)
		s.say(from, text[:n])
		text = text[n:]
	}
}

func longLines(head, unit string) func(*Wire) {
	return func(w *Wire) {
		s := w.session(0).begin()
		for w.room() {
			s.segments(fromClient, longLine(head, unit), 1400)
			s.server("501 no\r\n")
			s.client("RSET\r\n")
			s.server("250 ok\r\n")
		}
	}
}

// longReplies answers the end of a message.
func longReplies(head, unit string) func(*Wire) {
	return func(w *Wire) {
		s := w.session(0).begin()
		for w.room() {
			s.data()
			s.client("x\r\n.\r\n")
			s.segments(fromServer, longLine(head, unit), 1400)
		}
	}
}

// clientHellos begins one session after the other with a handshake of TLS, in segments and records of some sizes.
func clientHellos(segment, record int) func(*Wire) {
	records := clientHello(record)
	return func(w *Wire) {
		for i := 0; w.room(); i++ {
			s := w.session(i).begin()
			s.client("STARTTLS\r\n")
			s.server("220 go\r\n")
			s.segments(fromClient, records, segment)
		}
	}
}

// clientHello is a ClientHello (RFC 8446 section 4.1.2) of 2,000 empty extensions and no server name, in records of so
// many octets.
func clientHello(record int) string {
	extensions := strings.Repeat("\x40\x00\x00\x00", 2000)
	body := "\x03\x03" + strings.Repeat("r", 32) + "\x00" + "\x00\x02\x13\x01" + "\x01\x00" +
		string(binary.BigEndian.AppendUint16(nil, uint16(len(extensions)))) + extensions
	message := "\x01" + string(binary.BigEndian.AppendUint32(nil, uint32(len(body)))[1:]) + body
	var out strings.Builder
	for message != "" {
		n := min(len(message), record)
		out.WriteString("\x16\x03\x01" + string(binary.BigEndian.AppendUint16(nil, uint16(n))) + message[:n])
		message = message[n:]
	}
	return out.String()
}
