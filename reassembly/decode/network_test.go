package decode

import (
	"testing"

	"github.com/google/gopacket/layers"

	"tap25/reassembly/decode/decodetest"
	"tap25/reassembly/smtp"
)

// seen decodes frames with one decoder, the last of which must hold a segment.
func seen(t *testing.T, d *Decoder, frames ...[]byte) (p Packet) {
	t.Helper()
	for i, f := range frames {
		v := d.Decode(decodetest.Epoch, decodetest.LinkEthernet, f, len(f), &p)
		if v != TCPPort && (v != Fragment || i == len(frames)-1) {
			t.Fatalf("frame %d: %v", i, v)
		}
	}
	return p
}

// prioritized sets the priority of a tag.
func prioritized(w decodetest.Wrapped) decodetest.Wrapped {
	w.Data[0] |= 5 << 5
	return w
}

func TestNetwork_TagsThatNameItAndTagsOfOnePathAreKeptApart(t *testing.T) {
	ip := decodetest.Segment{Payload: []byte("QUIT\r\n")}.IP(t)
	key := func(k uint32) layers.GRE { return layers.GRE{KeyPresent: true, Key: k} }
	tags := func(ids ...uint16) decodetest.Wrapped {
		w := ip
		for _, id := range ids {
			w = w.VLAN(t, 0x8100, id)
		}
		return w
	}
	for _, c := range []struct {
		name          string
		a, b          decodetest.Wrapped
		text          string // of a
		networks, way bool   // whether these are equal
	}{
		{"no tags", ip, ip, "", true, true},
		{"priority without a VLAN", ip.VLAN(t, 0x8100, 0), ip, "", true, true},
		{"priority bits", ip.VLAN(t, 0x8100, 7), prioritized(ip.VLAN(t, 0x8100, 7)), "vlan 7", true, true},
		{"two VLANs", ip.VLAN(t, 0x8100, 7), ip.VLAN(t, 0x8100, 8), "vlan 7", false, false},
		{"the order of two tags", tags(7, 8), tags(8, 7), "vlan 8/vlan 7", false, false},
		{"more tags than are kept by name",
			tags(1, 2, 3, 4, 5, 6, 7), tags(9, 2, 3, 4, 5, 6, 7),
			"vlan 7/vlan 6/vlan 5/vlan 4/vlan 3/vlan 2/more", false, false},
		{"VXLAN", ip.VLAN(t, 0x8100, 3).VXLAN(t, 4789), ip.VXLAN(t, 4789), "vxlan 4711/vlan 3", false, false},
		{"Geneve", ip.Geneve(t, 1), ip.Geneve(t, 0), "geneve 42", true, true},
		{"MPLS labels differ by direction", ip.MPLS(t, 100, 200), ip.MPLS(t, 100, 201), "mpls", true, false},
		{"entropy labels differ by flow", ip.MPLS(t, 100, 7, 5000), ip.MPLS(t, 100, 7, 6000), "mpls", true, true},
		{"keys of GRE", ip.GRE(t, key(1)), ip.GRE(t, key(2)), "gre 1", false, false},
		{"flows of NVGRE",
			ip.Bridged(t).GRE(t, key(5001<<8|1)), ip.Bridged(t).GRE(t, key(5001<<8|2)), "nvgre 5001", true, false},
		{"keys of bridges in GRE", ip.Bridged(t).GRE(t, key(1)), ip.Bridged(t).GRE(t, key(2)), "gre 1", false, false},
		{"802.1ah", ip.PBB(t, 5), ip.PBB(t, 6), "pbb 5", false, false},
		{"GTP", ip.GTP(t, false, 5), ip.GTP(t, false, 6), "gtp", true, false},
		{"ends of GTP", ip.GTP(t, false, 5), ip.GTP(t, true, 5), "gtp", true, false},
		{"GTP with a sequence number", ip.GTP(t, false, 5), ip.GTP(t, false, 5, []byte{0x85, 1, 2}), "gtp", true, true},
		{"L2TP", ip.L2TP(t, false, 0, 5), ip.L2TP(t, false, 0, 6), "l2tp", true, false},
		{"L2TPv3", ip.L2TPv3(t, false, true, 5, 4, false), ip.L2TPv3(t, false, true, 6, 4, false), "l2tp", true, false},
		{"PPTP", ip.PPTP(t, 5, false), ip.PPTP(t, 6, false), "pptp", true, false},
		{"ports of a bridge", ip.VNTag(), ip.ETag(), "", true, true},
		{"a mirror over IP", ip.TZSP(t, false), ip.TZSP(t, true), "", true, true},
		{"PPPoE", ip.PPPoE(t), ip, "", true, false},
		{"GRE without a key", ip.GRE(t, layers.GRE{}), ip, "", true, false},
		{"IP in IP", ip.IPIP(t, false), ip.IPIP(t, true), "", true, false},
		{"ERSPAN", decodetest.Wrap(0x88be, ip.Ethernet(t)).GRE(t, layers.GRE{}), ip, "", true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := New(nil)
			a, b := seen(t, d, c.a.Ethernet(t)), seen(t, d, c.b.Ethernet(t))
			if got := a.Network.String(); got != c.text || got != "" && !smtp.IsNetwork(got) {
				t.Errorf("network %q, want %q", got, c.text)
			}
			equal, same := a.Network == b.Network, a.Network.Hash() == b.Network.Hash()
			if equal != c.networks || same != c.networks || (a.Path == b.Path) != c.way {
				t.Errorf("%v %x, then %v %x", a.Network, a.Path, b.Network, b.Path)
			}
			if a.Network.IsZero() != (c.text == "") || a.Network.IsZero() != (a.Network.Hash() == 0) {
				t.Error("a network without a name is not zero")
			}
		})
	}
}

