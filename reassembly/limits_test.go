package reassembly

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"tap25/reassembly/decode"
	"tap25/reassembly/decode/decodetest"
	"tap25/reassembly/smtp"
)

// crowd opens n connections, one after the other, each with a mail whose message is on its way, and, if holes is set,
// with something held behind a hole.
func crowd(t *testing.T, n int, holes bool) (frames []timed) {
	at := time.Duration(0)
	for i := range n {
		w := newWire(t, 1000, 9000, 1460)
		w.frames, w.client = nil, fmt.Sprintf("192.0.2.9:%d", 1000+i)
		w.add(client, decodetest.Segment{Flags: decode.SYN, Seq: 1000})
		w.add(server, decodetest.Segment{Flags: decode.SYN | decode.ACK, Seq: 9000, Ack: 1001})
		w.say(server, "220 mx\r\n")
		w.say(client, "EHLO x\r\n")
		w.say(server, "250 mx\r\n")
		w.say(client, fmt.Sprintf("MAIL FROM:<a%d@a.example>\r\nRCPT TO:<b%d@b.example>\r\nDATA\r\n", i, i))
		w.say(server, "250 ok\r\n250 ok\r\n354 go\r\n")
		if holes {
			w.sent[client] += 10
			w.say(client, strings.Repeat("x", 1400))
		}
		for _, f := range w.frames {
			at += time.Microsecond
			f.at = at
			frames = append(frames, f)
		}
	}
	return frames
}

// wantCrowd wants a row of unknown outcome for each of n connections, in their order, with those flags.
func wantCrowd(t *testing.T, rows []smtp.Envelope, n int, flags smtp.Flags) {
	t.Helper()
	if len(rows) != n {
		t.Fatalf("%d rows, want %d", len(rows), n)
	}
	for i, e := range rows {
		if *e.MailFrom != fmt.Sprintf("a%d@a.example", i) || *e.RcptTo != fmt.Sprintf("b%d@b.example", i) ||
			e.Outcome != smtp.Unknown || e.Flags != flags {
			t.Fatalf("row %d: %s", i, essence(rows[i:i+1]))
		}
	}
}

func TestAssembler_TooManyConnectionsGiveUpTheSilentOnesFirst(t *testing.T) {
	rows, s := replayed(t, Config{MaxConns: 100}, crowd(t, 150, false))
	wantCrowd(t, rows, 150, 0)
	if s.ConnsEvicted != 50 || s.Unfinished != 100 || s.HolesEvicted != 0 {
		t.Errorf("%d evicted, %d unfinished", s.ConnsEvicted, s.Unfinished)
	}
}

// countdown is a context that ends after it was looked at so many times.
type countdown struct {
	context.Context
	left int
}

func (c *countdown) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

// A signal does not wait until all connections are closed: how many are is counted, not timed.
func TestAssembler_CloseStopsWhenItsTimeIsOver(t *testing.T) {
	const n, looks = 500, 40
	for left := range 2 {
		var rows []smtp.Envelope
		a := New(Config{Emit: func(e *smtp.Envelope) { rows = append(rows, *e) }})
		for _, f := range crowd(t, n, false) {
			data := f.s.IP(t).Data
			a.Frame(decodetest.Epoch.Add(f.at), decodetest.LinkRaw, data, len(data))
		}
		ctx := &countdown{t.Context(), left * looks}
		a.CloseWithin(ctx)
		s := a.Stats()
		wantCrowd(t, rows, int(s.Unfinished), 0)
		if s.Unfinished > int64(left*looks) || s.Unfinished+s.Abandoned != n || left > 0 && s.Unfinished == 0 {
			t.Errorf("after %d looks at the context: %d closed, %d abandoned, of %d", left*looks, s.Unfinished,
				s.Abandoned, n)
		}
	}
}

func TestAssembler_TooMuchHeldGivesUpTheSilentConnectionsFirst(t *testing.T) {
	rows, s := replayed(t, Config{MaxHeld: 256 << 10}, crowd(t, 1000, false))
	wantCrowd(t, rows, 1000, 0)
	if s.ConnsEvicted < 100 || s.ConnsEvicted+s.Unfinished != 1000 {
		t.Errorf("%d evicted, %d unfinished", s.ConnsEvicted, s.Unfinished)
	}
}

