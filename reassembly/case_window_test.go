package reassembly

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/gopacket/layers"

	"tap25/reassembly/decode"
	"tap25/reassembly/decode/decodetest"
)

// flight is a session of one mail whose client sends so many octets behind RCPT before the server acknowledges any of
// it: a decoy of RCPT is then farther back than is kept where no window says that it may be on its way.
type flight struct {
	octets int
	shift  [2]int // window scale option of either SYN; -1: none
	body   bool   // they are of the message, not commands
	chunk  int    // octets of a segment; 0: 32 KiB, to keep the captures small
}

// unscaledFlight is more than is kept without a window.
func unscaledFlight() flight { return flight{octets: 300 << 10, shift: [2]int{-1, -1}} }

// scaledFlight has a window of 8 MiB for it.
func scaledFlight() flight { return flight{octets: 300 << 10, shift: [2]int{7, 7}} }

const noop = "NOOP and ninety octets more that fill the window of a server, which answers each such line shortly.\r\n"

// windowScaleOption is that of RFC 7323 section 2.2.
func windowScaleOption(shift int) []layers.TCPOption {
	if shift < 0 {
		return nil
	}
	return []layers.TCPOption{{OptionType: layers.TCPOptionKindWindowScale, OptionLength: 3,
		OptionData: []byte{byte(shift)}}}
}

// lines is how many NOOPs, or lines of the message, follow RCPT.
func (f flight) lines() int { return f.octets / len(noop) }

// build writes the session out.
func (f flight) build(w *wire) {
	w.shake()
	for side, shift := range f.shift {
		w.frames[side].s.Options = windowScaleOption(shift)
	}
	w.script("S: 220 mx.example ESMTP\nC: EHLO client.example\nS: 250-mx.example\nS: 250 PIPELINING\nC: MAIL " +
		"FROM:<a@a.example>\nS: 250 ok\n")
	if f.body {
		w.script("C: RCPT TO:<b@b.example>\nS: 250 ok\nC: DATA\nS: 354 go\nC: head\n")
	} else {
		w.say(client, rcptLine)
	}
	if w.chunk = f.chunk; f.chunk == 0 {
		w.chunk = 32 << 10
	}
	w.say(client, strings.Repeat(noop, f.lines()))
	w.ack(server)
	if f.body {
		w.script("C: .\nS: 250 taken\n" + end)
	} else {
		w.say(server, strings.Repeat("250 ok\r\n", 1+f.lines()))
		w.script("C: DATA\nS: 354 go\nC: one\nC: .\nS: 250 2.0.0 taken\n" + end)
	}
	w.close()
}

// then is the session with something done to it.
func (f flight) then(changes ...func(*wire)) func(*wire) {
	return func(w *wire) {
		f.build(w)
		for _, change := range changes {
			change(w)
		}
	}
}

// bare is the place of the bare ACK that ends the flight, or of that side's first segment behind a place.
func (w *wire) bare(side, from int) int {
	return from + slices.IndexFunc(w.frames[from:], func(f timed) bool {
		return f.side == side && len(f.s.Payload) == 0
	})
}

// replaced puts a copy of the segment that begins so in front of the ACK that ends the flight: what the server took if
// first is set, which puts the decoy in the place of the original; else the decoy.
func replaced(prefix string, decoy func(*timed), first bool) func(*wire) {
	return func(w *wire) {
		i := w.find(prefix)
		real := w.frames[i]
		fake := real
		fake.s.Payload = slices.Clone(real.s.Payload)
		decoy(&fake)
		fake.s.TTL = 1
		at := w.bare(1-real.side, i)
		if first {
			w.frames[i], fake = fake, real
		}
		w.frames = slices.Insert(w.frames, at, fake)
	}
}

// recut sends the last frame in front of the ACK that ends the flight, a copy of what begins so, in pieces of other
// boundaries: the first begins before it, the last goes on behind it.
func recut(prefix string, octets int) func(*wire) {
	return func(w *wire) {
		i := w.find(prefix)
		at := w.bare(1-w.frames[i].side, i) - 1
		f, before, behind := w.frames[at], w.frames[i-1], w.frames[i+1]
		for j := i - 1; before.side != f.side || len(before.s.Payload) == 0; j-- {
			before = w.frames[j]
		}
		text := string(before.s.Payload[len(before.s.Payload)-5:]) + string(f.s.Payload) +
			string(behind.s.Payload[:min(40, len(behind.s.Payload))])
		var pieces []timed
		for off := 0; off < len(text); off += octets {
			p := f
			p.s.Seq = f.s.Seq - 5 + uint32(off)
			p.s.Payload = []byte(text[off:min(off+octets+3, len(text))]) // each overlaps the next one
			pieces = append(pieces, p)
		}
		w.frames = slices.Concat(w.frames[:at:at], pieces, w.frames[at+1:])
	}
}

