package reassembly

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"tap25/reassembly/decode"
	"tap25/reassembly/decode/decodetest"
	"tap25/reassembly/smtp"
)

// hostile feeds an Assembler and watches how its Steps grow.
type hostile struct {
	t      testing.TB
	a      *Assembler
	at     time.Time
	r      *rand.Rand
	frames int64
	most   int64 // steps of one frame
}

func newHostile(t testing.TB, cfg Config) *hostile {
	cfg.Emit = func(*smtp.Envelope) {}
	return &hostile{t: t, a: New(cfg), at: decodetest.Epoch, r: rand.New(rand.NewPCG(25, 25))}
}

// count adds what one frame takes.
func (h *hostile) count(frame func()) {
	before := h.steps()
	h.at = h.at.Add(time.Microsecond)
	frame()
	h.frames++
	h.most = max(h.most, h.steps()-before)
}

// steps is Stats().Steps.
func (h *hostile) steps() int64 {
	return h.a.shared.stats.Steps + h.a.dec.Steps() + h.a.halfOpen.steps + h.a.shared.histories.steps + h.a.shared.orderer.steps
}

// peer is one end of the n-th connection.
type peer struct {
	h      *hostile
	n      int
	server bool
}

// send sends a segment with offsets for numbers: the first octet of either side stands at 0.
func (p peer) send(flags uint8, seq, ack int, payload string) {
	p.h.count(func() {
		client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(p.n >> 16), byte(p.n >> 8), byte(p.n)}), uint16(1024+p.n%60000))
		x := decode.Packet{Src: client, Dst: netip.MustParseAddrPort("198.51.100.25:25"), Seq: uint32(1001 + seq), Ack: uint32(9001 + ack), Flags: flags, Window: 65535, Payload: []byte(payload)}
		if p.server {
			x.Src, x.Dst = x.Dst, x.Src
			x.Seq, x.Ack = uint32(9001+seq), uint32(1001+ack)
		}
		p.h.a.Advance(p.h.at)
		p.h.a.segment(&segment{t: p.h.at, p: x})
	})
}

// open shakes hands on the n-th connection and greets.
func (h *hostile) open(n int) (c, s peer) {
	c, s = peer{h, n, false}, peer{h, n, true}
	c.send(decode.SYN, -1, -9001, "")
	s.send(decode.SYN|decode.ACK, -1, 0, "")
	s.send(decode.ACK, 0, 0, hello)
	c.send(decode.ACK, 0, len(hello), ehlo)
	return c, s
}

const hello, ehlo = "220 mx\r\n", "EHLO x\r\n"

// fragment sends the n-th datagram's octets [from, to) of so many, with other bytes for another fill.
func (h *hostile) fragment(t testing.TB, n, from, to, of int, fill byte, six bool) {
	s := decodetest.Segment{Src: fmt.Sprintf("10.0.%d.%d:1024", byte(n>>8), byte(n)), Dst: "10.9.9.9:25", ID: uint16(n)}
	if six {
		s.Src, s.Dst = fmt.Sprintf("[a00:%x::]:1024", uint16(n)), "[a09:909::]:25"
	}
	body := []byte(strings.Repeat(string(rune(fill)), to-from))
	if from == 0 && len(body) >= 4 {
		copy(body, "\x04\x00\x00\x19") // ports 1024 and 25
	}
	x := s.IP(t).Fragment(from, body, to < of).Data
	if six {
		binary.BigEndian.PutUint32(x[44:], uint32(n)) // the identification
	}
	h.count(func() {
		var p decode.Packet
		h.a.dec.Decode(h.at, decodetest.LinkRaw, x, len(x), &p)
	})
}

// shape sends a number of frames that grows with n.
type shape struct {
	name string
	cfg  Config
	send func(h *hostile, n int)

	grows bool // a table doubles, or is cleared, which a single frame does for many
}

// checkerboard sends n octets with a hole before each, in an order of their places.
func checkerboard(p peer, from, n, ack int, place func(i int) int) {
	for i := range n {
		p.send(decode.ACK, from+2*place(i)+1, ack, "A")
	}
}

