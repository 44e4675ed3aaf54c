package decode

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/google/gopacket/layers"

	"tap25/reassembly/decode/decodetest"
)

// tagged are the tags between an Ethernet header and its payload.
func tagged(t testing.TB, v4, v6 decodetest.Wrapped) []encapsulation {
	var all []encapsulation
	for _, w := range []decodetest.Wrapped{v4, v6} {
		six, ip := w.EtherType == v6.EtherType, " with IPv4"
		if six {
			ip = " with IPv6"
		}
		add := func(name string, o decodetest.Wrapped, tail int) {
			f := o.Ethernet(t)
			all = append(all, encapsulation{name: name + ip, link: decodetest.LinkEthernet, data: f, v6: six,
				tail: tail})
		}
		tag := w.VLAN(t, 0x8100, 7)
		add("QinQ 0x8200", tag.VLAN(t, 0x8200, 8), 0)
		add("QinQ 0x9200", w.VLAN(t, 0x9200, 8), 0)
		add("VN-tag", w.VNTag(), 0)
		add("VN-tag before 802.1Q", tag.VNTag(), 0)
		add("E-tag", w.ETag(), 0)
		add("Cisco metadata", w.CiscoMetadata(), 0)
		add("Cisco metadata after 802.1Q", w.CiscoMetadata().VLAN(t, 0x8100, 7), 0)
		add("802.1ah", w.PBB(t, 0x1234).VLAN(t, 0x88a8, 5), 0)
		add("802.1ah with a customer's tag", tag.PBB(t, 1), 0)
		add("MACsec", w.MACsec(false), 16)
		add("MACsec with a channel", tag.MACsec(true), 16)
		add("TRILL", w.TRILL(t, 0), 0)
		add("TRILL with options", tag.TRILL(t, 31), 0)
		add("NSH", w.NSH(), 0)
		add("NSH with Ethernet", w.Bridged(t).NSH(), 0)
		add("NSH twice with MPLS", w.MPLS(t, 99).NSH().NSH(), 0)
		add("Arista's time of 64 bits", w.AristaTime(false), 0)
		add("Arista's time of 48 bits", tag.AristaTime(true), 0)

	}
	return all
}

// tunnelled are the tunnels in IP and the pseudowires.
func tunnelled(t testing.TB, v4, v6 decodetest.Wrapped) []encapsulation {
	eth := func(name string, w decodetest.Wrapped, v6 bool) encapsulation {
		return encapsulation{name: name, link: decodetest.LinkEthernet, data: w.Ethernet(t), v6: v6}
	}
	udp := func(six bool, port uint16, parts ...[]byte) decodetest.Wrapped {
		return decodetest.Datagram(t, six, 50000, port, bytes.Join(parts, nil))
	}
	var all []encapsulation
	for _, w := range []decodetest.Wrapped{v4, v6} {
		six, ip := w.EtherType == v6.EtherType, " with IPv4"
		if six {
			ip = " with IPv6"
		}
		add := func(name string, o decodetest.Wrapped) { all = append(all, eth(name+ip, o, six)) }
		tunnelID := []byte{0, 0, 0, 7, 0, 0, 0, 99}
		add("GTP-U", w.GTP(t, false, 0x1234))
		add("GTP-U with a sequence number", w.GTP(t, true, 0x1234, [][]byte{}...))
		add("GTP-U with extension headers", w.GTP(t, false, 7, []byte{0x85, 1, 9}, []byte{0x40, 1, 2, 3, 4, 5, 6}))
		add("GTP-U with Ethernet", w.VLAN(t, 0x8100, 7).Bridged(t).GTP(t, true, 7, []byte{0x85, 1, 9}))
		add("L2TP", w.L2TP(t, false, 0, 9))
		add("L2TP with all fields", w.L2TP(t, true, 0x4a00, 9))
		answer := append([]byte{0, 2, 0, 1, 0, 2}, w.PPP(true)...)
		add("L2TP to another port", decodetest.Datagram(t, false, 1701, 40000, answer))
		add("L2TPv3", w.L2TPv3(t, false, false, 5, 0, false))
		add("L2TPv3 with a sublayer", w.L2TPv3(t, true, false, 5, 0, true))
		add("L2TPv3 with a cookie of 4", w.VLAN(t, 0x8100, 7).L2TPv3(t, false, true, 5, 4, false))
		add("L2TPv3 with a cookie of 8 and a sublayer", w.L2TPv3(t, true, true, 5, 8, true))
		add("L2TPv3 with IP", decodetest.Over(t, false, 115, append([]byte{0, 0, 0, 5, 1, 2, 3, 4}, w.Data...)))
		add("L2TPv3 with PPP", decodetest.Over(t, true, 115, append([]byte{0, 0, 0, 5}, w.PPP(true)...)))
		add("PPTP", w.PPTP(t, 5, false))
		add("PPTP with acknowledgment", w.PPTP(t, 5, true))
		add("SRv6 with Ethernet", decodetest.Over(t, true, 143, w.Ethernet(t)))
		add("MPLS in UDP", udp(true, 6635, w.MPLS(t, 100, 200).Data))
		add("GUE", w.GUE(t, false, 0))
		add("GUE with extensions", w.Bridged(t).GUE(t, true, 31))
		add("GUE of version 1", udp(true, 6080, w.Data))
		add("TZSP", w.TZSP(t, false))
		add("TZSP with 802.11", udp(true, 37008, []byte{1, 0, 0, 18, 0, 0, 1}, w.WiFi(true, false)))
		add("intercept of Juniper's", udp(false, 30030, tunnelID, w.Data))
		add("intercept of Nokia's", udp(true, 30030, []byte{0x60, 0, 0, 7, 0, 0, 0, 99},
			w.VLAN(t, 0x8100, 7).Ethernet(t)))
		add("intercept of Nokia's without a session", udp(false, 30030, []byte{0, 0, 0, 7}, w.Ethernet(t)))
		add("intercept with PPP", udp(false, 30030, tunnelID, w.PPP(true)))
		add("VXLAN-GPE with NSH", udp(false, 4790, []byte{0x0c, 0, 0, 4, 0, 0, 1, 0}, w.Bridged(t).NSH().Data))
		add("PPP in GRE", decodetest.Over(t, false, 47, append([]byte{0, 0, 0x88, 0x0b}, w.PPP(true)...)))
		for first := range 16 {
			for _, control := range []int{-1, 0, 0x01050007} {
				add("pseudowire", pseudowire(t, w, byte(first<<4|first^5), control))
				add("pseudowire with a tag", pseudowire(t, w.VLAN(t, 0x8100, 7), byte(first<<4|first^5), control))
			}
		}
	}
	return append(all, eth("Teredo", v6.Teredo(t, false, false), true),
		eth("Teredo with headers", v6.Teredo(t, true, true), true),
		eth("Teredo to the port", udp(false, 3544, v6.Data), true))
}

