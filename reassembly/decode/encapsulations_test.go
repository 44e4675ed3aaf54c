package decode

import (
	"encoding/binary"
	"testing"

	"github.com/google/gopacket/layers"

	"tap25/reassembly/decode/decodetest"
)

// encapsulation is one way in which a segment reaches the decoder.
type encapsulation struct {
	name string
	link uint16
	data []byte
	v6   bool
	tail int // octets behind the packet
}

// encapsulations is a frame of each kind that the decoder opens, all with the
// same segment.
func encapsulations(t testing.TB, payload []byte) []encapsulation {
	v4 := decodetest.Segment{Seq: 7, Ack: 9, Flags: ACK | PSH, Window: 512, Payload: payload, TTL: 61}.IP(t)
	v6 := decodetest.Segment{Src: decodetest.Client6, Dst: decodetest.Server6, Seq: 7, Ack: 9, Flags: ACK | PSH,
		Window: 512, Payload: payload, TTL: 61}.IP(t)
	eth := func(name string, w decodetest.Wrapped) encapsulation {
		return encapsulation{name: name, link: decodetest.LinkEthernet, data: w.Ethernet(t)}
	}
	raw := func(name string, link uint16, head []byte, w decodetest.Wrapped) encapsulation {
		return encapsulation{name: name, link: link, data: append(head, w.Data...), v6: w.EtherType == 0x86dd}
	}
	six := func(e encapsulation) encapsulation { e.v6 = true; return e }
	pseudowire := func(control bool) decodetest.Wrapped {
		w := v4.Bridged(t)
		if control {
			w.Data = append(make([]byte, 4), w.Data...)
		}
		return w.MPLS(t, 16, 17)
	}
	erspan := func(proto uint16, seq bool, head []byte) decodetest.Wrapped {
		w := decodetest.Wrap(proto, append(head, v4.Ethernet(t)...))
		return w.GRE(t, layers.GRE{SeqPresent: seq})
	}
	erspan3 := func(tail byte, extra int) []byte {
		return append([]byte{0x20, 1, 0, 5, 0, 0, 0, 1, 0, 0, 0, tail}, make([]byte, extra)...)
	}
	gpe := func(next byte, inner []byte) decodetest.Wrapped {
		return decodetest.UDP(t, false, 4790, append([]byte{0x0c, 0, 0, next, 0, 0, 1, 0}, inner...))
	}
	options := decodetest.Segment{Seq: 7, Ack: 9, Flags: ACK | PSH, Window: 512, Payload: payload, TTL: 61,
		Options: []layers.TCPOption{{OptionType: layers.TCPOptionKindTimestamps, OptionLength: 10,
			OptionData: make([]byte, 8)}},
		IPv4Options: []layers.IPv4Option{{OptionType: 7, OptionLength: 7, OptionData: []byte{4, 0, 0, 0, 0}},
			{OptionType: 1}}}.IP(t)
	all := []encapsulation{
		eth("Ethernet", v4), six(eth("Ethernet with IPv6", v6)), eth("IPv4 and TCP options", options),
		{name: "802.3 with SNAP", link: 1, data: v4.SNAP(t)},
		eth("802.1Q", v4.VLAN(t, 0x8100, 7)), eth("802.1ad", v4.VLAN(t, 0x8100, 7).VLAN(t, 0x88a8, 8)),
		eth("QinQ 0x9100", v4.VLAN(t, 0x9100, 7).VLAN(t, 0x9100, 8)),
		{name: "802.3 with SNAP in 802.1Q", link: 1, data: snapInVLAN(t, v4)},
		eth("five tags", v4.VLAN(t, 0x8100, 1).VLAN(t, 0x8100, 2).VLAN(t, 0x8100, 3).VLAN(t, 0x8100, 4).VLAN(t, 0x88a8,
			5)),
		eth("MPLS", v4.MPLS(t, 100)), eth("four labels", v4.MPLS(t, 100, 200, 300, 400)),
		six(eth("MPLS with IPv6", v6.MPLS(t, 5))),
		eth("Ethernet pseudowire", pseudowire(false)), eth("Ethernet pseudowire with control word", pseudowire(true)),
		eth("PPPoE", v4.PPPoE(t)), six(eth("PPPoE with IPv6", v6.PPPoE(t))),
		eth("PPPoE in 802.1Q", v4.PPPoE(t).VLAN(t, 0x8100, 7)),
		raw("raw IPv4", 101, nil, v4), raw("raw IPv6", 101, nil, v6), raw("raw DLT 12", 12, nil, v4),
		raw("raw DLT 14", 14, nil, v6),
		raw("LINKTYPE_IPV4", 228, nil, v4), raw("LINKTYPE_IPV6", 229, nil, v6),
		raw("Linux cooked", 113, cooked(v4), v4), raw("Linux cooked with IPv6", 113, cooked(v6), v6),
		raw("Linux cooked v2", 276, cooked2(v4), v4), raw("Linux cooked v2 with IPv6", 276, cooked2(v6), v6),
		raw("Linux cooked with 802.1Q", 113, cooked(v4.VLAN(t, 0x8100, 7)), v4.VLAN(t, 0x8100, 7)),
		raw("NULL little endian", 0, []byte{2, 0, 0, 0}, v4), raw("NULL big endian", 0, []byte{0, 0, 0, 2}, v4),
		raw("NULL IPv6 of NetBSD", 0, []byte{24, 0, 0, 0}, v6), raw("NULL IPv6 of FreeBSD", 0, []byte{0, 0, 0, 28}, v6),
		raw("NULL IPv6 of Darwin", 0, []byte{30, 0, 0, 0}, v6), raw("LOOP", 108, []byte{0, 0, 0, 2}, v4),
		raw("LOOP swapped", 108, []byte{2, 0, 0, 0}, v4),
		raw("PPP", 9, []byte{0xff, 3, 0, 0x21}, v4), raw("PPP compressed", 9, []byte{0x57}, v6),
		raw("PPP in HDLC", 50, []byte{0xff, 3, 0, 0x57}, v6),
		eth("4in4", v4.IPIP(t, false)), six(eth("6in4", v6.IPIP(t, false))), eth("4in6", v4.IPIP(t, true)),
		six(eth("6in6", v6.IPIP(t, true))),
		eth("4in4in6in4", v4.IPIP(t, false).IPIP(t, true).IPIP(t, false)),
		eth("GRE", v4.GRE(t, layers.GRE{})), six(eth("GRE with IPv6", v6.GRE(t, layers.GRE{}))),
		eth("GRE with all fields", v4.GRE(t, layers.GRE{ChecksumPresent: true, KeyPresent: true, SeqPresent: true,
			Key: 5, Seq: 6})),
		eth("GRE with key", v4.GRE(t, layers.GRE{KeyPresent: true})),
		eth("GRE with sequence number", v4.GRE(t, layers.GRE{SeqPresent: true})),
		eth("GRE with routing", v4.GRE(t, layers.GRE{RoutingPresent: true,
			GRERouting: &layers.GRERouting{AddressFamily: 0x800, SRELength: 4,
				RoutingInformation: []byte{1, 2, 3, 4}}})),
		eth("NVGRE", v4.Bridged(t).GRE(t, layers.GRE{KeyPresent: true})),
		eth("GRE with MPLS", v4.MPLS(t, 3).GRE(t, layers.GRE{})),
		eth("ERSPAN I", erspan(0x88be, false, nil)),
		eth("ERSPAN II", erspan(0x88be, true, []byte{0x10, 1, 0, 5, 0, 0, 0, 1})),
		eth("ERSPAN III", erspan(0x22eb, true, erspan3(0, 0))),
		eth("ERSPAN III with platform subheader", erspan(0x22eb, true, erspan3(1, 8))),
		eth("ERSPAN III with IP", decodetest.Wrap(0x22eb,
			append([]byte{0x20, 1, 0, 5, 0, 0, 0, 1, 0, 0, 2 << 2, 0}, v4.Data...)).GRE(t,
			layers.GRE{SeqPresent: true})),
		eth("VXLAN", v4.VXLAN(t, 4789)), six(eth("VXLAN on Linux's port", v6.VXLAN(t, 8472))),
		eth("VXLAN over IPv6", decodetest.UDP(t, true, 4789,
			append([]byte{8, 0, 0, 0, 0, 0, 1, 0}, v4.Ethernet(t)...))),
		eth("VXLAN-GPE", gpe(1, v4.Data)), six(eth("VXLAN-GPE with IPv6", gpe(2, v6.Data))),
		eth("VXLAN-GPE with Ethernet", gpe(3, v4.Ethernet(t))), eth("VXLAN-GPE with MPLS", gpe(5, v4.MPLS(t, 9).Data)),
		eth("Geneve", v4.Bridged(t).Geneve(t, 0)), eth("Geneve with options", v4.Bridged(t).Geneve(t, 5)),
		eth("Geneve with IP", v4.Geneve(t, 63)),
		eth("MPLS in IP", decodetest.Over(t, false, 137, v4.MPLS(t, 12).Data)),
		eth("EtherIP", decodetest.Over(t, false, 97, append([]byte{0x30, 0}, v4.Ethernet(t)...))),
		eth("VXLAN in ERSPAN in 802.1Q", decodetest.Wrap(0x88be,
			append([]byte{0x10, 1, 0, 5, 0, 0, 0, 1}, v4.VLAN(t, 0x8100, 3).VXLAN(t, 4789).Ethernet(t)...)).GRE(t,
			layers.GRE{SeqPresent: true}).VLAN(t, 0x8100, 9)),
		eth("AH in IPv4", insertHeader(v4, 51, []byte{0, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
			9, 9})),
	}
	for _, h := range []struct {
		name  string
		proto byte
		head  []byte
	}{
		{"hop-by-hop", 0, []byte{0, 0, 5, 2, 0, 0, 1, 0}},
		{"destination options", 60, append([]byte{0, 1, 1, 12}, make([]byte, 12)...)},
		{"routing at its end", 43, []byte{0, 0, 0, 0, 0, 0, 0, 0}},
		{"atomic fragment", 44, []byte{0, 0, 0, 0, 0, 0, 0, 1}},
		{"AH", 51, []byte{0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1}}, {"mobility", 135, []byte{0, 0, 0, 0, 0, 0, 0, 0}},
	} {
		if h.proto == 51 {
			h.head = append(h.head, 0, 0, 0, 0) // multiple of 8 octets in IPv6
			h.head[1] = 2
		}
		all = append(all, six(eth("IPv6 with "+h.name, insertHeader(v6, h.proto, h.head))))
	}
	return append(append(all, tagged(t, v4, v6)...), append(tunnelled(t, v4, v6), linked(t, v4, v6)...)...)
}