// eachWindow sets the window of a side's segments behind the handshake.
func eachWindow(side int, window uint16) func(*wire) {
	return func(w *wire) {
		for i := range w.frames[2:] {
			if f := &w.frames[i+2]; f.side == side {
				f.s.Window, f.s.NoWindow = window, window == 0
			}
		}
	}
}

// counted asserts how many segments differed, and whether there were octets that could not be compared.
func counted(conflicts int64, uncompared bool) func(*testing.T, Stats) {
	return func(t *testing.T, s Stats) {
		if s.Conflicts != conflicts || s.Uncompared > 0 != uncompared || s.LostBytes != 0 {
			t.Errorf("%d conflicts, %d octets not compared, %d lost; want %d, %v, 0", s.Conflicts, s.Uncompared,
				s.LostBytes, conflicts, uncompared)
		}
	}
}

// windowCases are copies of octets that the peer has not acknowledged, far back in its window or farther.
func windowCases() []scenario {
	real := accepted(1, "")
	flagged := accepted(1, "", "conflict")
	decoyed := flagged.with("rcpt_to", "x@b.example")
	before, after := replaced("RCPT", other, true), replaced("RCPT", other, false)
	copied := replaced("RCPT", same, false)
	oneSided := func(w *wire) {
		w.frames = slices.DeleteFunc(w.frames, func(f timed) bool { return f.side == server })
	}
	midstream := func(w *wire) { w.frames = w.frames[3:] }
	body := scaledFlight()
	body.body = true
	inBody := flagged.with("message_bytes", len("head\r\n")+body.lines()*len(noop))
	head := func(f *timed) { copy(f.s.Payload, "HEAD") }
	shifts := func(client, server int) flight { return flight{octets: 300 << 10, shift: [2]int{client, server}} }
	return append(replyCases(), []scenario{
		{name: "decoy-window-100-kb-before", build: flight{octets: 100 << 10, shift: [2]int{-1, -1}}.then(before),
			rows: []row{decoyed}, stats: counted(1, false)},
		{name: "decoy-window-unscaled-before", build: unscaledFlight().then(before), rows: []row{decoyed},
			stats: counted(0, true)},
		{name: "decoy-window-unscaled-after", build: unscaledFlight().then(after), rows: []row{flagged},
			stats: counted(0, true)},
		{name: "decoy-window-scaled-before", build: scaledFlight().then(before), rows: []row{decoyed},
			stats: counted(1, false)},
		{name: "decoy-window-scaled-after", build: scaledFlight().then(after), rows: []row{flagged},
			stats: counted(1, false)},
		{name: "decoy-window-scaled-recut", build: scaledFlight().then(before, recut("RCPT", 9)), rows: []row{decoyed},
			stats: counted(1, false)},
		{name: "decoy-window-unscaled-recut", build: unscaledFlight().then(before, recut("RCPT", 9)),
			rows: []row{decoyed}, stats: counted(0, true)},
		{name: "decoy-window-shift-14", build: shifts(0, 14).then(before, eachWindow(server, 32)), rows: []row{decoyed},
			stats: counted(1, false)},
		{name: "decoy-window-scaled-by-one-side-alone", build: shifts(7, -1).then(before), rows: []row{decoyed},
			stats: counted(0, true)},
		{name: "decoy-window-zero", build: scaledFlight().then(before, eachWindow(server, 0)), rows: []row{decoyed},
			stats: counted(0, true)},
		{name: "decoy-window-syn-not-captured", build: unscaledFlight().then(before, midstream),
			rows: []row{decoyed.with("flags", []string{"midstream", "conflict"})}, stats: counted(1, false)},
		{name: "decoy-window-client-alone", build: unscaledFlight().then(before, oneSided),
			rows: []row{{"mail_from": "a@a.example", "rcpt_to": "x@b.example", "outcome": "unknown",
				"flags": []string{"one-sided", "conflict"}}}, stats: counted(0, true)},
		{name: "decoy-window-in-the-message-before", build: body.then(replaced("head", head, true)),
			rows: []row{inBody}, stats: counted(1, false)},
		{name: "decoy-window-in-the-message-after", build: body.then(replaced("head", head, false)),
			rows: []row{inBody}, stats: counted(1, false)},
		{name: "retransmission-window-scaled", build: scaledFlight().then(copied), rows: []row{real},
			stats: counted(0, false)},
		{name: "retransmission-window-scaled-recut", build: scaledFlight().then(copied, recut("RCPT", 7)),
			rows: []row{real}, stats: counted(0, false)},
		// no sender does it: the window was full long before
		{name: "retransmission-window-unscaled", build: unscaledFlight().then(copied), rows: []row{flagged},
			stats: counted(0, true)},
		{name: "retransmission-window-acknowledged", build: unscaledFlight().then(copied, acknowledgedBefore),
			rows: []row{real}, stats: counted(0, false)},
		{name: "decoy-window-acknowledged", build: unscaledFlight().then(after, acknowledgedBefore), rows: []row{real},
			stats: counted(0, false)},
		{name: "decoy-of-one-octet", build: func(w *wire) { // as long as a keep-alive, and where one stands
			w.oneMail()
			i := w.find("RCPT")
			f := w.frames[i]
			cut := func(from, to int, text string) timed {
				p := f
				p.s.Seq += uint32(from)
				p.s.Payload = []byte(text[from:to])
				return p
			}
			at := len("RCPT TO:<")
			decoy := cut(at, at+1, otherRcpt)
			decoy.s.TTL = 1
			w.frames = slices.Replace(w.frames, i, i+1, cut(0, at, rcptLine), decoy, cut(at, at+1, rcptLine),
				cut(at+1, len(rcptLine), rcptLine))
		}, rows: []row{decoyed}, stats: counted(1, false)},
		{name: "decoy-of-a-line-end", build: func(w *wire) { // a server that takes the other octet reads the line on
			w.oneMail()
			w.copyOf("RCPT", 1, func(f *timed) {
				f.s.Seq += uint32(len(rcptLine) - 1)
				f.s.Payload = []byte("x")
			})
		}, rows: []row{flagged}, stats: counted(1, false)},
	}...)
}

