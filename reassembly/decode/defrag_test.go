package decode

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/google/gopacket/layers"

	"tap25/reassembly/decode/decodetest"
)

// sum is what FragmentStats promises of In.
func (s FragmentStats) sum() int64 {
	return s.Reassembled + s.Duplicate + s.Overlapping + s.Irrelevant + s.Bad + s.Expired + s.Evicted + s.Held
}

// feed decodes Ethernet frames at one time and gives the segments.
func feed(t testing.TB, d *Decoder, at time.Time, frames ...decodetest.Wrapped) (out []Packet) {
	t.Helper()
	for _, f := range frames {
		var p Packet
		e := f.Ethernet(t)
		if d.Decode(at, 1, e, len(e), &p) == TCPPort {
			p.Payload = bytes.Clone(p.Payload)
			out = append(out, p)
		}
	}
	if _, s := d.Stats(); s.In != s.sum() {
		t.Fatalf("%d fragments came in, %d accounted for: %+v", s.In, s.sum(), s)
	}
	return out
}

func bothFamilies(t testing.TB, payload []byte, id uint16) map[string]decodetest.Wrapped {
	return map[string]decodetest.Wrapped{
		"IPv4": decodetest.Segment{Payload: payload, ID: id}.IP(t),
		"IPv6": decodetest.Segment{Src: decodetest.Client6, Dst: decodetest.Server6, Payload: payload}.IP(t),
	}
}

func permutations(n int) (out [][]int) {
	if n == 0 {
		return [][]int{nil}
	}
	for _, p := range permutations(n - 1) {
		for i := range n {
			q := append(append(append([]int(nil), p[:i]...), n-1), p[i:]...)
			out = append(out, q)
		}
	}
	return out
}

func one(t *testing.T, got []Packet, payload []byte, conflict bool) {
	t.Helper()
	if len(got) != 1 || !bytes.Equal(got[0].Payload, payload) || got[0].Conflict != conflict ||
		got[0].ChecksumBad != conflict {
		t.Fatalf("%d segments: %+v", len(got), got)
	}
}

func TestDefrag_AnyOrderGivesTheSegment(t *testing.T) {
	payload := []byte("MAIL FROM:<fragmented@a.example> SIZE=1000\r\n")
	for name, w := range bothFamilies(t, payload, 7) {
		f := w.Fragments(t, 16)
		if len(f) < 4 {
			t.Fatal("too few fragments")
		}
		for _, order := range permutations(len(f)) {
			d := New(nil)
			var frames []decodetest.Wrapped
			for _, i := range order {
				frames = append(frames, f[i], f[i]) // each twice, as a mirror of both directions brings them
			}
			t.Run(name, func(t *testing.T) {
				one(t, feed(t, d, decodetest.Epoch, frames...), payload, false)
				if _, s := d.Stats(); s.Held != 0 || s.Duplicate != int64(len(f)) || s.Datagrams != 1 {
					t.Errorf("%+v", s)
				}
			})
		}
	}
}

func TestDefrag_TinyFragmentsSplitTheTCPHeader(t *testing.T) {
	payload := []byte("RCPT TO:<b@b.example>\r\n")
	for name, w := range bothFamilies(t, payload, 7) {
		t.Run(name, func(t *testing.T) {
			one(t, feed(t, New(nil), decodetest.Epoch, w.Fragments(t, 8)...), payload, false)
		})
	}
}

func TestDefrag_InsideAndAroundTunnels(t *testing.T) {
	payload := bytes.Repeat([]byte("nested "), 60)
	for name, w := range bothFamilies(t, payload, 7) {
		var inner, outer, both, gre []decodetest.Wrapped
		for _, f := range w.Fragments(t, 104) {
			inner = append(inner, f.VXLAN(t, 4789))
			v := f.VXLAN(t, 4789)
			// each outer datagram has its own identification
			binary.BigEndian.PutUint16(v.Data[4:], uint16(100+len(inner)))
			both = append(both, v.Fragments(t, 64)...)
			gre = append(gre, f.Bridged(t).GRE(t, layers.GRE{KeyPresent: true}).VLAN(t, 0x8100, 4))
		}
		outer = w.VXLAN(t, 4789).Fragments(t, 128)
		for kind, frames := range map[string][]decodetest.Wrapped{"fragments in VXLAN": inner, "fragments in GRE": gre,
			"VXLAN in fragments": outer, "fragments in VXLAN in fragments": both} {
			t.Run(name+" "+kind, func(t *testing.T) {
				one(t, feed(t, New(nil), decodetest.Epoch, frames...), payload, false)
			})
		}
	}
}