func TestAssembler_TooMuchHeldBehindHolesGivesUpTheHolesFirst(t *testing.T) {
	const n = 300
	frames := crowd(t, n, true)
	rows, s := replayed(t, Config{MaxHeld: 3 << 19}, frames)
	wantCrowd(t, rows, n, smtp.Gap)
	if s.ConnsEvicted != 0 || s.HolesEvicted < 1 || s.LostBytes != 10*n {
		t.Errorf("%d connections and %d holes evicted, %d octets lost", s.ConnsEvicted, s.HolesEvicted, s.LostBytes)
	}
}

// TestAssembler_HeldBytesStayBelowTheLimit looks at the account after each segment.
func TestAssembler_HeldBytesStayBelowTheLimit(t *testing.T) {
	const limit = 1 << 20
	a := New(Config{MaxHeld: limit, Emit: func(*smtp.Envelope) {}})
	for _, f := range crowd(t, 500, true) {
		data := f.s.IP(t).Data
		a.Frame(decodetest.Epoch.Add(f.at), decodetest.LinkRaw, data, len(data))
		sum := int64(0)
		for c := range a.lists.conns.all {
			sum += int64(c.heldBytes())
		}
		if a.lists.held > limit || a.lists.held != sum {
			t.Fatalf("%d bytes held by the account, %d in fact, limit %d", a.lists.held, sum, limit)
		}
	}
}

// TestAssembler_PagesThatGopacketKeepsCountAsHeld looks, after each segment, at the pages that gopacket has made.
func TestAssembler_PagesThatGopacketKeepsCountAsHeld(t *testing.T) {
	const limit = 24 << 20
	a := New(Config{MaxHeld: limit, Emit: func(*smtp.Envelope) {}})
	a.shared.orderer.renew()
	cache := func(name string) int64 {
		return reflect.ValueOf(a.shared.orderer.assembler).Elem().FieldByName("pc").Elem().FieldByName(name).Int()
	}
	most := int64(0)
	for _, f := range crowd(t, 6000, true) {
		data := f.s.IP(t).Data
		a.Frame(decodetest.Epoch.Add(f.at), decodetest.LinkRaw, data, len(data))
		made, used := cache("size"), cache("used")
		if used != int64(a.shared.orderer.own.used) {
			t.Fatalf("gopacket uses %d pages, %d by the account", used, a.shared.orderer.own.used)
		}
		if held := a.lists.held + (made-max(used, firstPages))*runCost; held > limit {
			t.Fatalf("%d bytes held with %d pages that gopacket made, %d by the account, limit %d", held, made,
				a.limits.holds(), limit)
		}
		most = max(most, used)
	}
	if most < firstPages*2 || a.shared.stats.HolesEvicted == 0 {
		t.Errorf("%d pages at most, %d holes evicted: no case", most, a.shared.stats.HolesEvicted)
	}
	if a.Close(); cache("size") != firstPages || a.limits.pages.spare() != 0 {
		t.Errorf("at the end gopacket keeps %d pages", cache("size"))
	}
}

// TestAssembler_AcknowledgmentsTakeNoMemory: most frames are acknowledgments, and garbage for each would be a third of
// a replay.
func TestAssembler_AcknowledgmentsTakeNoMemory(t *testing.T) {
	w := newWire(t, 1000, 9000, 1460)
	w.script(begin)
	w.ack(client)
	a := New(Config{Emit: func(*smtp.Envelope) {}})
	for _, f := range w.frames {
		data := f.s.IP(t).Data
		a.Frame(decodetest.Epoch.Add(f.at), decodetest.LinkRaw, data, len(data))
	}
	last := w.frames[len(w.frames)-1].s.IP(t).Data
	if n := testing.AllocsPerRun(100, func() {
		a.Frame(decodetest.Epoch, decodetest.LinkRaw, last, len(last))
	}); n != 0 {
		t.Errorf("an acknowledgment takes %v allocations", n)
	}
	a.Close()
}
