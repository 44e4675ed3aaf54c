package reassembly

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tap25/reassembly/decode"
	"tap25/reassembly/decode/decodetest"
	"tap25/reassembly/smtp"
)

// TestWindow_BothSidesMustScale: RFC 7323 section 2.2. What was not captured may have said anything.
func TestWindow_BothSidesMustScale(t *testing.T) {
	for _, c := range []struct {
		seen [2]synOptions
		want [2]uint8
	}{
		{[2]synOptions{scaled + 3, scaled + 8}, [2]uint8{3, 8}},
		{[2]synOptions{unscaled, scaled + 8}, [2]uint8{0, 0}},
		{[2]synOptions{scaled + 3, unscaled}, [2]uint8{0, 0}},
		{[2]synOptions{unscaled, 0}, [2]uint8{0, 0}},
		{[2]synOptions{scaled + 3, 0}, [2]uint8{3, decode.MaxShift}},
		{[2]synOptions{}, [2]uint8{decode.MaxShift, decode.MaxShift}},
	} {
		v := handshake{seen: c.seen}
		if got := [2]uint8{v.shift(0), v.shift(1)}; got != c.want {
			t.Errorf("%v: shifts %v, want %v", c.seen, got, c.want)
		}
	}
}

// heldOf feeds frames and gives the most octets that were held meanwhile.
func heldOf(t testing.TB, cfg Config, frames []timed) (most int64, rows []smtp.Envelope, s Stats) {
	cfg.Emit = func(e *smtp.Envelope) { rows = append(rows, *e) }
	a := New(cfg)
	for i, f := range frames {
		data := f.s.IP(t).Data
		a.Frame(decodetest.Epoch.Add(time.Duration(i)*time.Millisecond), decodetest.LinkRaw, data, len(data))
		most = max(most, a.lists.held)
	}
	a.Close()
	return most, rows, a.Stats()
}

// TestWindow_MemoryIsForWhatIsUnacknowledgedAlone offers a window of a gigabyte and uses little of it.
func TestWindow_MemoryIsForWhatIsUnacknowledgedAlone(t *testing.T) {
	w := newWire(t, 1000, 9000, 1460)
	flight{octets: 4 << 10, shift: [2]int{14, 14}, chunk: 1460}.build(w)
	if most, _, _ := heldOf(t, Config{}, w.frames); most > 32<<10 {
		t.Errorf("%d octets held for 4 KiB in flight", most)
	}
}

// TestWindow_OneFlightTakesNoMoreThanItsShare: what does not fit is not compared, which the row says, and counted.
func TestWindow_OneFlightTakesNoMoreThanItsShare(t *testing.T) {
	const limit = 8 << 20
	f := flight{octets: 3 << 20, shift: [2]int{14, 14}, body: true}
	w := newWire(t, 1000, 9000, 1460)
	w.frames = nil
	head := func(f *timed) { copy(f.s.Payload, "HEAD") }
	f.then(replaced("head", head, true))(w)
	most, rows, s := heldOf(t, Config{MaxHeld: limit}, w.frames)
	if most > 2*limit/shares+64<<10 {
		t.Errorf("%d octets held", most)
	}
	if len(rows) != 1 || rows[0].Flags != smtp.Conflict || s.Uncompared != int64(len("head\r\n")) {
		t.Errorf("%d rows, flags %v, %d octets not compared", len(rows), rows[0].Flags.Names(), s.Uncompared)
	}
}

// TestWindow_LongFlightsAreCutBeforeHolesAreGivenUp: sessions whose windows are full must not cost others a hole that
// is still to be filled.
func TestWindow_LongFlightsAreCutBeforeHolesAreGivenUp(t *testing.T) {
	const limit = 16 << 20
	a := New(Config{MaxHeld: limit, Emit: func(*smtp.Envelope) {}})
	at := decodetest.Epoch
	feed := func(frames []timed) {
		for _, f := range frames {
			at = at.Add(time.Microsecond)
			data := f.s.IP(t).Data
			a.Frame(at, decodetest.LinkRaw, data, len(data))
			if a.limits.holds() > limit {
				t.Fatalf("%d octets held", a.limits.holds())
			}
		}
	}
	feed(crowd(t, 100, true))
	for i := range 40 {
		w := newWire(t, 1000, 9000, 1460)
		w.frames, w.client = nil, fmt.Sprintf("192.0.2.7:%d", 1000+i)
		flight{octets: 900 << 10, shift: [2]int{7, 7}, body: true}.build(w)
		feed(w.frames[:w.bare(server, w.find("NOOP"))])
	}
	if s := a.Stats(); s.HolesEvicted != 0 || s.ConnsEvicted != 0 || a.lists.keeping.n < 100 {
		t.Errorf("%d holes and %d connections evicted, %d connections keep something", s.HolesEvicted, s.ConnsEvicted,
			a.lists.keeping.n)
	}
	a.Close()
}