// pseudowire puts labels, and a control word unless it is negative, in front of a frame whose destination address
// begins with an octet.
func pseudowire(t testing.TB, w decodetest.Wrapped, first byte, control int) decodetest.Wrapped {
	f := w.Bridged(t)
	copy(f.Data, []byte{first, 0x12, 0x9e, 0x30, 0x41, 2})
	if control >= 0 {
		f.Data = append(binary.BigEndian.AppendUint32(nil, uint32(control)), f.Data...)
	}
	return f.MPLS(t, 16, 17)
}

// linked are the link types.
func linked(t testing.TB, v4, v6 decodetest.Wrapped) []encapsulation {
	var all []encapsulation
	for _, w := range []decodetest.Wrapped{v4, v6} {
		six, ip := w.EtherType == v6.EtherType, " with IPv4"
		if six {
			ip = " with IPv6"
		}
		add := func(name string, link uint16, data []byte, tail int) {
			all = append(all, encapsulation{name: name + ip, link: link, data: data, v6: six, tail: tail})
		}
		kind := binary.BigEndian.AppendUint16(nil, w.EtherType)
		join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
		padded := w.WiFi(true, false)
		padded = join(padded[:26], []byte{0, 0}, padded[26:])
		add("802.11", 105, w.WiFi(false, false), 0)
		add("802.11 between access points", 105, w.WiFi(true, true), 0)
		add("radiotap", 127, decodetest.Radiotap(w.WiFi(true, false), false), 0)
		add("radiotap with fields", 127, decodetest.Radiotap(w.WiFi(false, true), true), 0)
		add("radiotap with padding", 127, join([]byte{0, 0, 9, 0, 2, 0, 0, 0, 0x20}, padded), 0)
		add("Cisco HDLC", 104, join([]byte{0x0f, 0}, kind, w.Data), 0)
		add("Cisco HDLC, multicast", 104, join([]byte{0x8f, 0}, kind, w.Data), 0)
		add("Cisco HDLC as PPP", 50, join([]byte{0x0f, 0}, kind, w.Data), 0)
		add("PPP as Cisco HDLC", 104, w.PPP(true), 0)
		nlpid := byte(0xcc)
		if six {
			nlpid = 0x8e
		}
		add("Frame Relay", 107, join([]byte{0x18, 0x41, 3, nlpid}, w.Data), 0)
		add("Frame Relay with an address of four octets", 107, join([]byte{0x18, 0x40, 0, 1, 3, 0, nlpid}, w.Data), 0)
		add("Frame Relay with SNAP", 107, join([]byte{0x18, 0x41, 3, 0, 0x80, 0, 0, 0}, kind, w.Data), 0)
		bridged := []byte{0x18, 0x41, 3, 0, 0x80, 0, 0x80, 0xc2, 0, 7}
		add("Frame Relay, bridged", 107, join(bridged, w.VLAN(t, 0x8100, 7).Ethernet(t)), 0)
		add("Frame Relay of Cisco's", 107, join([]byte{0x18, 0x41}, kind, w.Data), 0)
		erf := func(name string, kind byte, extensions int, record []byte) {
			f := decodetest.ERF(kind, extensions, record)
			head := 16 + 8*extensions
			if kind == 2 {
				head += 2
			}
			add(name, 197, f, len(f)-head-len(record))
		}
		erf("ERF", 2, 0, w.VLAN(t, 0x8100, 7).Ethernet(t))
		erf("ERF with extension headers", 2, 2, w.Ethernet(t))
		erf("ERF with PPP", 1, 1, w.PPP(true))
		raw := byte(22)
		if six {
			raw = 23
		}
		erf("ERF with IP", raw, 0, w.Data)
		add("NFLOG", 239, decodetest.NFLOG(binary.LittleEndian, w.Data), (4-len(w.Data)%4)%4)
		add("NFLOG of a big-endian host", 239, decodetest.NFLOG(binary.BigEndian, w.Data), (4-len(w.Data)%4)%4)
		add("PKTAP", 258, decodetest.PKTAP(1, w.Ethernet(t)), 0)
		add("PKTAP with raw IP", 258, decodetest.PKTAP(12, w.Data), 0)
		add("MPLS", 219, w.MPLS(t, 100, 200).Data, 0)
	}
	return all
}

