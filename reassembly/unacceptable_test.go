package reassembly

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tap25/reassembly/decode"
	"tap25/reassembly/decode/decodetest"
	"tap25/reassembly/smtp"
)

// TestAssembler_LongFlightGivesItsMemoryBack sends a large message on a connection that then stays open.
func TestAssembler_LongFlightGivesItsMemoryBack(t *testing.T) {
	w := newWire(t, 1000, 9000, 1460)
	w.script(begin + "C: MAIL FROM:<a@a.example>\nS: 250 ok\nC: RCPT TO:<b@b.example>\nS: 250 ok\nC: DATA\nS: 354 go\n")
	w.say(client, strings.Repeat(strings.Repeat("x", 70)+"\r\n", 5000)+".\r\n")
	w.script("S: 250 ok\nC: NOOP\nS: 250 ok\n")
	a := New(Config{Emit: func(*smtp.Envelope) {}})
	for _, f := range w.frames {
		data := f.s.IP(t).Data
		a.Frame(decodetest.Epoch.Add(f.at), decodetest.LinkRaw, data, len(data))
		if a.lists.held > 256<<10 {
			t.Fatalf("%d octets held", a.lists.held)
		}
	}
	if a.lists.held > 16<<10 {
		t.Errorf("%d octets held of an idle connection", a.lists.held)
	}
	a.Close()
}

// TestAssembler_WhatIsSetAsideIsBounded floods a connection with segments that no host would take.
func TestAssembler_WhatIsSetAsideIsBounded(t *testing.T) {
	w := newWire(t, 1000, 9000, 1460)
	w.script(begin)
	rows := 0
	a := New(Config{Emit: func(*smtp.Envelope) { rows++ }})
	feed := func(frames []timed) {
		for _, f := range frames {
			data := f.s.IP(t).Data
			a.Frame(decodetest.Epoch.Add(f.at), decodetest.LinkRaw, data, len(data))
		}
	}
	feed(w.frames)
	n := len(w.frames)
	for i := range uint32(2000) {
		w.add(client, decodetest.Segment{Flags: []uint8{decode.PSH, decode.ACK}[i%2], Seq: i*7919*7919 + 1<<30,
			Ack: i * 104729, Payload: []byte(strings.Repeat("NOOP\r\n", 200))})
	}
	feed(w.frames[n:])
	if a.lists.held > maxAsideBytes+maxAside*asideCost+32<<10 {
		t.Errorf("%d octets held", a.lists.held)
	}
	n = len(w.frames)
	w.script(mail("") + end)
	feed(w.frames[n:])
	a.Close()
	if s := a.Stats(); rows != 1 || s.Sessions != 1 ||
		s.DeliveredBytes+s.DuplicateBytes+s.IgnoredBytes != s.PayloadBytes {
		t.Errorf("%d rows of %d sessions, %+v", rows, s.Sessions, s)
	}
}

// TestAssembler_LeapsOverALongLoss misses two megabytes of a message: the session goes on behind them, in one piece.
func TestAssembler_LeapsOverALongLoss(t *testing.T) {
	w := newWire(t, 1000, 9000, 1460)
	w.script(begin +
		"C: MAIL FROM:<a@a.example>\nS: 250 ok\nC: RCPT TO:<b@b.example>\nS: 250 ok\nC: DATA\nS: 354 go\nC: first\n")
	w.sent[client] += 2 << 20
	w.ack(server)
	w.script("C: last\n")
	w.ack(server)
	w.script("C: last\nC: .\nS: 250 ok\n" + mail("2") + end)
	w.close()
	rows, s := replayed(t, Config{}, w.frames)
	if len(rows) != 2 || s.Sessions != 1 || s.LostBytes != 2<<20 {
		t.Fatalf("%d rows of %d sessions, %d octets lost", len(rows), s.Sessions, s.LostBytes)
	}
	if text(&rows[0]) != "a@a.example b@b.example 250 250 250 accepted -1" || rows[0].Flags != smtp.Gap ||
		!right(rows, 2, 0) {
		t.Errorf("%s %v, %s %v", text(&rows[0]), rows[0].Flags.Names(), text(&rows[1]), rows[1].Flags.Names())
	}
}

// TestAssembler_EndedConnectionsMakeRoomFirst: a limit of connections must not cost an open session while there are
// others that are only remembered.
func TestAssembler_EndedConnectionsMakeRoomFirst(t *testing.T) {
	rows := 0
	a := New(Config{MaxConns: 10, Emit: func(e *smtp.Envelope) {
		if rows++; e.Outcome != smtp.Accepted {
			t.Errorf("a row is %v", e.Outcome)
		}
	}})
	at := decodetest.Epoch
	feed := func(frames []timed) {
		for _, f := range frames {
			at = at.Add(time.Microsecond)
			data := f.s.IP(t).Data
			a.Frame(at, decodetest.LinkRaw, data, len(data))
		}
	}
	slow := newWire(t, 1, 2, 1460)
	slow.client = "192.0.2.77:7777"
	slow.frames = nil
	slow.shake()
	slow.script(begin + "C: MAIL FROM:<a@a.example>\n")
	n := len(slow.frames)
	feed(slow.frames)
	for i := range uint32(100) {
		w := newWire(t, i, i, 1460)
		w.client = fmt.Sprint("192.0.2.10:", 10000+i)
		w.frames = nil
		w.oneMail()
		feed(w.frames)
	}
	slow.script("S: 250 ok\nC: RCPT TO:<b@b.example>\nS: 250 ok\nC: DATA\nS: 354 go\nC: one\nC: .\nS: 250 ok\n" + end)
	feed(slow.frames[n:])
	a.Close()
	if s := a.Stats(); rows != 101 || s.ConnsEvicted != 0 {
		t.Errorf("%d rows, %d connections evicted", rows, s.ConnsEvicted)
	}
}

