package decode

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/gopacket/layers"
	"pgregory.net/rapid"

	"tap25/reassembly/decode/decodetest"
)

// nesting is one way to wrap a packet, and how many headers it adds.
type nesting struct {
	name    string
	headers int
	onlyIP  bool // what is inside must be IP
	wrap    func(testing.TB, decodetest.Wrapped) decodetest.Wrapped
}

func nestings() []nesting {
	erspan := func(proto uint16, head []byte) func(testing.TB, decodetest.Wrapped) decodetest.Wrapped {
		return func(t testing.TB, w decodetest.Wrapped) decodetest.Wrapped {
			return decodetest.Wrap(proto, append(bytes.Clone(head), w.Ethernet(t)...)).GRE(t,
				layers.GRE{SeqPresent: true})
		}
	}
	return []nesting{
		{"802.1Q", 1, false, func(t testing.TB, w decodetest.Wrapped) decodetest.Wrapped {
			return w.VLAN(t, 0x8100, 7)
		}},
		{"802.1ad", 1, false, func(t testing.TB, w decodetest.Wrapped) decodetest.Wrapped {
			return w.VLAN(t, 0x88a8, 7)
		}},
		{"MPLS", 2, true, func(t testing.TB, w decodetest.Wrapped) decodetest.Wrapped { return w.MPLS(t, 100, 200) }},
		{"PPPoE", 2, true, func(t testing.TB, w decodetest.Wrapped) decodetest.Wrapped { return w.PPPoE(t) }},
		{"IP in IPv4", 1, true, func(t testing.TB, w decodetest.Wrapped) decodetest.Wrapped {
			return w.IPIP(t, false)
		}},
		{"IP in IPv6", 1, true, func(t testing.TB, w decodetest.Wrapped) decodetest.Wrapped { return w.IPIP(t, true) }},
		{"GRE", 2, true, func(t testing.TB, w decodetest.Wrapped) decodetest.Wrapped {
			return w.GRE(t, layers.GRE{KeyPresent: true})
		}},
		{"Ethernet in GRE", 3, false, func(t testing.TB, w decodetest.Wrapped) decodetest.Wrapped {
			return w.Bridged(t).GRE(t, layers.GRE{})
		}},
		{"ERSPAN II", 4, false, erspan(0x88be, []byte{0x10, 1, 0, 5, 0, 0, 0, 1})},
		{"ERSPAN III", 4, false, erspan(0x22eb, []byte{0x20, 1, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0})},
		{"VXLAN", 4, false, func(t testing.TB, w decodetest.Wrapped) decodetest.Wrapped { return w.VXLAN(t, 4789) }},
		{"Geneve", 4, false, func(t testing.TB, w decodetest.Wrapped) decodetest.Wrapped {
			return w.Bridged(t).Geneve(t, 2)
		}},
		{"VN-tag", 1, false, func(_ testing.TB, w decodetest.Wrapped) decodetest.Wrapped { return w.VNTag() }},
		{"E-tag", 1, false, func(_ testing.TB, w decodetest.Wrapped) decodetest.Wrapped { return w.ETag() }},
		{"Cisco metadata", 1, false, func(_ testing.TB, w decodetest.Wrapped) decodetest.Wrapped {
			return w.CiscoMetadata()
		}},
		{"MACsec", 1, false, func(_ testing.TB, w decodetest.Wrapped) decodetest.Wrapped { return w.MACsec(true) }},
		{"Arista's time", 1, false, func(_ testing.TB, w decodetest.Wrapped) decodetest.Wrapped {
			return w.AristaTime(false)
		}},
		{"802.1ah", 2, false, func(t testing.TB, w decodetest.Wrapped) decodetest.Wrapped { return w.PBB(t, 5) }},
		{"TRILL", 2, false, func(t testing.TB, w decodetest.Wrapped) decodetest.Wrapped { return w.TRILL(t, 1) }},
		{"NSH", 2, false, func(t testing.TB, w decodetest.Wrapped) decodetest.Wrapped { return w.Bridged(t).NSH() }},
		{"GTP-U", 3, true, func(t testing.TB, w decodetest.Wrapped) decodetest.Wrapped { return w.GTP(t, false, 5) }},
		{"GTP-U, extended", 4, true, func(t testing.TB, w decodetest.Wrapped) decodetest.Wrapped {
			return w.GTP(t, true, 5, []byte{0x85, 1, 2})
		}},
		{"L2TP", 4, true, func(t testing.TB, w decodetest.Wrapped) decodetest.Wrapped {
			return w.L2TP(t, true, 0x4000, 5)
		}},
		{"L2TPv3", 3, false, func(t testing.TB, w decodetest.Wrapped) decodetest.Wrapped {
			return w.L2TPv3(t, false, false, 5, 4, false)
		}},
		{"PPTP", 3, true, func(t testing.TB, w decodetest.Wrapped) decodetest.Wrapped { return w.PPTP(t, 5, true) }},
		{"GUE", 4, false, func(t testing.TB, w decodetest.Wrapped) decodetest.Wrapped {
			return w.Bridged(t).GUE(t, false, 1)
		}},
		{"TZSP", 4, false, func(t testing.TB, w decodetest.Wrapped) decodetest.Wrapped { return w.TZSP(t, true) }},
		{"Ethernet in SRv6", 2, false, func(t testing.TB, w decodetest.Wrapped) decodetest.Wrapped {
			return decodetest.Over(t, true, 143, w.Ethernet(t))
		}},
		{"pseudowire", 3, false, func(t testing.TB, w decodetest.Wrapped) decodetest.Wrapped {
			return pseudowire(t, w, 0x60, -1)
		}},
	}
}