func cooked(w decodetest.Wrapped) []byte {
	h := make([]byte, 16)
	binary.BigEndian.PutUint16(h[2:], 1)
	binary.BigEndian.PutUint16(h[4:], 6)
	binary.BigEndian.PutUint16(h[14:], w.EtherType)
	return h
}

func cooked2(w decodetest.Wrapped) []byte {
	h := make([]byte, 20)
	binary.BigEndian.PutUint16(h, w.EtherType)
	binary.BigEndian.PutUint16(h[8:], 1)
	return h
}

func snapInVLAN(t testing.TB, w decodetest.Wrapped) []byte {
	f := w.SNAP(t)
	return append(append(append([]byte(nil), f[:12]...), 0x81, 0, 0, 7), f[12:]...)
}

// insertHeader puts an extension header behind the IP header; its first octet
// becomes the number of what followed.
func insertHeader(w decodetest.Wrapped, proto byte, head []byte) decodetest.Wrapped {
	head = append([]byte(nil), head...)
	size, at := 40, 6
	if w.EtherType == 0x0800 {
		size, at = int(w.Data[0]&15)*4, 9
	}
	p := append([]byte(nil), w.Data[:size]...)
	head[0], p[at] = p[at], proto
	p = append(append(p, head...), w.Data[size:]...)
	if w.EtherType == 0x0800 {
		binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
		decodetest.FixIPv4Sum(p)
	} else {
		binary.BigEndian.PutUint16(p[4:], uint16(len(p)-40))
	}
	return decodetest.Wrap(w.EtherType, p)
}
