package reassembly

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"tap25/reassembly/decode"
	"tap25/reassembly/decode/decodetest"
	"tap25/reassembly/smtp"
)

// wire is a TCP connection written out as segments, for tests: say adds payload, and both sides acknowledge at once.
type wire struct {
	t          testing.TB
	client     string
	server     string
	isn        [2]uint32
	sent       [2]uint32 // octets so far
	frames     []timed
	chunk      int // octets of a segment
	timestamps time.Duration
}

type timed struct {
	at   time.Duration
	s    decodetest.Segment
	side int
	wait time.Duration // in a case: how long the wire was silent before
	made []byte        // the packet, where it was built before
	// what stands around the packet, as one frame or more; nil: nothing
	wrap func(testing.TB, decodetest.Wrapped) []decodetest.Wrapped
}

func newWire(t testing.TB, clientISN, serverISN uint32, chunk int) *wire {
	w := &wire{t: t, client: decodetest.Client, server: decodetest.Server, isn: [2]uint32{clientISN, serverISN},
		chunk: chunk}
	w.add(client, decodetest.Segment{Flags: decode.SYN, Seq: clientISN})
	w.add(server, decodetest.Segment{Flags: decode.SYN | decode.ACK, Seq: serverISN, Ack: clientISN + 1})
	return w
}

func (w *wire) add(side int, s decodetest.Segment) {
	s.Src, s.Dst = w.client, w.server
	if side == server {
		s.Src, s.Dst = s.Dst, s.Src
	}
	w.timestamps += time.Millisecond
	w.frames = append(w.frames, timed{at: w.timestamps, s: s, side: side})
}

func (w *wire) say(side int, text string) {
	for b := []byte(text); len(b) > 0; {
		n := min(w.chunk, len(b))
		w.add(side, decodetest.Segment{Flags: decode.ACK | decode.PSH, Seq: w.isn[side] + 1 + w.sent[side],
			Ack: w.isn[1-side] + 1 + w.sent[1-side], Payload: b[:n]})
		w.sent[side] += uint32(n)
		b = b[n:]
	}
}

func (w *wire) fin(side int) {
	w.add(side, decodetest.Segment{Flags: decode.ACK | decode.FIN, Seq: w.isn[side] + 1 + w.sent[side],
		Ack: w.isn[1-side] + 1 + w.sent[1-side]})
}

// dialogue is a session of two mails, the second with a refused recipient.
func (w *wire) dialogue() {
	w.script(twoMails)
	w.fin(client)
	w.fin(server)
}

// script says lines, each in segments of its own.
func (w *wire) script(text string) {
	for _, line := range strings.SplitAfter(text, "\n") {
		if line == "" {
			continue
		}
		side := client
		if line[0] == 'S' {
			side = server
		}
		w.say(side, strings.ReplaceAll(line[3:], "\n", "\r\n"))
	}
}

const twoMails = `S: 220 mx.example ESMTP
C: EHLO client.example
S: 250-mx.example
S: 250 PIPELINING
C: MAIL FROM:<a1@a.example> SIZE=100
S: 250 2.1.0 Ok
C: RCPT TO:<b1@b.example>
S: 250 2.1.5 Ok
C: DATA
S: 354 go
C: Subject: one
C: 
C: MAIL FROM:<body@evil.example>
C: .
S: 250 2.0.0 Ok: queued as Q1
C: MAIL FROM:<a2@a.example>
C: RCPT TO:<b2@b.example>
C: RCPT TO:<no@b.example>
C: DATA
S: 250 2.1.0 Ok
S: 250 2.1.5 Ok
S: 550 5.1.1 no
S: 354 go
C: two
C: .
S: 250 2.0.0 Ok: queued as Q2
C: QUIT
S: 221 bye
`

// replayed is what came of some frames.
func replayed(t testing.TB, cfg Config, frames []timed) ([]smtp.Envelope, Stats) {
	var rows []smtp.Envelope
	cfg.Sensor = "tap"
	cfg.Emit = func(e *smtp.Envelope) { rows = append(rows, *e) }
	a := New(cfg)
	for _, f := range frames {
		data := f.made
		if data == nil {
			data = f.s.IP(t).Data
		}
		a.Frame(decodetest.Epoch.Add(f.at), decodetest.LinkRaw, data, len(data))
	}
	a.Close()
	s := a.Stats()
	if got := s.DeliveredBytes + s.DuplicateBytes + s.IgnoredBytes; got != s.PayloadBytes {
		t.Errorf("payload %d octets, delivered, duplicate and ignored %d", s.PayloadBytes, got)
	}
	if a.shared.orderer.opened != a.shared.orderer.completed {
		t.Errorf("%d episodes opened in gopacket, %d let go", a.shared.orderer.opened, a.shared.orderer.completed)
	}
	if a.lists.held != 0 || a.lists.conns.n != 0 || a.lists.holed.Len() != 0 || a.lists.keeping.n != 0 {
		t.Errorf("held after Close: %d bytes, %d connections, %d holes, %d of them kept", a.lists.held,
			a.lists.conns.n, a.lists.holed.Len(), a.lists.keeping.n)
	}
	return rows, s
}

// essence is a row as far as the order of packets cannot change it.
func essence(rows []smtp.Envelope) (out []string) {
	for i := range rows {
		e := &rows[i]
		text := func(s *string) string {
			if s == nil {
				return "-"
			}
			return *s
		}
		size := int64(-1)
		if e.MessageBytes != nil {
			size = *e.MessageBytes
		}
		out = append(out, fmt.Sprint(e.SessionID, e.MailNo, text(e.HELO), text(e.MailFrom), text(e.RcptTo), e.MailCode,
			e.RcptCode, e.DataCode,
			e.Outcome, size, text(e.QueueID), e.LostBytes, e.Flags.Names()))
	}
	return out
}

func wantTwoMails(t testing.TB) []string {
	w := newWire(t, 1000, 9000, 1460)
	w.dialogue()
	rows, s := replayed(t, Config{}, w.frames)
	if len(rows) != 3 || s.LostBytes != 0 || s.Sessions != 1 {
		t.Fatalf("%d rows, %d octets lost, %d sessions", len(rows), s.LostBytes, s.Sessions)
	}
	want := []string{"a1 b1 accepted 47", "a2 no refused -1", "a2 b2 accepted 5"}
	for i := range rows {
		size := int64(-1)
		if rows[i].MessageBytes != nil {
			size = *rows[i].MessageBytes
		}
		from, _, _ := strings.Cut(*rows[i].MailFrom, "@")
		to, _, _ := strings.Cut(*rows[i].RcptTo, "@")
		if got := fmt.Sprint(from, " ", to, " ", rows[i].Outcome, " ", size); got != want[i] {
			t.Errorf("row %d: %s, want %s", i+1, got, want[i])
		}
	}
	return essence(rows)
}

func essenceOf0(rows []smtp.Envelope) []string { return withoutSession(essence(rows)) }

func withoutSession(rows []string) (out []string) {
	for _, r := range rows {
		_, rest, _ := strings.Cut(r, " ")
		out = append(out, rest)
	}
	return out
}

// reorder swaps frames by up to so many places; times stay ascending.
func reorder(rng *rand.Rand, frames []timed, places int) {
	for i := range frames {
		if j := i + rng.IntN(places); rng.IntN(2) == 0 && j < len(frames) {
			frames[i], frames[j] = frames[j], frames[i]
		}
	}
	for i := range frames {
		frames[i].at = time.Duration(i+3) * time.Millisecond
	}
}