func forward(i int) int { return i }

func orderShapes() []shape {
	backward := func(n int) func(int) int { return func(i int) int { return n - 1 - i } }
	return []shape{
		{name: "checkerboard forward", send: func(h *hostile, n int) {
			c, _ := h.open(0)
			checkerboard(c, 8, n, 8, forward)
		}},
		{name: "checkerboard backward", send: func(h *hostile, n int) {
			c, _ := h.open(0)
			checkerboard(c, 8, n, 8, backward(n))
		}},
		{name: "checkerboard at random", send: func(h *hostile, n int) {
			c, _ := h.open(0)
			order := h.r.Perm(n)
			checkerboard(c, 8, n, 8, func(i int) int { return order[i] })
		}},
		{name: "checkerboards at random on many connections", send: func(h *hostile, n int) {
			for i := range 1 + n/500 {
				c, _ := h.open(i)
				order := h.r.Perm(500)
				checkerboard(c, 8, 500, 8, func(i int) int { return order[i] })
			}
		}},
		{name: "holes in both directions", send: func(h *hostile, n int) {
			c, s := h.open(0)
			for i := range n {
				c.send(decode.ACK, 8+9*i, 8+10*i, "xxxxxx")
				s.send(decode.ACK, 8+10*i, 8+9*i, "xxxxxxx")
				h.at = h.at.Add(time.Second)
			}
		}},
		{name: "holes that are filled from the first on", send: func(h *hostile, n int) {
			c, _ := h.open(0)
			for k := range n / 1000 {
				checkerboard(c, 8+2000*k, 1000, 8, forward)
				for i := range 1000 {
					c.send(decode.ACK, 8+2000*k+2*i, 8, "B")
				}
			}
		}},
		{name: "holes that are filled from the last on", send: func(h *hostile, n int) {
			c, _ := h.open(0)
			for k := range n / 1000 {
				checkerboard(c, 8+2000*k, 1000, 8, forward)
				for i := range 1000 {
					c.send(decode.ACK, 8+2000*k+2*(999-i), 8, "B")
				}
			}
		}},
		{name: "segments over many holes", send: func(h *hostile, n int) {
			c, _ := h.open(0)
			for k := range n / 1000 {
				checkerboard(c, 8+3000*k, 1000, 8, forward)
				c.send(decode.ACK, 9+3000*k, 8, strings.Repeat("B", 1990))
				c.send(decode.ACK, 8+3000*k, 8, strings.Repeat("B", 3000))
			}
		}},
		{name: "FINs in front of what is held", send: func(h *hostile, n int) {
			c, s := h.open(0)
			checkerboard(c, 8, 1900, 8, forward)
			for range n {
				c.send(decode.ACK, 5000, 8, "zz")
				c.send(decode.ACK|decode.FIN, 4900, 8, "")
				s.send(decode.ACK, 8, 5100, "")
			}
		}},
		{name: "overlaps with other bytes", send: func(h *hostile, n int) {
			c, _ := h.open(0)
			c.send(decode.ACK, 8, 8, strings.Repeat("A", 30000))
			checkerboard(c, 40000, 500, 8, forward)
			for i := range n {
				c.send(decode.ACK, 8+i*7%30000, 8, strings.Repeat("B", 40))
				c.send(decode.ACK, 40000+i*7%1000, 8, strings.Repeat("C", 40))
			}
		}},
		{name: "acknowledged holes of many connections while time jumps", grows: true, send: func(h *hostile, n int) {
			for i := range n {
				c, s := h.open(i)
				c.send(decode.ACK, 20, 8, "x")
				s.send(decode.ACK, 8, 21, "")
			}
			c, _ := h.open(n)
			for range n {
				h.at = h.at.Add(time.Second)
				c.send(decode.ACK, 16, 8, "")
			}
		}},
		{name: "holes of many connections while time jumps", grows: true, send: func(h *hostile, n int) {
			for i := range n {
				c, _ := h.open(i)
				c.send(decode.ACK, 20, 8, "x")
			}
			c, _ := h.open(n)
			for range n {
				h.at = h.at.Add(time.Second / 10)
				c.send(decode.ACK, 16, 8, "")
			}
		}},
	}
}