// TestDecode_AnyNestingUpToTheDepth wraps a segment in any encapsulations in any order: up to maxHeaders headers it
// comes out, beyond it is counted as too deep; cut anywhere it is neither whole nor a panic.
func TestDecode_AnyNestingUpToTheDepth(t *testing.T) {
	kinds := nestings()
	payload := []byte("MAIL FROM:<a@a.example>\r\n")
	rapid.Check(t, func(rt *rapid.T) {
		s := decodetest.Segment{Payload: payload, Seq: 7, TTL: 9}
		if rapid.Bool().Draw(rt, "IPv6") {
			s.Src, s.Dst = decodetest.Client6, decodetest.Server6
		}
		w, headers, names := s.IP(t), 3, []string(nil) // Ethernet, IP, TCP
		for range rapid.IntRange(0, 14).Draw(rt, "nestings") {
			k := kinds[rapid.IntRange(0, len(kinds)-1).Draw(rt, "kind")]
			if k.onlyIP && w.EtherType != 0x0800 && w.EtherType != 0x86dd {
				continue
			}
			w, headers, names = k.wrap(t, w), headers+k.headers, append(names, k.name)
		}
		f := w.Ethernet(t)
		want := TCPPort
		if headers > maxHeaders {
			want = TooDeep
		}
		v, p := decodeOnce(decodetest.LinkEthernet, f, len(f))
		if v != want || v == TCPPort && (!bytes.Equal(p.Payload, payload) || p.Seq != 7 || p.TTL != 9 ||
			p.ChecksumBad) {
			rt.Fatalf("%d headers, %s: %v, %d octets of payload", headers, strings.Join(names, " in "), v,
				len(p.Payload))
		}
		cut := rapid.IntRange(0, len(f)-1).Draw(rt, "cut")
		checkFrame(t, decodetest.LinkEthernet, f[:cut:cut], 0)
		end := bytes.Index(f, payload) + len(payload) // MACsec puts something behind it
		if v, _ := decodeOnce(decodetest.LinkEthernet, f[:cut:cut], cut); v == TCPPort && cut < end {
			rt.Fatalf("%s: %d of %d octets taken for whole", strings.Join(names, " in "), cut, len(f))
		}
	})
}

// TestDecode_TagsInWhatNamesNoFrame puts each encapsulation into a tunnel that does not tell where the frame in it
// begins. If a header were passed over, one that is beyond the depth would be read.
func TestDecode_TagsInWhatNamesNoFrame(t *testing.T) {
	kinds := nestings()
	for _, outer := range kinds {
		if outer.name != "L2TPv3" && outer.name != "pseudowire" {
			continue
		}
		for _, inner := range kinds {
			w := decodetest.Segment{Payload: []byte("QUIT\r\n")}.IP(t)
			w = outer.wrap(t, inner.wrap(t, w))
			headers := 3 + inner.headers + outer.headers
			for ; headers <= maxHeaders; headers++ {
				w = w.VLAN(t, 0x8100, 7)
			}
			f := w.Ethernet(t)
			if v, _ := decodeOnce(decodetest.LinkEthernet, f, len(f)); v != TooDeep {
				t.Errorf("%s in %s: %d headers: %v", inner.name, outer.name, headers, v)
			}
		}
	}
}
