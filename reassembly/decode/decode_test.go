package decode

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"tap25/reassembly/decode/decodetest"
)

func decodeOnce(link uint16, data []byte, wireLen int) (Verdict, Packet) {
	var p Packet
	v := New(nil).Decode(decodetest.Epoch, link, data, wireLen, &p)
	return v, p
}

func TestDecode_EveryEncapsulationGivesTheSegment(t *testing.T) {
	payload := []byte("MAIL FROM:<a@a.example>\r\n")
	for _, e := range encapsulations(t, payload) {
		t.Run(e.name, func(t *testing.T) {
			v, p := decodeOnce(e.link, e.data, len(e.data))
			src, dst := netip.MustParseAddrPort(decodetest.Client), netip.MustParseAddrPort(decodetest.Server)
			if e.v6 {
				src, dst = netip.MustParseAddrPort(decodetest.Client6), netip.MustParseAddrPort(decodetest.Server6)
			}
			if v != TCPPort {
				t.Fatalf("verdict %v", v)
			}
			if p.Source() != src || p.Destination() != dst || p.Seq != 7 || p.Ack != 9 || p.Flags != ACK|PSH || p.Window != 512 ||
				p.TTL != 61 {
				t.Errorf("header fields %+v", p)
			}
			if !bytes.Equal(p.Payload, payload) || p.Missing != 0 || p.ChecksumBad || p.ChecksumOffload || p.Conflict {
				t.Errorf("payload %q missing %d bad %v", p.Payload, p.Missing, p.ChecksumBad)
			}
			if got := Filter(e.link, e.data, nil); got != FilterKeep {
				t.Errorf("port verdict %d", got)
			}
			if got := Filter(e.link, e.data, []uint16{80, 443}); got != FilterDrop {
				t.Errorf("port verdict for other ports %d", got)
			}
		})
	}
}

func TestDecode_EveryHeaderCutAtEveryByte(t *testing.T) {
	payload := []byte("DATA\r\n")
	for _, e := range encapsulations(t, payload) {
		t.Run(e.name, func(t *testing.T) {
			end := len(e.data) - e.tail
			start := end - len(payload)
			for n := range e.data {
				v, p := decodeOnce(e.link, e.data[:n:n], len(e.data))
				switch {
				case n >= start:
					if v != TCPPort || len(p.Payload) != min(n, end)-start || p.Missing != max(end-n, 0) ||
						p.ChecksumBad {
						t.Fatalf("%d octets captured: %v, %d octets, %d missing, bad %v", n, v, len(p.Payload),
							p.Missing, p.ChecksumBad)
					}
				case v == TCPPort: // options were cut, no payload there
					if len(p.Payload) != 0 || p.Missing != len(payload) {
						t.Fatalf("%d octets captured: payload %d missing %d", n, len(p.Payload), p.Missing)
					}
				case v.String()[:min(9, len(v.String()))] != "truncated" && v != NotIP && v != NotTCP:
					t.Fatalf("%d octets captured: %v", n, v)
				}
				// The same without a snaplen to blame: never a whole segment, for IP's length contradicts it.
				if v, _ := decodeOnce(e.link, e.data[:n:n], n); v == TCPPort && n < end {
					t.Fatalf("frame of %d octets taken for whole", n)
				}
			}
		})
	}
}

func TestDecode_PortSet(t *testing.T) {
	for _, c := range []struct {
		src, dst string
		ports    []uint16
		want     Verdict
	}{
		{"192.0.2.1:1024", "192.0.2.2:25", nil, TCPPort}, {"192.0.2.1:25", "192.0.2.2:1024", nil, TCPPort},
		{"192.0.2.1:80", "192.0.2.2:1024", nil, OtherPort},
		{"192.0.2.1:1024", "192.0.2.2:587", []uint16{25, 587}, TCPPort},
		{"192.0.2.1:1024", "192.0.2.2:25", []uint16{2525}, OtherPort},
		{"192.0.2.1:6400", "192.0.2.2:6400", nil, OtherPort},
		{"192.0.2.1:1024", "192.0.2.2:25", []uint16{}, OtherPort},
	} {
		var p Packet
		f := decodetest.Segment{Src: c.src, Dst: c.dst}.IP(t).Ethernet(t)
		if v := New(c.ports).Decode(decodetest.Epoch, 1, f, len(f), &p); v != c.want {
			t.Errorf("%s to %s with %v: %v, want %v", c.src, c.dst, c.ports, v, c.want)
		}
	}
}

