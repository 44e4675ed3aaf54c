package reassembly

import (
	"fmt"
	"strings"
	"testing"

	"tap25/reassembly/decode/decodetest"
	"tap25/reassembly/smtp"
)

// packets are the frames of a wire as an Assembler takes them.
func (w *wire) packets() (packets [][]byte) {
	for _, f := range w.frames {
		packets = append(packets, f.s.IP(w.t).Data)
	}
	return packets
}

const oneMail = `S: 220 mx.example ESMTP
C: EHLO client.example
S: 250-mx.example
S: 250 PIPELINING
C: MAIL FROM:<a@a.example>
S: 250 2.1.0 Ok
C: RCPT TO:<b@b.example>
S: 250 2.1.5 Ok
C: DATA
S: 354 go
C: Subject: one
C: .
S: 250 2.0.0 Ok
C: QUIT
S: 221 bye
`

// TestAssembler_SessionsTakeLittleMemory: what the garbage collector has to do follows from what is allocated.
func TestAssembler_SessionsTakeLittleMemory(t *testing.T) {
	const most, sessions = 2, 200
	var packets [][][]byte
	for i := range 2*sessions + 2 { // AllocsPerRun runs once more, to begin with
		w := newWire(t, 1000, 9000, 1460)
		w.client = fmt.Sprintf("192.0.2.9:%d", 1000+i)
		w.frames[0].s.Src, w.frames[1].s.Dst = w.client, w.client
		w.script(oneMail)
		w.fin(client)
		w.fin(server)
		packets = append(packets, w.packets())
	}
	rows, next := 0, 0
	a := New(Config{Emit: func(*smtp.Envelope) { rows++ }})
	session := func() {
		for _, data := range packets[next] {
			a.Frame(decodetest.Epoch, decodetest.LinkRaw, data, len(data))
		}
		next++
	}
	for range sessions { // tables grow
		session()
	}
	if n := testing.AllocsPerRun(sessions, session); n > most {
		t.Errorf("a session of one mail takes %v allocations, at most %d are right", n, most)
	}
	if a.Close(); rows != next {
		t.Errorf("%d rows of %d sessions", rows, next)
	}
}

// TestAssembler_BodiesTakeNoMemory reads a long message segment by segment, with the acknowledgments of the server.
func TestAssembler_BodiesTakeNoMemory(t *testing.T) {
	w := newWire(t, 1000, 9000, 1460)
	w.script(begin + "C: MAIL FROM:<a@a.example>\nC: RCPT TO:<b@b.example>\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\n")
	for range 300 {
		w.say(client, strings.Repeat("A line of a message, as long as most of them are.\r\n", 50))
		w.ack(server)
	}
	packets := w.packets()
	a := New(Config{Emit: func(*smtp.Envelope) {}})
	next := 0
	frame := func() {
		a.Frame(decodetest.Epoch, decodetest.LinkRaw, packets[next], len(packets[next]))
		next++
	}
	for next < 200 { // the flight gets its ring
		frame()
	}
	if n := testing.AllocsPerRun(len(packets)-next-1, frame); n != 0 {
		t.Errorf("a segment takes %v allocations", n)
	}
	if s := a.Stats(); s.DuplicateBytes+s.IgnoredBytes+s.LostBytes > 0 || s.DeliveredBytes < 700_000 {
		t.Errorf("it is no message in order: %+v", s)
	}
	a.Close()
}