func TestDefrag_OverlapWithTheSameBytesIsTolerated(t *testing.T) {
	payload := []byte("0123456789abcdefghijklmnopqrstuvwxyz")
	for name, w := range bothFamilies(t, payload, 7) {
		t.Run(name, func(t *testing.T) {
			size := 20
			if w.EtherType == 0x86dd {
				size = 40
			}
			body := w.Data[size:]
			frames := []decodetest.Wrapped{w.Fragment(0, body[:24], true), w.Fragment(8, body[8:40], true),
				w.Fragment(32, body[32:], false)}
			one(t, feed(t, New(nil), decodetest.Epoch, frames...), payload, false)
		})
	}
}

func TestDefrag_OverlapWithOtherBytes(t *testing.T) {
	payload := []byte("0123456789abcdefghijklmnopqrstuvwxyz")
	for name, w := range bothFamilies(t, payload, 7) {
		size := 20
		if w.EtherType == 0x86dd {
			size = 40
		}
		body := w.Data[size:]
		decoy := bytes.Repeat([]byte{'X'}, 16)
		frames := []decodetest.Wrapped{w.Fragment(24, decoy, true), w.Fragment(0, body[:24], true),
			w.Fragment(24, body[24:40], true), w.Fragment(40, body[40:], false)}
		t.Run(name, func(t *testing.T) {
			d := New(nil)
			got := feed(t, d, decodetest.Epoch, frames...)
			_, s := d.Stats()
			if w.EtherType == 0x86dd { // RFC 5722: all of it, with what comes later
				if len(got) != 0 || s.Overlapping != 4 || s.Held != 0 {
					t.Errorf("%d segments, %+v", len(got), s)
				}
				return
			}
			want := bytes.Clone(payload)
			copy(want[4:], decoy) // the TCP header takes 20 of the first 24
			one(t, got, want, true)
		})
	}
}

func TestDefrag_ImpossibleFragments(t *testing.T) {
	w := decodetest.Segment{Payload: make([]byte, 100), ID: 7}.IP(t)
	body := w.Data[20:]
	for name, c := range map[string]struct {
		frames []decodetest.Wrapped
		bad    int64
	}{
		"no octets":           {[]decodetest.Wrapped{w.Fragment(8, nil, true)}, 1},
		"not a multiple of 8": {[]decodetest.Wrapped{w.Fragment(0, body[:17], true)}, 1},
		"beyond 65535":        {[]decodetest.Wrapped{w.Fragment(65528, body[:8], false)}, 1},
		"last in front of an earlier one": {[]decodetest.Wrapped{w.Fragment(64, body[64:80], true),
			w.Fragment(16, body[16:32], false)}, 1},
		"two different ends": {[]decodetest.Wrapped{w.Fragment(64, body[64:80], false),
			w.Fragment(80, body[80:], false)}, 1},
		"more behind the end": {[]decodetest.Wrapped{w.Fragment(64, body[64:80], false),
			w.Fragment(80, body[80:88], true)}, 1},
		"wrong header checksum": {[]decodetest.Wrapped{corrupt(w.Fragment(0, body[:16], true))}, 1},
		"wrong header checksum, then a good": {append([]decodetest.Wrapped{corrupt(w.Fragment(0,
			bytes.Repeat([]byte{9}, 16), true))}, w.Fragments(t, 64)...), 1},
	} {
		t.Run(name, func(t *testing.T) {
			d := New(nil)
			got := feed(t, d, decodetest.Epoch, c.frames...)
			counts, s := d.Stats()
			if s.Bad != c.bad || counts[BadFragment] != c.bad {
				t.Errorf("%+v", s)
			}
			if len(c.frames) > 2 {
				one(t, got, make([]byte, 100), false)
			}
		})
	}
}

func corrupt(w decodetest.Wrapped) decodetest.Wrapped {
	w.Data[10] ^= 0x55
	return w
}

func TestDefrag_CutFragmentIsBad(t *testing.T) {
	d := New(nil)
	var p Packet
	f := decodetest.Segment{Payload: make([]byte, 100)}.IP(t).Fragments(t, 64)[0].Ethernet(t)
	if v := d.Decode(decodetest.Epoch, 1, f[:60], len(f), &p); v != BadFragment {
		t.Errorf("verdict %v", v)
	}
}

