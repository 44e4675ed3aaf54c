// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"tap25/reassembly/decode/decodetest"
)

func randomWrap(t testing.TB, r *rand.Rand, etherType int, p []byte) (int, []byte) {
	switch r.IntN(10) {
	case 0:
		return []int{0x8100, 0x88a8, 0x9100, 0x9200, 0x8200}[r.IntN(5)], joined([]byte{0, 7}, be16(etherType), p)
	case 1:
		if etherType != 0x0800 && etherType != 0x86dd {
			return etherType, p
		}
		return 0x8847, joined([]byte{0, 1, 0, 9, 0, 2, 1, 9}, p)
	case 2:
		code := map[int]int{0x0800: 0x21, 0x86dd: 0x57}[etherType]
		if code == 0 {
			return etherType, p
		}
		return 0x8864, joined([]byte{0x11, 0, 0, 1}, be16(2+len(p)), be16(code), p)
	case 3:
		flags := []int{0, 0x2000, 0x3000, 0xb000}[r.IntN(4)]
		options := 4 * (flags>>15 + flags>>13&1 + flags>>12&1)
		return randomIP(t, r, 47, joined(be16(flags), be16(etherType), make([]byte, options), p))
	case 4:
		return randomIP(t, r, 47, joined(be16(0x1000), be16(0x88be), make([]byte, 4), []byte{0x10, 0, 0, 0, 0, 0, 0, 0},
			ethernet(etherType, p)))
	case 5:
		return randomIP(t, r, 47, joined(be16(0x1000), be16(0x22eb), make([]byte, 4),
			[]byte{0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, ethernet(etherType, p)))
	case 6, 7:
		return randomTag(t, r, decodetest.Wrap(uint16(etherType), p))
	case 8:
		return randomTunnel(t, r, decodetest.Wrap(uint16(etherType), p))
	case 9:
		return randomIP(t, r, 17, udp(4789, joined([]byte{8, 0, 0, 0, 0, 0, 7, 0}, ethernet(etherType, p))))
	}
	return randomIP(t, r, 17, udp(6081, joined([]byte{1, 0}, be16(0x6558), make([]byte, 8), ethernet(etherType, p))))
}

// randomTag puts a tag that only some networks have before a packet.
func randomTag(t testing.TB, r *rand.Rand, w decodetest.Wrapped) (int, []byte) {
	switch r.IntN(9) {
	case 0:
		w = w.VNTag()
	case 1:
		w = w.ETag()
	case 2:
		w = w.CiscoMetadata()
	case 3:
		w = w.MACsec(r.IntN(2) == 0)
	case 4:
		w = w.AristaTime(r.IntN(2) == 0)
	case 5:
		w = w.PBB(t, r.IntN(1<<24))
	case 6:
		w = w.TRILL(t, r.IntN(32))
	case 7:
		w = w.Bridged(t).NSH()
	case 8: // a pseudowire, whose destination address begins with anything
		f := w.Bridged(t)
		f.Data[0] = byte(r.Uint32())
		if r.IntN(2) == 0 {
			f.Data = append(binary.BigEndian.AppendUint32(nil, uint32(r.IntN(2)*r.IntN(1<<16))), f.Data...)
		}
		w = f.MPLS(t, uint32(r.IntN(1<<20)))
	}
	return int(w.EtherType), w.Data
}

// randomTunnel puts a packet, or the frame of what is no packet, into a tunnel.
func randomTunnel(t testing.TB, r *rand.Rand, w decodetest.Wrapped) (int, []byte) {
	six, isIP := r.IntN(2) == 0, w.EtherType == 0x0800 || w.EtherType == 0x86dd
	bridged := w
	if w.EtherType != 0x6558 {
		bridged = w.Bridged(t)
	}
	if !isIP && r.IntN(2) == 0 {
		return randomBridge(t, r, bridged, six)
	}
	if !isIP {
		return int(w.EtherType), w.Data
	}
	var o decodetest.Wrapped
	switch r.IntN(8) {
	case 0:
		o = w.GTP(t, six, r.Int())
	case 1:
		o = w.GTP(t, six, 7, []byte{0x85, 1, 2}, []byte{0x40, 1, 2, 3, 4, 5, 6}[:3+4*r.IntN(2)])
	case 2:
		o = w.L2TP(t, six, r.IntN(1<<16)&0x4a00, r.Int())
	case 3:
		o = w.PPTP(t, r.IntN(1<<16), r.IntN(2) == 0)
	case 4:
		o = w.GUE(t, six, r.IntN(32))
	case 5:
		o = decodetest.Datagram(t, six, 50000, 6635, w.MPLS(t, 100, 200).Data)
	case 6:
		o = decodetest.Datagram(t, six, 50000, 30030, append([]byte{0, 0, 0, 7, 0, 0, 0, 9}, w.Data...))
	case 7:
		if w.EtherType != 0x86dd {
			return randomBridge(t, r, bridged, six)
		}
		o = w.Teredo(t, r.IntN(2) == 0, r.IntN(2) == 0)
	}
	return rewrapped(t, r, o)
}

// randomBridge puts a frame into a tunnel.
func randomBridge(t testing.TB, r *rand.Rand, frame decodetest.Wrapped, six bool) (int, []byte) {
	var o decodetest.Wrapped
	inner := decodetest.Wrap(binary.BigEndian.Uint16(frame.Data[12:]), frame.Data[14:])
	switch r.IntN(6) {
	case 0:
		o = inner.L2TPv3(t, six, r.IntN(2) == 0, 7, 4*r.IntN(3), r.IntN(2) == 0)
	case 1:
		o = inner.TZSP(t, six)
	case 2:
		o = decodetest.Over(t, six, 143, frame.Data)
	case 3:
		o = frame.GUE(t, six, r.IntN(4))
	case 4:
		o = decodetest.Datagram(t, six, 50000, 4790, append([]byte{0x0c, 0, 0, 4, 0, 0, 7, 0}, frame.NSH().Data...))
	case 5:
		o = frame.GTP(t, six, 9)
	}
	return rewrapped(t, r, o)
}

// rewrapped gives what is in a packet an IP header by chance, with fragments and extension headers.
func rewrapped(t testing.TB, r *rand.Rand, o decodetest.Wrapped) (int, []byte) {
	if o.EtherType == 0x0800 {
		return randomIP(t, r, int(o.Data[9]), o.Data[20:])
	}
	return randomIP(t, r, int(o.Data[6]), o.Data[40:])
}

// tunnels are the tunnels and tags that only some networks have. What user space must look further for is undecided.
func tunnels(t testing.TB, w decodetest.Wrapped, name string) []namedFrame {
	var list []namedFrame
	add := func(kind string, w decodetest.Wrapped, v Verdict) {
		list = append(list, namedFrame{kind + name, w.Ethernet(t), v})
	}
	pseudowire := func(head ...byte) decodetest.Wrapped {
		f := w.Bridged(t)
		f.Data = append(head, f.Data...)
		return f.MPLS(t, 100)
	}
	udp := func(port uint16, head ...byte) decodetest.Wrapped {
		return decodetest.Datagram(t, true, 50000, port, append(head, w.Data...))
	}
	add("VN-tag", w.VNTag(), Segment)
	add("E-tag", w.ETag(), Segment)
	add("Cisco metadata", w.CiscoMetadata(), Segment)
	add("MACsec", w.MACsec(false), Segment)
	add("MACsec with a channel", w.MACsec(true), Segment)
	add("MACsec, encrypted", decodetest.Wrap(0x88e5, append([]byte{0x0c}, w.Data...)), NotIP)
	add("Arista's time of 64 bits", w.AristaTime(false), Segment)
	add("Arista's time of 48 bits", w.AristaTime(true), Segment)
	add("802.1ah", w.PBB(t, 5), Segment)
	add("TRILL", w.TRILL(t, 0), Segment)
	add("TRILL with options", w.TRILL(t, 31), Segment)
	add("NSH", w.NSH(), Segment)
	add("NSH with Ethernet", w.Bridged(t).NSH(), Segment)
	add("0x8200", w.VLAN(t, 0x8200, 3), Segment)
	add("pseudowire without control word", pseudowire(), Segment)
	add("pseudowire with control word", pseudowire(0, 0, 0, 0), Segment)
	four := w.Bridged(t)
	four.Data[0] = 0x45
	add("pseudowire to an address that begins with 4", four.MPLS(t, 100), Undecided)
	add("pseudowire of a tagged frame", w.VLAN(t, 0x8100, 3).Bridged(t).MPLS(t, 100), Undecided)
	add("GTP-U", w.GTP(t, false, 5), Segment)
	add("GTP-U with extension headers", w.GTP(t, true, 5, []byte{0x85, 1, 2}, []byte{0x40, 1, 2, 3, 4, 5, 6}), Segment)
	add("GTP-U with Ethernet", w.Bridged(t).GTP(t, false, 5), Segment)
	add("L2TP", w.L2TP(t, false, 0, 5), Segment)
	add("L2TP with all fields", w.L2TP(t, true, 0x4a00, 5), Segment)
	add("L2TPv3", w.L2TPv3(t, false, true, 5, 4, false), Undecided)
	add("L2TPv3 in IP", w.L2TPv3(t, true, false, 5, 8, true), Undecided)
	add("PPTP", w.PPTP(t, 5, true), Segment)
	add("PPTP without acknowledgment", w.PPTP(t, 5, false), Segment)
	add("SRv6 with Ethernet", decodetest.Over(t, true, 143, w.Ethernet(t)), Segment)
	add("MPLS in UDP", decodetest.Datagram(t, false, 50000, 6635, w.MPLS(t, 100, 200).Data), Segment)
	add("GUE", w.GUE(t, false, 3), Segment)
	add("GUE of version 1", udp(6080), Segment)
	gpe := append([]byte{0x0c, 0, 0, 4, 0, 0, 7, 0}, w.NSH().Data...)
	add("VXLAN-GPE with NSH", decodetest.Datagram(t, false, 50000, 4790, gpe), Segment)
	add("TZSP", w.TZSP(t, false), Undecided)
	add("intercept", udp(30030, 0, 0, 0, 7, 0, 0, 0, 9), Undecided)
	add("Teredo", w.Teredo(t, true, true), Undecided)
	return list
}
