package reassembly

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tap25/reassembly/decode"
	"tap25/reassembly/decode/decodetest"
	"tap25/reassembly/smtp"
)

// side of a scripted connection.
const (
	client = iota
	server
)

func TestAssembler_SequenceNumbersMayWrapAnywhere(t *testing.T) {
	want := wantTwoMails(t)
	for back := uint32(0); back < 420; back++ {
		for _, chunk := range []int{1460, 7} {
			w := newWire(t, -back, -back/2, chunk)
			w.dialogue()
			rows, _ := replayed(t, Config{}, w.frames)
			for i := range rows {
				rows[i].SessionID = 0
			}
			if diff := cmp.Diff(withoutSession(want), essenceOf0(rows)); diff != "" {
				t.Fatalf("wrap %d octets behind the SYN, segments of %d: %s", back, chunk, diff)
			}
		}
	}
}

// TestAssembler_OrderAndCopiesChangeNothing reorders within 60 packets and repeats segments, with their own and with
// other boundaries: 1,000 cases of rapid's seed.
func TestAssembler_OrderAndCopiesChangeNothing(t *testing.T) {
	want := wantTwoMails(t)
	rapid.Check(t, func(rt *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))
		w := newWire(t, 1000, 9000, 1+rng.IntN(90))
		w.dialogue()
		frames := w.frames[:2:2]
		for i := 2; i < len(w.frames); i++ {
			f := w.frames[i]
			frames = append(frames, f)
			if rng.IntN(3) == 0 {
				frames = append(frames, f)
			}
			if next := i + 1; rng.IntN(4) == 0 && next < len(w.frames) && w.frames[next].side == f.side &&
				w.frames[next].s.Flags == f.s.Flags {
				both := f
				both.s.Payload = append(bytes.Clone(f.s.Payload), w.frames[next].s.Payload...)
				cut := rng.IntN(len(both.s.Payload))
				both.s.Payload, both.s.Seq = both.s.Payload[cut:], both.s.Seq+uint32(cut)
				frames = append(frames, both)
			}
		}
		reorder(rng, frames[2:], 1+rng.IntN(60))
		rows, s := replayed(t, Config{}, frames)
		if diff := cmp.Diff(want, essence(rows)); diff != "" || s.LostBytes != 0 || s.Conflicts != 0 {
			rt.Fatalf("lost %d, conflicts %d: %s", s.LostBytes, s.Conflicts, diff)
		}
	})
}

// TestAssembler_LossInventsNothing drops random segments: every address was sent, no MAIL is joined with another's
// RCPT, and every row without a flag equals the lossless one.
func TestAssembler_LossInventsNothing(t *testing.T) {
	lossless := map[string]bool{}
	for _, r := range withoutSession(wantTwoMails(t)) {
		lossless[r] = true
	}
	pairs := map[string]bool{"a1@a.example b1@b.example": true, "a2@a.example b2@b.example": true,
		"a2@a.example no@b.example": true}
	rapid.Check(t, func(rt *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 2))
		w := newWire(t, 1000, 9000, 1+rng.IntN(90))
		w.dialogue()
		frames := w.frames[:0:0]
		for i, f := range w.frames {
			if i < 2 || rng.IntN(12) != 0 {
				frames = append(frames, f)
			}
		}
		rows, _ := replayed(t, Config{}, frames)
		for i := range rows {
			e := &rows[i]
			if e.MailFrom != nil && e.RcptTo != nil && !pairs[*e.MailFrom+" "+*e.RcptTo] {
				rt.Fatalf("%s joined with %s", *e.MailFrom, *e.RcptTo)
			}
			if e.MailFrom != nil && *e.MailFrom != "a1@a.example" && *e.MailFrom != "a2@a.example" {
				rt.Fatalf("sender %q was not sent", *e.MailFrom)
			}
			if e.RcptTo != nil && !strings.Contains("b1@b.example b2@b.example no@b.example", *e.RcptTo) {
				rt.Fatalf("recipient %q was not sent", *e.RcptTo)
			}
			if e.Flags == 0 && e.LostBytes == 0 && !lossless[withoutSession(essence(rows[i : i+1]))[0]] {
				rt.Fatalf("unflagged row differs: %s", essence(rows[i : i+1])[0])
			}
		}
	})
}

func TestAssembler_ResetAndReusedPortsLoseNoMail(t *testing.T) {
	var frames []timed
	at := time.Duration(0)
	for n := range 50 {
		w := newWire(t, 1000+uint32(n)*7919, 9000, 1460)
		w.dialogue()
		w.frames = w.frames[:len(w.frames)-2]
		w.add(client, decodetest.Segment{Flags: decode.RST, Seq: w.isn[client] + 1 + w.sent[client]})
		for _, f := range w.frames {
			at += time.Millisecond
			f.at = at
			frames = append(frames, f)
		}
	}
	rows, s := replayed(t, Config{}, frames)
	if len(rows) != 150 || s.Sessions != 50 {
		t.Errorf("%d rows of %d sessions, want 150 of 50", len(rows), s.Sessions)
	}
	for i := range rows {
		if rows[i].Flags != 0 {
			t.Errorf("row %d has flags %v", i, rows[i].Flags.Names())
		}
	}
}