func TestNetwork_BothWaysThroughATunnelHaveOnePath(t *testing.T) {
	ip := decodetest.Segment{}.IP(t).IPIP(t, false)
	back := decodetest.Wrap(ip.EtherType, append([]byte(nil), ip.Data...))
	copy(back.Data[12:], ip.Data[16:20])
	copy(back.Data[16:], ip.Data[12:16])
	d := New(nil)
	if a, b := seen(t, d, ip.Ethernet(t)), seen(t, d, back.Ethernet(t)); a.Path == 0 || a.Path != b.Path {
		t.Errorf("paths %x and %x", a.Path, b.Path)
	}
}

// TestNetwork_FragmentsOfTwoAreNeverJoined sends the fragments of two datagrams that differ in nothing but their
// network, interleaved.
func TestNetwork_FragmentsOfTwoAreNeverJoined(t *testing.T) {
	for _, wrap := range []func(decodetest.Wrapped, uint16) decodetest.Wrapped{
		func(w decodetest.Wrapped, n uint16) decodetest.Wrapped { return w.VLAN(t, 0x8100, n) },
		func(w decodetest.Wrapped, n uint16) decodetest.Wrapped { return w.MPLS(t, uint32(n)+100) },
		func(w decodetest.Wrapped, n uint16) decodetest.Wrapped { return w.VLAN(t, 0x8100, n).VXLAN(t, 4789) },
	} {
		for _, ends := range [][2]string{{decodetest.Client, decodetest.Server},
			{decodetest.Client6, decodetest.Server6}} {
			d, texts := New(nil), [2]string{"RCPT TO:<ann@a.example>\r\n", "RCPT TO:<bob@b.example>\r\n"}
			var pieces [2][]decodetest.Wrapped
			for i, text := range texts {
				pieces[i] = decodetest.Segment{Src: ends[0], Dst: ends[1], Payload: []byte(text)}.IP(t).Fragments(t, 32)
			}
			for i, order := range [2][][2]int{{{0, 0}, {1, 1}, {0, 1}}, {{1, 0}}} { // which datagram, which fragment
				var frames [][]byte
				for _, o := range order {
					frames = append(frames, wrap(pieces[o[0]][o[1]], uint16(o[0])+1).Ethernet(t))
				}
				if p := seen(t, d, frames...); string(p.Payload) != texts[i] || p.ChecksumBad || p.Conflict {
					t.Errorf("datagram %d: %q", i, p.Payload)
				}
			}
		}
	}
}