// acknowledgedBefore has the server acknowledge RCPT, and the first segment behind it, before the copy comes.
func acknowledgedBefore(w *wire) {
	i := w.find("NOOP")
	f := w.frames[w.bare(server, i)]
	f.s.Ack = w.frames[i].s.Seq + uint32(len(w.frames[i].s.Payload))
	w.frames = slices.Insert(w.frames, i+1, f)
}

// replyCases are the same in the server's bytes: another copy of the reply to RCPT, with more replies behind it than
// are kept where the client's window is not known to be large.
func replyCases() (out []scenario) {
	for _, c := range []struct {
		name  string
		shift int
		stats func(*testing.T, Stats)
	}{{"unscaled", -1, counted(0, true)}, {"scaled", 7, counted(1, false)}} {
		build := func(w *wire) {
			flight{octets: 50 << 10, shift: [2]int{c.shift, c.shift}}.build(w)
			i := w.find(noop)
			lines := flight{octets: 50 << 10}.lines()
			j := w.find("250 ok\r\n250 ok") // the replies to RCPT and to the NOOPs behind it
			long := "250-" + strings.Repeat("x", 300) + "\r\n"
			replies := "250 recipient ok\r\n" + strings.Repeat(long+"250 ok\r\n", lines)
			grown := uint32(len(replies) - 8*(1+lines))
			w.frames = slices.Delete(w.frames, j, j+1)
			head := w.frames[i].s
			seq, ack := head.Ack, w.frames[j].s.Seq
			for k := range w.frames[j:] {
				if f := &w.frames[j+k]; f.side == server {
					f.s.Seq += grown
				} else {
					f.s.Ack += grown
				}
			}
			var sent []timed
			for off := 0; off < len(replies); off += 32 << 10 {
				p := timed{side: server, s: decodetest.Segment{Src: w.server, Dst: w.client, Flags: decode.ACK,
					Seq: seq + uint32(off), Ack: ack, Payload: []byte(replies[off:min(off+32<<10, len(replies))])}}
				sent = append(sent, p)
			}
			fake := sent[0]
			fake.s.Payload = []byte("550 recipient no\r\n")
			fake.s.TTL = 1
			w.frames = slices.Insert(w.frames, j, append(sent, fake)...)
		}
		out = append(out, scenario{name: "decoy-window-reply-" + c.name, build: build,
			rows: []row{accepted(1, "", "conflict")}, stats: c.stats})
	}
	return out
}