// TestProperty_NoDecoyInAWindowStandsUnflagged draws windows, scales, distances, sizes of segments and copies, SYNs and
// acknowledgments that are missing, and little memory: a row has the recipient that the server took, or says conflict.
func TestProperty_NoDecoyInAWindowStandsUnflagged(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 5))
		f := flight{octets: r.IntN(1 << (9 + r.IntN(10))), shift: [2]int{r.IntN(17) - 2, r.IntN(17) - 2},
			chunk: 500 + r.IntN(30000)}
		w := newWire(t, r.Uint32(), r.Uint32(), 1460)
		w.frames = nil
		before := r.IntN(2) == 0
		f.then(replaced("RCPT", other, before))(w)
		if r.IntN(2) == 0 {
			recut("RCPT", 1+r.IntN(20))(w)
		}
		for i := range w.frames[2:] {
			w.frames[i+2].s.Window = uint16(1 + r.IntN(1<<(1+r.IntN(16))))
		}
		w.frames = lacking(r, w.frames)
		_, rows, _ := heldOf(t, Config{MaxHeld: 1 << (17 + r.IntN(12))}, w.frames)
		for i := range rows {
			if e := &rows[i]; e.Flags&smtp.Conflict == 0 && e.RcptTo != nil && *e.RcptTo != "b@b.example" {
				rt.Fatalf("%+v, the decoy before %v: %s, flags %v", f, before, essence(rows[i : i+1])[0],
					e.Flags.Names())
			}
		}
	})
}

// lacking leaves out SYNs, all of the server's segments, or some of the flight.
func lacking(r *rand.Rand, frames []timed) []timed {
	switch r.IntN(6) {
	case 0:
		return frames[1:]
	case 1:
		return slices.Delete(frames, 1, 2)
	case 2:
		return frames[3:]
	case 3:
		return slices.DeleteFunc(frames, func(f timed) bool { return f.side == server })
	case 4: // a hole in the flight that nothing fills
		i := slices.IndexFunc(frames, func(f timed) bool { return len(f.s.Payload) > 400 })
		if i >= 0 {
			return slices.Delete(frames, i, i+1)
		}
	}
	return frames
}

// TestProperty_RetransmissionsWithinTheWindowAreNoConflict sends any part of a flight again that fits its window.
func TestProperty_RetransmissionsWithinTheWindowAreNoConflict(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 6))
		f := flight{octets: r.IntN(1 << (9 + r.IntN(10))), shift: [2]int{14, 7}, body: r.IntN(2) == 0,
			chunk: 500 + r.IntN(30000)}
		w := newWire(t, r.Uint32(), r.Uint32(), 1460)
		w.frames = nil
		f.build(w)
		first := w.find(mailLine)
		stream := []byte(nil)
		for _, x := range w.frames {
			if x.side == client {
				stream = append(stream, x.s.Payload...)
			}
		}
		end := slices.IndexFunc(w.frames[first:], func(x timed) bool { return len(x.s.Payload) == 0 })
		for range 1 + r.IntN(5) {
			at := first + 1 + r.IntN(max(end-1, 1))
			x := w.frames[at]
			if x.side != client || len(x.s.Payload) == 0 {
				continue
			}
			sent := int(x.s.Seq-w.isn[client]-1) + len(x.s.Payload)
			from := r.IntN(sent)
			x.s.Seq = w.isn[client] + 1 + uint32(from)
			x.s.Payload = stream[from:min(from+1+r.IntN(20000), sent)]
			w.frames = slices.Insert(w.frames, at+1, x)
		}
		_, rows, s := heldOf(t, Config{}, w.frames)
		if len(rows) != 1 || rows[0].Flags != 0 || s.Uncompared+s.Conflicts > 0 {
			rt.Fatalf("%+v: %v, %d octets not compared, %d conflicts", f, essence(rows), s.Uncompared, s.Conflicts)
		}
	})
}
