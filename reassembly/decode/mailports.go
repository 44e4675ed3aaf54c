package decode

import (
	"encoding/binary"
	"iter"
)

// mailPorts are ports of mail servers: LMTP, SMTP, submission in TLS (RFC 8314) and without, and a common second port
// of the latter. Some servers speak without TLS on that of submission in TLS too. They are few enough to ask each frame
// of other ports for.
var mailPorts = [...]uint16{24, 25, 465, 587, 2525}

// submissionsPort is the one of mailPorts whose sessions usually begin with TLS.
const submissionsPort = 465

// MailPorts counts, for each of some ports of mail servers, the segments that look like the beginning of a session
// though the port is not watched. The zero value counts nothing yet.
type MailPorts struct {
	Greetings, Hellos [len(mailPorts)]int64 // of servers, and of clients, in the clear
	ClientHellos      int64                 // TLS from the first octet, on port 465
}

// All yields each port with the number of sessions that seem to have begun on it in the clear, if there are any.
func (m *MailPorts) All() iter.Seq2[uint16, int64] {
	return func(yield func(uint16, int64) bool) {
		for i, port := range mailPorts {
			// One direction may not have been captured.
			if n := max(m.Greetings[i], m.Hellos[i]); n > 0 && !yield(port, n) {
				return
			}
		}
	}
}

// Add adds what another has counted.
func (m *MailPorts) Add(o *MailPorts) {
	for i := range mailPorts {
		m.Greetings[i] += o.Greetings[i]
		m.Hellos[i] += o.Hellos[i]
	}
	m.ClientHellos += o.ClientHellos
}

// note counts a segment of a port that is not watched, from its TCP header on.
func (m *MailPorts) note(b []byte) {
	src, dst := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	from, to := mailPort(src), mailPort(dst)
	if from < 0 && to < 0 || len(b) < 20 {
		return
	}
	size := int(b[12]>>4) * 4
	if size < 20 || size+5 > len(b) {
		return
	}
	payload := b[size:]
	switch head := string(payload[:5]); {
	case dst == submissionsPort && isClientHello(payload):
		m.ClientHellos++
	case from >= 0 && (head[:4] == "220 " || head[:4] == "220-"):
		m.Greetings[from]++
	case to >= 0 && (head == "EHLO " || head == "HELO " || head == "LHLO " || head == "ehlo " || head == "helo "):
		m.Hellos[to]++
	}
}

// mailPort is the index of a port in mailPorts, -1 if it is none of them.
func mailPort(port uint16) int {
	switch port {
	case 24:
		return 0
	case 25:
		return 1
	case 465:
		return 2
	case 587:
		return 3
	case 2525:
		return 4
	}
	return -1
}

// isClientHello reports whether b begins with a TLS record of a handshake that begins with a ClientHello (RFC 8446
// sections 4 and 5.1).
func isClientHello(b []byte) bool { return len(b) > 5 && b[0] == 22 && b[1] == 3 && b[5] == 1 }