func TestDecode_VerdictOfWhatIsNoSegment(t *testing.T) {
	v4 := decodetest.Segment{Payload: []byte("x")}.IP(t)
	v6 := decodetest.Segment{Src: decodetest.Client6, Dst: decodetest.Server6}.IP(t)
	edit := func(w decodetest.Wrapped, at int, b ...byte) decodetest.Wrapped {
		d := append([]byte(nil), w.Data...)
		copy(d[at:], b)
		return decodetest.Wrap(w.EtherType, d)
	}
	for name, c := range map[string]struct {
		link uint16
		data []byte
		want Verdict
	}{
		"unknown link type":             {147, v4.Ethernet(t), UnknownLink},
		"nothing":                       {1, nil, TruncatedLink},
		"ARP":                           {1, decodetest.Wrap(0x0806, make([]byte, 28)).Ethernet(t), NotIP},
		"802.3 without SNAP":            {1, decodetest.Wrap(4, []byte{0x42, 0x42, 3, 0}).Ethernet(t), NotIP},
		"802.3 longer than the frame":   {1, decodetest.Wrap(1400, []byte{0xaa, 0xaa, 3}).Ethernet(t), BadLink},
		"UDP":                           {1, decodetest.UDP(t, false, 53, make([]byte, 20)).Ethernet(t), NotTCP},
		"VXLAN port without identifier": {1, decodetest.UDP(t, false, 4789, make([]byte, 80)).Ethernet(t), NotTCP},
		"Geneve of another version": {1, decodetest.UDP(t, false, 6081,
			append([]byte{0x40}, make([]byte, 80)...)).Ethernet(t), BadTunnel},
		"ESP":                           {1, decodetest.Over(t, true, 50, make([]byte, 80)).Ethernet(t), NotTCP},
		"no next header":                {1, decodetest.Over(t, true, 59, nil).Ethernet(t), NotTCP},
		"hop-by-hop in IPv4":            {1, decodetest.Over(t, false, 0, make([]byte, 40)).Ethernet(t), NotTCP},
		"PPPoE discovery":               {1, decodetest.Wrap(0x8863, make([]byte, 40)).Ethernet(t), NotIP},
		"PPPoE of another version":      {1, edit(v4.PPPoE(t), 0, 0x21).Ethernet(t), BadPPP},
		"PPPoE longer than the frame":   {1, edit(v4.PPPoE(t), 4, 9, 9).Ethernet(t), BadPPP},
		"version 5":                     {1, edit(v4, 0, 0x55).Ethernet(t), BadIPv4},
		"header of 16 octets":           {1, edit(v4, 0, 0x44).Ethernet(t), BadIPv4},
		"total length below the header": {1, edit(v4, 2, 0, 19).Ethernet(t), BadIPv4},
		"total length above the frame":  {1, edit(v4, 2, 1, 0).Ethernet(t), BadIPv4},
		"payload length above":          {1, edit(v6, 4, 1, 0).Ethernet(t), BadIPv6},
		"IPv6 of version 4":             {1, edit(v6, 0, 0x40).Ethernet(t), BadIPv6},
		"extension header too long": {1, insertHeader(v6, 60, []byte{0, 200, 0, 0, 0, 0, 0, 0}).Ethernet(t),
			BadIPv6},
		"data offset of 16":             {1, edit(v4, 32, 0x40).Ethernet(t), BadTCP},
		"data offset beyond the packet": {1, edit(v4, 32, 0xf0).Ethernet(t), BadTCP},
		"MPLS associated channel": {1, decodetest.Wrap(0x0800, []byte{0x10, 0, 0, 7, 1, 2, 3}).MPLS(t, 13,
			1).Ethernet(t), NotIP},
		"raw IP of version 7":        {101, []byte{0x70, 0, 0}, NotIP},
		"loopback of another family": {0, []byte{7, 0, 0, 0, 0x45}, NotIP},
	} {
		t.Run(name, func(t *testing.T) {
			if v, _ := decodeOnce(c.link, c.data, len(c.data)); v != c.want {
				t.Errorf("%v, want %v", v, c.want)
			}
		})
	}
}