func TestDefrag_DontFragmentIsAcceptedAndCounted(t *testing.T) {
	d := New(nil)
	f := decodetest.Segment{Payload: make([]byte, 100)}.IP(t).Fragments(t, 64)
	for i := range f {
		f[i].Data[6] |= 0x40
		decodetest.FixIPv4Sum(f[i].Data)
	}
	one(t, feed(t, d, decodetest.Epoch, f...), make([]byte, 100), false)
	if _, s := d.Stats(); s.DontFragment != 2 {
		t.Errorf("%+v", s)
	}
}

func TestDefrag_IdentificationComesRoundAgain(t *testing.T) {
	d := New(nil)
	for i := range 10 { // each fragment twice, the same identification every time
		payload := bytes.Repeat([]byte{byte('a' + i)}, 100)
		f := decodetest.Segment{Payload: payload, ID: 7, Seq: uint32(i)}.IP(t).Fragments(t, 64)
		one(t, feed(t, d, decodetest.Epoch, f[0], f[0], f[1], f[1]), payload, false)
	}
}

func TestDefrag_NoTCPOfThePortsIsNotHeld(t *testing.T) {
	for name, c := range map[string]struct {
		w    decodetest.Wrapped
		want Verdict
	}{
		"UDP":        {decodetest.UDP(t, false, 53, make([]byte, 200)), NotTCP},
		"UDP, IPv6":  {decodetest.UDP(t, true, 53, make([]byte, 200)), NotTCP},
		"ICMPv6":     {decodetest.Over(t, true, 58, make([]byte, 200)), NotTCP},
		"other port": {decodetest.Segment{Dst: "192.0.2.1:80", Payload: make([]byte, 200)}.IP(t), OtherPort},
	} {
		t.Run(name, func(t *testing.T) {
			d := New(nil)
			feed(t, d, decodetest.Epoch, c.w.Fragments(t, 64)...)
			counts, s := d.Stats()
			if s.Irrelevant != s.In || counts[c.want] != s.In || len(d.frags.byKey) != 0 {
				t.Errorf("%+v, %d kept", s, len(d.frags.byKey))
			}
		})
	}
}

func BenchmarkDefrag(b *testing.B) {
	var frames [][]byte
	w := decodetest.Segment{Payload: make([]byte, 4000)}.IP(b)
	for id := range 256 {
		binary.BigEndian.PutUint16(w.Data[4:], uint16(id))
		for _, f := range w.Fragments(b, 1480) {
			frames = append(frames, f.Ethernet(b))
		}
	}
	d, n := New(nil), 0
	var p Packet
	b.SetBytes(int64(len(frames[0])))
	b.ReportAllocs()
	for b.Loop() {
		f := frames[n%len(frames)]
		binary.BigEndian.PutUint16(f[14+4:], uint16(n/3))
		decodetest.FixIPv4Sum(f[14:])
		d.Decode(decodetest.Epoch, 1, f, len(f), &p)
		n++
	}
}

// TestDefrag_TunnelUnderAnIdentificationThatWasOfNoUse: the same two hosts send
// DNS answers and VXLAN, and a last fragment of the former was lost.
func TestDefrag_TunnelUnderAnIdentificationThatWasOfNoUse(t *testing.T) {
	payload := bytes.Repeat([]byte("tunnel "), 60)
	d := New(nil)
	frames := append(decodetest.UDP(t, false, 53, make([]byte, 200)).Fragments(t, 64)[:2],
		decodetest.Segment{Payload: payload}.IP(t).VXLAN(t, 4789).Fragments(t, 64)...)
	one(t, feed(t, d, decodetest.Epoch, frames...), payload, false)
	if _, s := d.Stats(); s.Irrelevant != 2 || s.Held != 0 {
		t.Errorf("%+v", s)
	}
}

func TestDefrag_LastFragmentOfNoUseCameFirst(t *testing.T) {
	d := New(nil)
	f := decodetest.UDP(t, false, 53, make([]byte, 100)).Fragments(t, 64)
	feed(t, d, decodetest.Epoch, f[1], f[0])
	if _, s := d.Stats(); s.Irrelevant != 2 || len(d.frags.byKey) != 0 {
		t.Errorf("%+v, %d kept", s, len(d.frags.byKey))
	}
}