func TestAssembler_ResetOutsideTheWindowIsADecoy(t *testing.T) {
	w := newWire(t, 1000, 9000, 1460)
	w.dialogue()
	decoy := timed{at: w.frames[6].at, s: decodetest.Segment{Src: decodetest.Client, Dst: decodetest.Server,
		Flags: decode.RST, Seq: 1000 + 1<<31}}
	frames := append(append(append([]timed{}, w.frames[:7]...), decoy), w.frames[7:]...)
	rows, s := replayed(t, Config{}, frames)
	if len(rows) != 3 || s.IgnoredResets != 1 {
		t.Errorf("%d rows, %d resets ignored; want 3, 1", len(rows), s.IgnoredResets)
	}
}

func TestAssembler_FirstCopyOfAByteStands(t *testing.T) {
	w := newWire(t, 1000, 9000, 1460)
	w.dialogue()
	var frames []timed
	for _, f := range w.frames {
		frames = append(frames, f)
		if bytes.HasPrefix(f.s.Payload, []byte("RCPT TO:<b1@")) {
			f.s.Payload = []byte("RCPT TO:<xx@b.example>\r\n")
			frames = append(frames, f)
		}
	}
	rows, s := replayed(t, Config{}, frames)
	if len(rows) != 3 || *rows[0].RcptTo != "b1@b.example" || rows[0].Flags != smtp.Conflict || rows[1].Flags != 0 ||
		s.Conflicts != 1 {
		t.Errorf("%v, %d conflicts", essence(rows), s.Conflicts)
	}
}

func TestAssembler_KeepAliveIsNoConflict(t *testing.T) {
	w := newWire(t, 1000, 9000, 1460)
	w.say(server, "220 mx.example\r\n")
	w.say(client, "EHLO x\r\n")
	w.add(client, decodetest.Segment{Flags: decode.ACK, Seq: w.isn[client] + w.sent[client],
		Ack: w.isn[server] + 1 + w.sent[server], Payload: []byte{0}})
	w.say(server, "250 mx\r\n")
	_, s := replayed(t, Config{}, w.frames)
	if s.Conflicts != 0 || s.DuplicateBytes != 1 {
		t.Errorf("%d conflicts, %d duplicate octets; want 0, 1", s.Conflicts, s.DuplicateBytes)
	}
}

// TestAssembler_HalfOpenConnectionsAreBounded lets complete sessions run among SYNs that lead nowhere.
func TestAssembler_HalfOpenConnectionsAreBounded(t *testing.T) {
	rows := 0
	a := New(Config{MaxHalfOpen: 1000, Emit: func(*smtp.Envelope) { rows++ }})
	at := decodetest.Epoch
	feed := func(s decodetest.Segment) {
		at = at.Add(time.Microsecond)
		data := s.IP(t).Data
		a.Frame(at, decodetest.LinkRaw, data, len(data))
	}
	for n := range 20 {
		for i := range 2000 {
			feed(decodetest.Segment{Src: fmt.Sprintf("203.0.%d.%d:%d", n, i%250, 2000+i), Dst: decodetest.Server,
				Flags: decode.SYN, Seq: uint32(i)})
		}
		w := newWire(t, uint32(n), 9000, 1460)
		w.client = fmt.Sprintf("192.0.2.%d:40001", n+1)
		w.frames = nil
		w.add(client, decodetest.Segment{Flags: decode.SYN, Seq: uint32(n)})
		w.add(server, decodetest.Segment{Flags: decode.SYN | decode.ACK, Seq: 9000, Ack: uint32(n) + 1})
		w.dialogue()
		for _, f := range w.frames {
			feed(f.s)
		}
	}
	a.Close()
	if s := a.Stats(); rows != 60 || s.Sessions != 20 || s.HalfOpenEvicted < 38000 || a.halfOpen.n > 1000 {
		t.Errorf("%d rows, %d sessions, %d half-open evicted, %d kept", rows, s.Sessions, s.HalfOpenEvicted,
			a.halfOpen.n)
	}
}

func TestAssembler_IdleConnectionIsEmittedAsUnknown(t *testing.T) {
	w := newWire(t, 1000, 9000, 1460)
	w.say(server, "220 mx.example\r\n")
	w.say(client, "EHLO x\r\n")
	w.say(server, "250 mx\r\n")
	w.say(client, "MAIL FROM:<a@a.example>\r\n")
	w.say(server, "250 ok\r\n")
	w.say(client, "RCPT TO:<b@b.example>\r\n")
	w.say(server, "250 ok\r\n")
	w.frames = append(w.frames, timed{at: time.Hour,
		s: decodetest.Segment{Src: "192.0.2.99:1", Dst: decodetest.Server, Flags: decode.SYN}})
	rows, s := replayed(t, Config{}, w.frames)
	if len(rows) != 1 || rows[0].Outcome != smtp.Unknown || s.Idle != 1 {
		t.Errorf("%v, %d idle", essence(rows), s.Idle)
	}
}

func BenchmarkAssembler(b *testing.B) {
	w := newWire(b, 1000, 9000, 1460)
	w.say(server, "220 mx.example\r\n")
	w.say(client, "EHLO x\r\nMAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\nDATA\r\n")
	w.say(server, "250 mx\r\n250 ok\r\n250 ok\r\n354 go\r\n")
	w.say(client, strings.Repeat("An ordinary line of a message, some sixty octets of it at all.\r\n", 2000)+".\r\n")
	w.say(server, "250 ok\r\n")
	var frames [][]byte
	size := 0
	for _, f := range w.frames {
		frames = append(frames, f.s.IP(b).Data)
		size += len(frames[len(frames)-1])
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		a := New(Config{})
		for i, f := range frames {
			a.Frame(decodetest.Epoch.Add(time.Duration(i)*time.Millisecond), decodetest.LinkRaw, f, len(f))
		}
		a.Close()
	}
}