// TestAssembler_ResetThatAnswersAFINEndsAtOnce: that is how many clients close, thousands a second; any other RST is
// waited upon, without what was acknowledged before it.
func TestAssembler_ResetThatAnswersAFINEndsAtOnce(t *testing.T) {
	for _, fin := range []bool{true, false} {
		w := newWire(t, 1000, 9000, 1460)
		w.script(begin + mail("") + "C: QUIT\nS: 221 bye\n")
		if fin {
			w.fin(server)
			w.sent[server]++
		}
		w.add(client, decodetest.Segment{Flags: decode.RST | decode.ACK, Seq: 1001 + w.sent[client],
			Ack: 9001 + w.sent[server]})
		a := New(Config{Emit: func(*smtp.Envelope) {}})
		for _, f := range w.frames {
			data := f.s.IP(t).Data
			a.Frame(decodetest.Epoch.Add(f.at), decodetest.LinkRaw, data, len(data))
		}
		for c := range a.lists.conns.all {
			if c.closed != fin || len(c.half[0].history.ring)+len(c.half[1].history.ring) > 0 {
				t.Errorf("FIN %v: closed %v, rings of %d and %d octets", fin, c.closed, len(c.half[0].history.ring),
					len(c.half[1].history.ring))
			}
		}
		if a.lists.conns.n != 1 {
			t.Errorf("%d connections remembered", a.lists.conns.n)
		}
		a.Close()
	}
}

// TestAssembler_WhatIsSetAsideMakesRoomBeforeOpenConnections: a few senders of segments that no host would take must
// not end the sessions of others.
func TestAssembler_WhatIsSetAsideMakesRoomBeforeOpenConnections(t *testing.T) {
	const n, limit = 100, 1 << 20
	rows := 0
	a := New(Config{MaxHeld: limit, Emit: func(*smtp.Envelope) { rows++ }})
	for _, f := range crowd(t, n, false) {
		data := f.s.IP(t).Data
		a.Frame(decodetest.Epoch.Add(f.at), decodetest.LinkRaw, data, len(data))
	}
	for i := range uint32(50 * n) {
		s := decodetest.Segment{Src: fmt.Sprintf("192.0.2.9:%d", 1000+i%n), Dst: decodetest.Server, Flags: decode.ACK,
			Seq: 1 << 30, Ack: i * 104729, Payload: []byte(strings.Repeat("x", 1200))}
		data := s.IP(t).Data
		a.Frame(decodetest.Epoch.Add(time.Second), decodetest.LinkRaw, data, len(data))
		if a.lists.held > limit {
			t.Fatalf("%d octets held", a.lists.held)
		}
	}
	a.Close()
	if s := a.Stats(); rows != n || s.Sessions != n || s.ConnsEvicted != 0 || s.HolesEvicted != 0 {
		t.Errorf("%d rows of %d sessions, %d connections and %d holes evicted", rows, s.Sessions, s.ConnsEvicted,
			s.HolesEvicted)
	}
}

// TestAssembler_LongFlightsMakeRoomBeforeOpenConnections: nothing of them is acknowledged, as where one direction is
// captured.
func TestAssembler_LongFlightsMakeRoomBeforeOpenConnections(t *testing.T) {
	const n, limit = 40, 1 << 20
	rows := 0
	a := New(Config{MaxHeld: limit, Emit: func(*smtp.Envelope) { rows++ }})
	long := 0
	for i := range n {
		w := newWire(t, 1000, 9000, 1460)
		w.client = fmt.Sprintf("192.0.2.9:%d", 1000+i)
		w.frames = nil
		w.shake()
		w.script(begin +
			"C: MAIL FROM:<a@a.example>\nS: 250 ok\nC: RCPT TO:<b@b.example>\nS: 250 ok\nC: DATA\nS: 354 go\n")
		w.say(client, strings.Repeat(strings.Repeat("x", 70)+"\r\n", 2000))
		for _, f := range w.frames {
			data := f.s.IP(t).Data
			a.Frame(decodetest.Epoch.Add(time.Duration(i)*time.Millisecond), decodetest.LinkRaw, data, len(data))
			if a.lists.held > limit {
				t.Fatalf("%d octets held", a.lists.held)
			}
		}
	}
	for c := range a.lists.conns.all {
		if len(c.half[smtp.FromClient].history.ring) == maxUnacked {
			long++
		}
	}
	if long < 10 || long == n {
		t.Errorf("%d of %d flights remembered", long, n)
	}
	a.Close()
	if s := a.Stats(); rows != n || s.ConnsEvicted != 0 || s.HolesEvicted != 0 || s.Unfinished != n {
		t.Errorf("%d rows, %d connections and %d holes evicted, %d unfinished", rows, s.ConnsEvicted, s.HolesEvicted,
			s.Unfinished)
	}
}