func connShapes() []shape {
	return []shape{
		{name: "SYNs that lead nowhere", grows: true, send: func(h *hostile, n int) {
			for i := range n {
				peer{h, i, false}.send(decode.SYN, -1, -9001, "")
			}
		}},
		{name: "SYNs over the limit while time passes", cfg: Config{MaxHalfOpen: 100}, send: func(h *hostile, n int) {
			for i := range n {
				peer{h, i, false}.send(decode.SYN, -1, -9001, "")
				h.at = h.at.Add(2 * time.Second)
			}
		}},
		{name: "connections over the limit", cfg: Config{MaxConns: 50}, send: func(h *hostile, n int) {
			for i := range n {
				h.open(i)
			}
		}},
		{name: "connections that fall silent at once", send: func(h *hostile, n int) {
			for i := range n {
				h.open(i)
			}
			h.at = h.at.Add(time.Hour)
			for i := range n {
				h.open(n + i)
			}
		}},
		{name: "connections that end", send: func(h *hostile, n int) {
			for i := range n {
				c, s := h.open(i)
				c.send(decode.ACK|decode.FIN, 8, 8, "")
				s.send(decode.ACK|decode.FIN, 8, 9, "")
				h.at = h.at.Add(10 * time.Millisecond)
			}
		}},
		{name: "resets", send: func(h *hostile, n int) {
			c, s := h.open(0)
			for i := range n {
				c.send(decode.RST, 8+i%3, 8, "")
				s.send(decode.ACK, 8, 8+i%3, "")
				c.send(decode.RST|decode.ACK, 1<<30, 8, "")
			}
		}},
		{name: "ports that are used again", send: func(h *hostile, n int) {
			for range n {
				c, _ := h.open(0)
				c.send(decode.RST, 16, 8, "")
			}
		}},
		{name: "handshakes on a live connection", send: func(h *hostile, n int) {
			c, s := h.open(0)
			for i := range n {
				c.send(decode.SYN, i*1000, -9001, "")
				s.send(decode.SYN|decode.ACK, i*1000, i*1000+1, "")
				c.send(decode.ACK, 8, 8, "N")
			}
		}},
		{name: "segments that no host takes", send: func(h *hostile, n int) {
			c, s := h.open(0)
			for i := range n {
				c.send(decode.ACK, 1<<28+i*7919, 1<<27+i*104729, "xxxxxx")
				s.send(decode.ACK, 8, 16+i%5, "")
			}
		}},
		{name: "segments set aside that the peer acknowledges bit by bit", send: func(h *hostile, n int) {
			c, s := h.open(0)
			for i := range n {
				c.send(decode.PSH, 8+i, 8, "xxxxxxxxxxxxxxxx")
				s.send(decode.ACK, 8, 8+i, "")
			}
		}},
		{name: "window updates and bare acknowledgments", send: func(h *hostile, n int) {
			c, s := h.open(0)
			c.send(decode.ACK, 20, 8, "x")
			for range n {
				s.send(decode.ACK, 8, 8, "")
				c.send(decode.ACK, 8, 8, "")
			}
		}},
		{name: "flights that grow and are acknowledged", send: func(h *hostile, n int) {
			c, s := h.open(0)
			cs, ss := 8, 8
			for range n / 20 {
				for range 20 {
					c.send(decode.ACK, cs, ss, strings.Repeat("x", 1400))
					cs += 1400
				}
				s.send(decode.ACK, ss, cs, "xxxxxxxx")
				ss += 8
			}
		}},
		{name: "flights that press on what may be held", cfg: Config{MaxHeld: 4 << 20}, send: func(h *hostile, n int) {
			for i := range 200 {
				h.open(i)
			}
			for i := range n {
				peer{h, i % 200, false}.send(decode.ACK, 8+1400*(i/200), 8, strings.Repeat("x", 1400))
			}
		}},
		{name: "holes that press on what may be held", cfg: Config{MaxHeld: 4 << 20}, send: func(h *hostile, n int) {
			for i := range n / 10 {
				c, _ := h.open(i)
				checkerboard(c, 8, 10, 8, forward)
			}
		}},
		{name: "senders of wrong checksums", grows: true, send: func(h *hostile, n int) {
			for i := range n * 20 {
				h.count(func() {
					x := decode.Packet{Src: netip.AddrPortFrom(netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)}), 9), Dst: netip.MustParseAddrPort("198.51.100.25:25"), Flags: decode.ACK, ChecksumBad: true}
					h.a.segment(&segment{t: h.at, p: x})
				})
			}
		}},
	}
}

