package reassembly

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"tap25/reassembly/decode"
	"tap25/reassembly/decode/decodetest"
	"tap25/reassembly/smtp"
)

// wildStream is what both sides of a wild connection say, at the offset of the segment: so that now and then it makes
// sense.
var wildStream = []byte("220 mx\r\n250 ok\r\nMAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\nDATA\r\n354 " +
	"go\r\nx\r\n.\r\n250 ok\r\n550 no\r\nQUIT\r\n")

// The most steps that a segment and an octet of payload may take, whatever came before: twice what two looks at all
// that is set aside are, and four times the most that fuzzing found for an octet.
const (
	mostPerSegment = 4 * maxAside
	mostPerOctet   = 4
	mostForItself  = 1024
)

// checkWild feeds an Assembler segments of a few connections, eight octets of ops each: connection and side, flags,
// number, acknowledgment, length, bytes, time, and whether it is far away. Everything must be accounted for, the work
// too, and nothing be left.
func checkWild(t *testing.T, ops []byte) {
	rows, segments := int64(0), int64(len(ops)/8)
	a := New(Config{MaxConns: 2, MaxHalfOpen: 3, MaxHeld: 48 << 10, Emit: func(*smtp.Envelope) { rows++ }})
	at := decodetest.Epoch
	for ; len(ops) >= 8; ops = ops[8:] {
		ends := [2]netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), 1000+uint16(ops[0]>>1&3)),
			netip.MustParseAddrPort("198.51.100.25:25")}
		side := int(ops[0] & 1)
		seq, ack := uint32(ops[2])*3-20, uint32(ops[3])*3-20
		if ops[7]&7 == 1 {
			seq += uint32(ops[7]>>3) << 27
		}
		if ops[7]&7 == 2 {
			ack += uint32(ops[7]>>3) << 27
		}
		p := decode.Packet{Flow: decode.FlowOf(ends[side], ends[1-side]), Flags: ops[1] & 63, Seq: seq, Ack: ack,
			Urgent: uint16(ops[5] & 1)}
		if ops[1]&0xc0 != 0 { // most are plain
			p.Flags = decode.ACK
		}
		off := min(int(ops[2])/2, len(wildStream))
		p.Payload = bytes.Clone(wildStream[off:min(off+int(ops[4]), len(wildStream))])
		if ops[5]&0xe0 == 0xe0 {
			p.Payload = bytes.Repeat(p.Payload, 40)
		}
		p.Missing = int(ops[5] >> 1 & 1)
		p.ChecksumBad = ops[5]&0xc == 0xc
		at = at.Add(time.Duration(ops[6]) * time.Duration(ops[6]) * 20 * time.Millisecond)
		a.Advance(at)
		a.segment(&segment{t: at, p: p})
		if a.lists.latest != nil && a.lists.conns.get(&a.lists.latest.key) != a.lists.latest {
			t.Fatal("the connection found last is gone, and would be found again")
		}
		sum := int64(0)
		for c := range a.lists.conns.all {
			sum += int64(c.heldBytes())
		}
		if sum != a.lists.held {
			t.Fatalf("%d octets held by the account, %d in fact", a.lists.held, sum)
		}
		if a.lists.conns.n > 2 || a.lists.held > 48<<10+2*maxUnacked+maxAsideBytes {
			t.Fatalf("%d connections, %d octets held", a.lists.conns.n, a.lists.held)
		}
	}
	a.Close()
	s := a.Stats()
	if s.DeliveredBytes+s.DuplicateBytes+s.IgnoredBytes != s.PayloadBytes {
		t.Fatalf("payload %d octets, delivered %d, duplicate %d, ignored %d", s.PayloadBytes, s.DeliveredBytes,
			s.DuplicateBytes, s.IgnoredBytes)
	}
	if steps := s.Steps + s.SMTP.Steps; steps > mostPerSegment*segments+mostPerOctet*s.PayloadBytes+mostForItself {
		t.Fatalf("%d steps for %d segments of %d octets", steps, segments, s.PayloadBytes)
	}
	if a.lists.held != 0 || a.lists.conns.n != 0 || a.lists.holed.Len() != 0 || a.lists.keeping.n != 0 ||
		a.lists.vast.n != 0 || a.lists.recent.n != 0 || a.lists.ended.n != 0 ||
		a.shared.orderer.opened != a.shared.orderer.completed {
		t.Fatalf("after Close: %d octets, %d connections, %d holes, %d of %d episodes", a.lists.held,
			a.lists.conns.n, a.lists.holed.Len(), a.shared.orderer.completed, a.shared.orderer.opened)
	}
	none := a.shared.none // that all closed connections share
	if none.shared = nil; !reflect.ValueOf(noFlow).IsZero() || !reflect.ValueOf(none).IsZero() ||
		!reflect.ValueOf(nothingOdd).IsZero() {
		t.Fatal("a closed connection has written to its flow")
	}
	sum := int64(0)
	for _, n := range s.SMTP.Rows {
		sum += n
	}
	if sum != rows || s.SMTP.Dialogues != s.Sessions {
		t.Fatalf("%d rows counted, %d emitted; %d dialogues of %d sessions", sum, rows, s.SMTP.Dialogues, s.Sessions)
	}
}

func FuzzAssembler(f *testing.F) {
	f.Add([]byte{0, decode.SYN, 6, 0, 0, 0, 0, 0, 1, decode.SYN | decode.ACK, 6, 7, 0, 0, 0, 0, 1, decode.ACK, 7, 7, 8,
		0, 0, 0, 0, decode.RST, 7, 7, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, ops []byte) { checkWild(t, ops[:min(len(ops), 4096)]) })
}

// TestAssembler_WildSegmentsAreAllAccountedFor: 2,000 cases of up to 200 segments, of a fixed seed.
func TestAssembler_WildSegmentsAreAllAccountedFor(t *testing.T) {
	const seed, rounds = 25, 2000
	r := rand.New(rand.NewPCG(seed, seed))
	ops := make([]byte, 8*200)
	for range rounds {
		for i := range ops {
			ops[i] = byte(r.Uint32())
		}
		checkWild(t, ops[:8*(1+r.IntN(200))])
		if t.Failed() {
			return
		}
	}
}