// TestDecode_VerdictOfTunnelsThatHoldNothing: what comes by a tunnel's port or number, but is no packet in it.
func TestDecode_VerdictOfTunnelsThatHoldNothing(t *testing.T) {
	nothing := make([]byte, 40)
	with := func(head ...byte) []byte { return append(head, nothing...) }
	eth := func(w decodetest.Wrapped) []byte { return w.Ethernet(t) }
	udp := func(port uint16, head ...byte) []byte { return eth(decodetest.UDP(t, false, port, with(head...))) }
	ip := func(proto layers.IPProtocol, head ...byte) []byte {
		return eth(decodetest.Over(t, true, proto, with(head...)))
	}
	frame := decodetest.Segment{}.IP(t).Ethernet(t)
	for name, c := range map[string]struct {
		link uint16
		data []byte
		want Verdict
	}{
		"PPTP that acknowledges": {1, ip(47, 0x20, 0x81, 0x88, 0x0b), NotTCP},
		"PPTP, encrypted": {1, ip(47, 0x30, 1, 0x88, 0x0b, 0, 40, 0, 1, 0, 0, 0, 1, 0, 0xfd),
			NotIP},
		"GRE of version 1 that is not PPTP's": {1, ip(47, 0, 1, 8, 0), NotTCP},
		"GTP-U echo":                          {1, udp(2152, 0x32, 1, 0, 44), NotTCP},
		"GTP-U longer than its datagram":      {1, udp(2152, 0x30, 255, 1, 0), BadTunnel},
		"GTP-U extension header of no length": {1, udp(2152, 0x34, 255, 0, 44, 0, 0, 0, 1, 0, 0, 0, 9), BadTunnel},
		"L2TP control":                        {1, udp(1701, 0xc8, 2, 0, 20), NotTCP},
		"L2TPv3 control":                      {1, ip(115), NotTCP},
		"L2TPv3 with what nothing fits":       {1, ip(115, 1), NotTCP},
		"GUE control":                         {1, udp(6080, 0x20, 4), NotTCP},
		"an intercept's port with DNS":        {1, udp(30030, 1, 2, 1), NotTCP},
		"MACsec, encrypted":                   {1, eth(decodetest.Wrap(0x88e5, with(0x0c))), NotIP},
		"NSH shorter than itself":             {1, eth(decodetest.Wrap(0x894f, with(0, 1, 1, 1))), BadTunnel},
		"TZSP without an end":                 {1, udp(37008, 1, 0, 0, 1, 10, 45), TruncatedTunnel},
		"802.11, encrypted":                   {105, with(8, 0x41), NotIP},
		"802.11, several frames in one":       {105, append(with(0x88, 1)[:24], 0x80, 0, 0xaa, 0xaa, 3), NotIP},
		"802.11 beacon":                       {105, with(0x80), NotIP},
		"radiotap with endless masks":         {127, []byte{0, 0, 12, 0, 0, 0, 0, 0x80, 0, 0, 0, 0x80}, BadLink},
		"PKTAP in PKTAP":                      {258, decodetest.PKTAP(258, decodetest.PKTAP(1, frame)), BadLink},
		"NFLOG with a field of no length":     {239, []byte{2, 0, 0, 0, 0, 0, 9, 0}, BadLink},
		"ERF of another type":                 {197, decodetest.ERF(3, 0, nothing), NotIP},
		"Frame Relay with an odd address":     {107, with(0x19, 0x40), BadLink},
	} {
		t.Run(name, func(t *testing.T) {
			if v, _ := decodeOnce(c.link, c.data, len(c.data)); v != c.want {
				t.Errorf("%v, want %v", v, c.want)
			}
		})
	}
}