func fragmentShapes() []shape {
	const of = 64000
	each := func(n int, do func(k, i int)) {
		for k := range n / 1000 {
			for i := range 1000 {
				do(k, i)
			}
		}
	}
	return []shape{
		{name: "tiny fragments backward", send: func(h *hostile, n int) {
			each(n, func(k, i int) { h.fragment(h.t, k, 8*(999-i), 8*(1000-i), 8000, 'x', false) })
		}},
		{name: "tiny fragments at random, never complete", send: func(h *hostile, n int) {
			order := h.r.Perm(7999)
			each(n, func(k, i int) { h.fragment(h.t, k, 8*order[i], 8*order[i]+8, of, 'x', k%2 == 0) })
		}},
		{name: "overlapping fragments with other bytes", send: func(h *hostile, n int) {
			each(n, func(k, i int) { h.fragment(h.t, k, 8*(i%100), 8*(i%100)+64, of, byte('a'+i%3), false) })
		}},
		{name: "overlapping fragments that RFC 5722 forbids", send: func(h *hostile, n int) {
			each(n, func(k, i int) { h.fragment(h.t, 1000*k+i/4, 8*(i%4), 8*(i%4)+64, of, byte('a'+i%3), true) })
		}},
		{name: "datagrams of one fragment", send: func(h *hostile, n int) {
			for i := range n {
				h.fragment(h.t, i, 8, 1408, of, 'x', false)
			}
		}},
		{name: "fragments of datagrams far apart", send: func(h *hostile, n int) {
			for i := range n {
				h.fragment(h.t, i%5000, 2048*(i/5000), 2048*(i/5000)+8, of, 'x', false)
			}
		}},
		{name: "datagrams that are complete again and again", send: func(h *hostile, n int) {
			for i := range n / 2 {
				h.fragment(h.t, i%3, 0, 32, 40, byte('a'+i%7), false)
				h.fragment(h.t, i%3, 32, 40, 40, byte('a'+i%7), false)
			}
		}},
	}
}

// TestSteps_TwiceTheFramesTakeTwiceTheWork doubles each shape. In the long run a frame takes no more steps than three looks at
// the 64 segments that a connection may have set aside. A single one takes no more than to release all that one direction can
// hold behind a hole, and twenty for each of its octets, which may stand in as many holes.
func TestSteps_TwiceTheFramesTakeTwiceTheWork(t *testing.T) {
	const n, perFrame, oneFrame = 4000, 4 * maxAside, 2*maxAhead/runCost + 20*2000
	for _, s := range slices.Concat(orderShapes(), connShapes(), fragmentShapes()) {
		t.Run(s.name, func(t *testing.T) {
			var work [2]int64
			for i := range work {
				h := newHostile(t, s.cfg)
				s.send(h, n<<i)
				steps := h.a.Stats().Steps
				t.Logf("%d frames, %d steps, at most %d for one", h.frames, steps, h.most)
				if h.most > oneFrame && !s.grows || steps > perFrame*h.frames || steps != h.steps() {
					t.Errorf("%d frames took %d steps, one of them %d", h.frames, steps, h.most)
				}
				work[i] = steps + h.frames
				h.a.Close()
			}
			if 2*work[1] > 5*work[0]+n {
				t.Errorf("%d frames and steps, twice as many frames %d", work[0], work[1])
			}
		})
	}
}
