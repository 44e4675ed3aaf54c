package reassembly

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/gopacket/layers"
	"pgregory.net/rapid"
)

// nesting is one way to wrap a packet, and how many headers it adds.
type nesting struct {
	name    string
	headers int
	onlyIP  bool // what is inside must be IP
	wrap    func(testing.TB, wrapped) wrapped
}

func nestings() []nesting {
	erspan := func(proto uint16, head []byte) func(testing.TB, wrapped) wrapped {
		return func(t testing.TB, w wrapped) wrapped {
			return wrapped{proto, append(bytes.Clone(head), w.ethernet(t)...)}.gre(t, layers.GRE{SeqPresent: true})
		}
	}
	return []nesting{
		{"802.1Q", 1, false, func(t testing.TB, w wrapped) wrapped { return w.vlan(t, 0x8100, 7) }},
		{"802.1ad", 1, false, func(t testing.TB, w wrapped) wrapped { return w.vlan(t, 0x88a8, 7) }},
		{"MPLS", 2, true, func(t testing.TB, w wrapped) wrapped { return w.mpls(t, 100, 200) }},
		{"PPPoE", 2, true, func(t testing.TB, w wrapped) wrapped { return w.pppoe(t) }},
		{"IP in IPv4", 1, true, func(t testing.TB, w wrapped) wrapped { return w.ipip(t, false) }},
		{"IP in IPv6", 1, true, func(t testing.TB, w wrapped) wrapped { return w.ipip(t, true) }},
		{"GRE", 2, true, func(t testing.TB, w wrapped) wrapped { return w.gre(t, layers.GRE{KeyPresent: true}) }},
		{"Ethernet in GRE", 3, false, func(t testing.TB, w wrapped) wrapped { return w.bridged(t).gre(t, layers.GRE{}) }},
		{"ERSPAN II", 4, false, erspan(0x88be, []byte{0x10, 1, 0, 5, 0, 0, 0, 1})},
		{"ERSPAN III", 4, false, erspan(0x22eb, []byte{0x20, 1, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0})},
		{"VXLAN", 4, false, func(t testing.TB, w wrapped) wrapped { return w.vxlan(t, 4789) }},
		{"Geneve", 4, false, func(t testing.TB, w wrapped) wrapped { return w.bridged(t).geneve(t, 2) }},
	}
}

// TestDecode_AnyNestingUpToTheDepth wraps a segment in any encapsulations in any order: up to maxHeaders headers it comes
// out, beyond it is counted as too deep; cut anywhere it is neither whole nor a panic.
func TestDecode_AnyNestingUpToTheDepth(t *testing.T) {
	kinds := nestings()
	payload := []byte("MAIL FROM:<a@a.example>\r\n")
	rapid.Check(t, func(rt *rapid.T) {
		s := segment{payload: payload, seq: 7, ttl: 9}
		if rapid.Bool().Draw(rt, "IPv6") {
			s.src, s.dst = testClient6, testServer6
		}
		w, headers, names := s.ip(t), 3, []string(nil) // Ethernet, IP, TCP
		for range rapid.IntRange(0, 14).Draw(rt, "nestings") {
			k := kinds[rapid.IntRange(0, len(kinds)-1).Draw(rt, "kind")]
			if k.onlyIP && w.etherType != 0x0800 && w.etherType != 0x86dd {
				continue
			}
			w, headers, names = k.wrap(t, w), headers+k.headers, append(names, k.name)
		}
		f := w.ethernet(t)
		want := TCPPort
		if headers > maxHeaders {
			want = TooDeep
		}
		v, p := decodeOnce(linkEthernetTest, f, len(f))
		if v != want || v == TCPPort && (!bytes.Equal(p.Payload, payload) || p.Seq != 7 || p.TTL != 9 || p.ChecksumBad) {
			rt.Fatalf("%d headers, %s: %v, %d octets of payload", headers, strings.Join(names, " in "), v, len(p.Payload))
		}
		cut := rapid.IntRange(0, len(f)-1).Draw(rt, "cut")
		checkFrame(t, linkEthernetTest, f[:cut:cut], 0)
		if v, _ := decodeOnce(linkEthernetTest, f[:cut:cut], cut); v == TCPPort {
			rt.Fatalf("%s: %d of %d octets taken for whole", strings.Join(names, " in "), cut, len(f))
		}
	})
}
