package reassembly

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"tap25/reassembly/decode"
	"tap25/reassembly/decode/decodetest"
	"tap25/reassembly/smtp"
)

// pagesUsed asks gopacket how many of its pages are out.
func pagesUsed(t *testing.T, a *Assembler) (used int) {
	t.Helper()
	if _, err := fmt.Sscanf(a.shared.orderer.assembler.Dump(), "pageCache: used: %d,", &used); err != nil {
		t.Fatal(err)
	}
	return used
}

// TestOrder_ManyHolesTakeNoMoreThanTheLimit loses every second segment of a long connection, so that holes are given up
// all the time: gopacket must get each of its pages back, or it doubles its memory each time it runs out of them.
func TestOrder_ManyHolesTakeNoMoreThanTheLimit(t *testing.T) {
	a := New(Config{Emit: func(*smtp.Envelope) {}})
	payload := make([]byte, 1400)
	at := decodetest.Epoch
	feed := func(s decodetest.Segment) {
		at = at.Add(time.Microsecond)
		data := s.IP(t).Data
		a.Frame(at, decodetest.LinkRaw, data, len(data))
	}
	feed(decodetest.Segment{Flags: decode.SYN, Seq: 1000})
	const segments = 6000
	for i := range uint32(segments) {
		feed(decodetest.Segment{Seq: 1001 + 2800*i + 1400, Payload: payload})
		if used := pagesUsed(t, a); used > 2*maxAhead/runCost {
			t.Fatalf("%d pages used after %d segments", used, i+1)
		}
	}
	a.Close()
	s := a.Stats()
	if used := pagesUsed(t, a); used != 0 || a.shared.orderer.opened != a.shared.orderer.completed {
		t.Errorf("%d pages still used, %d of %d episodes closed", used, a.shared.orderer.completed,
			a.shared.orderer.opened)
	}
	if s.DeliveredBytes != segments*1400 || s.LostBytes != segments*1400 {
		t.Errorf("%d octets delivered, %d lost; want %d each", s.DeliveredBytes, s.LostBytes, segments*1400)
	}
}

// TestOrder_RowsComeInTheSameOrderEachTime gives up the holes of many connections in one sweep.
func TestOrder_RowsComeInTheSameOrderEachTime(t *testing.T) {
	order := func() (ids []int64) {
		a := New(Config{Emit: func(e *smtp.Envelope) { ids = append(ids, e.SessionID) }})
		for n := range 50 {
			w := newWire(t, 1000, 9000, 1460)
			w.client = fmt.Sprintf("192.0.2.9:%d", 1000+n)
			w.say(server, "220 mx\r\n")
			w.say(client, "EHLO x\r\n")
			w.say(server, "250 mx\r\n")
			w.say(client, "MAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\n")
			w.say(server, "250 ok\r\n250 ok\r\n")
			w.say(client, "RSET\r\n")
			w.frames = w.frames[:len(w.frames)-1] // missed, but acknowledged
			w.say(server, "250 reset\r\n")
			w.say(client, "MAIL FROM:<c@a.example>\r\nRSET\r\n")
			for _, f := range w.frames {
				data := f.s.IP(t).Data
				a.Frame(decodetest.Epoch.Add(f.at), decodetest.LinkRaw, data, len(data))
			}
		}
		a.Advance(decodetest.Epoch.Add(10 * time.Second))
		a.Close()
		return ids
	}
	want := fmt.Sprint(order())
	for range 5 {
		if got := fmt.Sprint(order()); got != want {
			t.Fatal("another order of rows from the same frames")
		}
	}
}

// TestOrder_EveryByteArrivesAtItsOffset loses, repeats, re-cuts and reorders segments of a random stream: what is
// delivered stands where it was sent, and what is lost is exactly what never came.
func TestOrder_EveryByteArrivesAtItsOffset(t *testing.T) {
	for seed := range uint64(2000) {
		rng := rand.New(rand.NewPCG(seed, 3))
		stream := make([]byte, 1+rng.IntN(4000))
		for i := range stream {
			stream[i] = byte(rng.Uint32())
		}
		var got []byte
		var lost int64
		came := make([]bool, len(stream))
		a := New(Config{Emit: func(*smtp.Envelope) {}})
		a.shared.trace = func(d delivery) {
			got = append(got, d.data...)
			got = append(got, make([]byte, d.lost)...)
			lost += d.lost
		}
		c := a.shared.newConn(tuple{})
		c.dialogue = smtp.New(&a.cfg.SMTP, smtp.Session{})
		type piece struct{ from, to int }
		var pieces []piece
		for from := 0; from < len(stream); {
			to := min(len(stream), from+1+rng.IntN(300))
			for range rng.IntN(3) {
				pieces = append(pieces, piece{max(0, from-rng.IntN(50)), min(len(stream), to+rng.IntN(50))})
			}
			from = to
		}
		rng.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
		for _, p := range pieces {
			c.order(decodetest.Epoch, smtp.FromClient, int64(p.from), stream[p.from:p.to], 0)
			for i := p.from; i < p.to; i++ {
				came[i] = true
			}
		}
		c.drain(smtp.FromClient)
		missing := int64(0)
		for i := range got {
			if !came[i] {
				missing++
			} else if got[i] != stream[i] {
				t.Fatalf("seed %d: octet %d is %#x, sent %#x", seed, i, got[i], stream[i])
			}
		}
		last := len(stream)
		for last > 0 && !came[last-1] {
			last--
		}
		if len(got) != last || lost != missing || a.shared.orderer.opened != a.shared.orderer.completed {
			t.Fatalf("seed %d: %d octets came out of %d, %d lost of %d", seed, len(got), last, lost, missing)
		}
	}
}
