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
	a := h.a
	return a.shared.stats.Steps + a.senders.steps + a.dec.Steps() + a.halfOpen.steps + a.shared.histories.steps +
		a.lists.conns.steps + a.lists.graves.table.steps + a.shared.orderer.steps
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
		client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(p.n >> 16), byte(p.n >> 8), byte(p.n)}),
			uint16(1024+p.n%60000))
		server := netip.MustParseAddrPort("198.51.100.25:25")
		x := decode.Packet{Flow: decode.FlowOf(client, server), Seq: uint32(1001 + seq),
			Ack: uint32(9001 + ack), Flags: flags, Window: 65535, Payload: []byte(payload)}
		if p.server {
			x.Flow = decode.FlowOf(server, client)
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

// TestSteps_TwiceTheFramesTakeTwiceTheWork doubles each shape. In the long run a frame takes no more steps than three
// looks at the 64 segments that a connection may have set aside. A single one takes no more than to release all that
// one direction can hold behind a hole, and twenty for each of its octets, which may stand in as many holes.
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