func TestDecode_DepthIsBounded(t *testing.T) {
	w := decodetest.Segment{}.IP(t)
	for n := 3; n <= 2*maxHeaders; n++ { // Ethernet, IP and TCP make three
		want := TCPPort
		if n > maxHeaders {
			want = TooDeep
		}
		if v, _ := decodeOnce(1, w.Ethernet(t), 1<<16); v != want {
			t.Fatalf("%d headers: %v, want %v", n, v, want)
		}
		w = w.VLAN(t, 0x8100, 1)
	}
}

func TestDecode_EthernetPaddingIsNoPayload(t *testing.T) {
	for _, w := range []decodetest.Wrapped{decodetest.Segment{Payload: []byte("ab")}.IP(t),
		decodetest.Segment{Src: decodetest.Client6, Dst: decodetest.Server6, Payload: []byte("ab")}.IP(t)} {
		f := append(w.Ethernet(t), "padding and trailer"...)
		if v, p := decodeOnce(1, f, len(f)); v != TCPPort || string(p.Payload) != "ab" || p.Missing != 0 ||
			p.ChecksumBad {
			t.Errorf("%v payload %q missing %d bad %v", v, p.Payload, p.Missing, p.ChecksumBad)
		}
	}
}

func TestDecode_LengthZeroMeansTheRestOfTheFrame(t *testing.T) {
	payload := bytes.Repeat([]byte("large send "), 7000) // 77,000 octets: more than the fields can say
	w := decodetest.Segment{Payload: payload[:1000]}.IP(t)
	binary.BigEndian.PutUint16(w.Data[2:], 0)
	w.Data = append(w.Data, payload[1000:]...)
	if v, p := decodeOnce(1, w.Ethernet(t), len(w.Data)+14); v != TCPPort || !bytes.Equal(p.Payload, payload) {
		t.Errorf("IPv4: %v, %d octets", v, len(p.Payload))
	}
	w = decodetest.Segment{Src: decodetest.Client6, Dst: decodetest.Server6, Payload: payload[:1000]}.IP(t)
	binary.BigEndian.PutUint16(w.Data[4:], 0)
	w.Data = append(w.Data, payload[1000:]...)
	if v, p := decodeOnce(1, w.Ethernet(t), len(w.Data)+14); v != TCPPort || !bytes.Equal(p.Payload, payload) {
		t.Errorf("IPv6: %v, %d octets", v, len(p.Payload))
	}
}

func TestDecode_ERSPANTruncatedBySwitchCountsAsMissing(t *testing.T) {
	inner := decodetest.Segment{Payload: make([]byte, 500)}.IP(t).Ethernet(t)
	w := decodetest.Wrap(0x88be, append([]byte{0x10, 1, 0x04, 5, 0, 0, 0, 1}, inner[:200]...)).GRE(t,
		layers.GRE{SeqPresent: true})
	f := w.Ethernet(t)
	if v, p := decodeOnce(1, f, len(f)); v != TCPPort || p.Missing != len(inner)-200 || p.ChecksumBad {
		t.Errorf("%v, missing %d", v, p.Missing)
	}
}

// TestDecode_SourceRoutesGiveTheFinalDestination: RFC 9293 section 3.1 and RFC
// 8200 section 8.1 have the checksum cover it, so a wrong choice shows.
func TestDecode_SourceRoutesGiveTheFinalDestination(t *testing.T) {
	v4 := decodetest.Segment{Dst: "198.51.100.25:25", Payload: []byte("x")}.IP(t)
	option := []byte{1, 131, 11, 4, 203, 0, 113, 9, 198, 51, 100, 25}
	p := append(append(append([]byte(nil), v4.Data[:20]...), option...), v4.Data[20:]...)
	p[0] = 0x48
	copy(p[16:], []byte{203, 0, 113, 1}) // the next hop
	binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
	decodetest.FixIPv4Sum(p)
	if v, got := decodeOnce(101, p, len(p)); v != TCPPort || got.Destination().String() != decodetest.Server || got.ChecksumBad {
		t.Errorf("IPv4: %v, checksum bad %v", v, got.ChecksumBad)
	}
	final := netip.MustParseAddrPort(decodetest.Server6).Addr().As16()
	for kind, head := range map[string][]byte{
		"source route":    append(append([]byte{0, 4, 0, 1, 0, 0, 0, 0}, make([]byte, 16)...), final[:]...),
		"segment routing": append(append([]byte{0, 4, 4, 1, 1, 0, 0, 0}, final[:]...), make([]byte, 16)...),
	} {
		w := insertHeader(decodetest.Segment{Src: decodetest.Client6, Dst: decodetest.Server6,
			Payload: []byte("x")}.IP(t), 43, head)
		w.Data[24+15]++ // the next hop
		if v, got := decodeOnce(101, w.Data, len(w.Data)); v != TCPPort || got.Destination().String() != decodetest.Server6 ||
			got.ChecksumBad {
			t.Errorf("%s: %v, checksum bad %v", kind, v, got.ChecksumBad)
		}
	}
}

func TestDecode_CountsEachFrameOnce(t *testing.T) {
	d := New(nil)
	var p Packet
	n := 0
	for _, e := range encapsulations(t, []byte("x")) {
		for cut := range e.data {
			d.Decode(decodetest.Epoch, e.link, e.data[:cut], cut, &p)
			n++
		}
	}
	counts, _ := d.Stats()
	if counts.Total() != int64(n) {
		t.Errorf("%d counted, %d decoded", counts.Total(), n)
	}
	names := map[string]bool{}
	for name := range counts.All() {
		names[name] = true
	}
	if len(names) != int(verdictCount) || names["unknown"] || names[""] {
		t.Errorf("names are missing or not unique: %v", names)
	}
}

func TestDecode_AgreesWithGopacketOnPlainFrames(t *testing.T) {
	for size := range 300 {
		for _, dst := range []string{decodetest.Server, decodetest.Server6} {
			s := decodetest.Segment{Dst: dst, Seq: uint32(size) << 20, Ack: 77, Flags: uint8(size % 64),
				Window: uint16(size), Payload: bytes.Repeat([]byte{byte(size)}, size)}
			if dst == decodetest.Server6 {
				s.Src = decodetest.Client6
			}
			f := s.IP(t).VLAN(t, 0x8100, 3).Ethernet(t)
			v, p := decodeOnce(1, f, len(f))
			oracle := gopacket.NewPacket(f, layers.LayerTypeEthernet, gopacket.Default)
			tcp := oracle.Layer(layers.LayerTypeTCP).(*layers.TCP)
			if v != TCPPort || p.Seq != tcp.Seq || p.Ack != tcp.Ack || p.Window != tcp.Window ||
				!bytes.Equal(p.Payload, tcp.Payload) ||
				p.Flags != tcp.Contents[13]&63 || p.SrcPort != uint16(tcp.SrcPort) ||
				p.DstPort != uint16(tcp.DstPort) {
				t.Fatalf("size %d: %v %+v", size, v, p)
			}
			if src, _ := netip.AddrFromSlice(oracle.NetworkLayer().NetworkFlow().Src().Raw()); src != p.Source().Addr() {
				t.Fatalf("size %d: source address differs", size)
			}
		}
	}
}

func TestDecode_HotPathDoesNotAllocate(t *testing.T) {
	for _, e := range encapsulations(t, make([]byte, 100)) {
		d := New(nil)
		var p Packet
		if n := testing.AllocsPerRun(100, func() {
			d.Decode(decodetest.Epoch, e.link, e.data, len(e.data), &p)
		}); n != 0 {
			t.Errorf("%s: %v allocations a frame", e.name, n)
		}
		if n := testing.AllocsPerRun(100, func() { Filter(e.link, e.data, d.ports) }); n != 0 {
			t.Errorf("%s: %v allocations a port verdict", e.name, n)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, size := range []int{0, 1460} {
		plain := decodetest.Segment{Payload: make([]byte, size)}.IP(b)
		other := decodetest.Segment{Dst: "192.0.2.1:443", Payload: make([]byte, size)}.IP(b)
		for _, c := range []struct {
			name string
			data []byte
		}{{"ethernet", plain.Ethernet(b)}, {"vlan", plain.VLAN(b, 0x8100, 1).Ethernet(b)},
			{"vxlan", plain.VXLAN(b, 4789).Ethernet(b)}, {"other port", other.Ethernet(b)}} {
			b.Run(fmt.Sprintf("%s/%d", c.name, len(c.data)), func(b *testing.B) {
				d := New(nil)
				var p Packet
				b.SetBytes(int64(len(c.data)))
				b.ReportAllocs()
				for b.Loop() {
					d.Decode(decodetest.Epoch, 1, c.data, len(c.data), &p)
				}
			})
		}
	}
}
