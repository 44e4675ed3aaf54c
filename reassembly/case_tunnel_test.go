package reassembly

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/google/gopacket/layers"

	"tap25/reassembly/decode/decodetest"
)

type packet = decodetest.Wrapped

// tunnelCases are sessions of one mail in each encapsulation.
func tunnelCases() []scenario {
	var all []scenario
	type wrapping = func(testing.TB, packet) packet
	for name, wrap := range map[string]wrapping{
		"tunnel-vlan-mpls-gre-vlan": func(t testing.TB, w packet) packet {
			return w.VLAN(t, 0x8100, 5).Bridged(t).GRE(t, layers.GRE{KeyPresent: true}).MPLS(t, 9).VLAN(t, 0x88a8, 7)
		},
		"tunnel-vxlan-in-erspan": func(t testing.TB, w packet) packet {
			v := w.VLAN(t, 0x8100, 3).VXLAN(t, 4789)
			erspan := append([]byte{0x10, 1, 0, 5, 0, 0, 0, 1}, v.Ethernet(t)...)
			return decodetest.Wrap(0x88be, erspan).GRE(t, layers.GRE{SeqPresent: true})
		},
		"tunnel-geneve-pppoe": func(t testing.TB, w packet) packet {
			return w.PPPoE(t).Bridged(t).Geneve(t, 3)
		},
		"tunnel-gtpu": func(t testing.TB, w packet) packet { return w.GTP(t, false, 0x1234) },
		"tunnel-gtpu-extension-headers": func(t testing.TB, w packet) packet {
			return w.GTP(t, true, 0x1234, []byte{0x85, 1, 9}, []byte{0x40, 1, 2, 3, 4, 5, 6})
		},
		"tunnel-l2tpv2": func(t testing.TB, w packet) packet { return w.L2TP(t, false, 0x4a00, 0x20005) },
		"tunnel-l2tpv3-cookie": func(t testing.TB, w packet) packet {
			return w.VLAN(t, 0x8100, 7).L2TPv3(t, false, false, 5, 8, true)
		},
		"tunnel-l2tpv3-udp": func(t testing.TB, w packet) packet {
			return w.L2TPv3(t, true, true, 5, 4, false)
		},
		"tunnel-pptp": func(t testing.TB, w packet) packet { return w.PPTP(t, 5, true) },
		"tunnel-srv6-ethernet": func(t testing.TB, w packet) packet {
			return decodetest.Over(t, true, 143, w.Ethernet(t))
		},
		"tunnel-mpls-in-udp": func(t testing.TB, w packet) packet {
			return decodetest.Datagram(t, false, 50000, 6635, w.MPLS(t, 100, 200).Data)
		},
		"tunnel-gue":  func(t testing.TB, w packet) packet { return w.GUE(t, true, 2) },
		"tunnel-tzsp": func(t testing.TB, w packet) packet { return w.TZSP(t, false) },
		"tunnel-intercept-juniper": func(t testing.TB, w packet) packet {
			return decodetest.Datagram(t, false, 50000, 30030, append([]byte{0, 0, 0, 7, 0, 0, 0, 99}, w.Data...))
		},
		"tunnel-intercept-nokia": func(t testing.TB, w packet) packet {
			shim := []byte{0x60, 0, 0, 7, 0, 0, 0, 99}
			return decodetest.Datagram(t, true, 50000, 30030, append(shim, w.VLAN(t, 0x8100, 7).Ethernet(t)...))
		},
		"tunnel-vxlan-gpe-nsh": func(t testing.TB, w packet) packet {
			gpe := []byte{0x0c, 0, 0, 4, 0, 0, 7, 0}
			return decodetest.Datagram(t, false, 50000, 4790, append(gpe, w.Bridged(t).NSH().Data...))
		},
		"tunnel-tag-nsh":    func(_ testing.TB, w packet) packet { return w.NSH() },
		"tunnel-tag-vn-tag": func(t testing.TB, w packet) packet { return w.VLAN(t, 0x8100, 7).VNTag() },
		"tunnel-tag-e-tag":  func(_ testing.TB, w packet) packet { return w.ETag() },
		"tunnel-tag-8200": func(t testing.TB, w packet) packet {
			return w.VLAN(t, 0x8100, 7).VLAN(t, 0x8200, 8)
		},
		"tunnel-tag-9100": func(t testing.TB, w packet) packet {
			return w.VLAN(t, 0x8100, 7).VLAN(t, 0x9100, 8)
		},
		"tunnel-tag-9200": func(t testing.TB, w packet) packet {
			return w.VLAN(t, 0x8100, 7).VLAN(t, 0x9200, 8)
		},
		"tunnel-tag-cisco-metadata": func(t testing.TB, w packet) packet {
			return w.CiscoMetadata().VLAN(t, 0x8100, 7)
		},
		"tunnel-tag-802-1ah":        func(t testing.TB, w packet) packet { return w.PBB(t, 5001).VLAN(t, 0x88a8, 5) },
		"tunnel-tag-macsec":         func(_ testing.TB, w packet) packet { return w.MACsec(true) },
		"tunnel-tag-trill":          func(t testing.TB, w packet) packet { return w.VLAN(t, 0x8100, 7).TRILL(t, 1) },
		"tunnel-tag-arista-time-48": func(_ testing.TB, w packet) packet { return w.AristaTime(true) },
		"tunnel-tag-arista-time-64": func(_ testing.TB, w packet) packet { return w.AristaTime(false) },
	} {
		all = append(all, scenario{name: name, build: wrapped(as(wrap)), rows: []row{accepted(1, "")}})
	}
	slices.SortFunc(all, func(a, b scenario) int { return strings.Compare(a.name, b.name) })
	teredo := as(func(t testing.TB, w packet) packet { return w.Teredo(t, true, true) })
	fragments := func(t testing.TB, w packet) []packet {
		return w.GTP(t, false, 5).Fragments(t, 48)
	}
	all = append(all,
		scenario{name: "tunnel-teredo", only: "6", build: wrapped(teredo), rows: []row{accepted(1, "")}},
		scenario{name: "tunnel-gtpu-in-fragments", build: func(w *wire) {
			wrapped(fragments)(w)
			for i := range w.frames {
				f := &w.frames[i]
				cut := f.wrap
				f.wrap = func(t testing.TB, p packet) []packet { // each datagram has an identification
					pieces := cut(t, p)
					for _, piece := range pieces {
						binary.BigEndian.PutUint16(piece.Data[4:], uint16(i+1))
						decodetest.FixIPv4Sum(piece.Data)
					}
					return pieces
				}
			}
		}, rows: []row{accepted(1, "")}})
	for _, first := range []byte{0x02, 0x10, 0x45, 0x60} {
		all = append(all, pseudowireCase(first))
	}
	return append(all, linkCases()...)
}

// wrapped is a session of one mail whose packets are all wrapped.
func wrapped(wrap func(testing.TB, packet) []packet) func(*wire) {
	return func(w *wire) {
		w.oneMail()
		for i := range w.frames {
			w.frames[i].wrap, w.frames[i].s.ID = wrap, uint16(i+1)
		}
	}
}

// pseudowireCase is Ethernet over MPLS without a control word, to a destination address that begins like IPv4 (4), IPv6
// (6), a channel (1) or a control word (0).
func pseudowireCase(first byte) scenario {
	return scenario{name: "tunnel-pseudowire-to-" + string("0123456789"[first>>4]), rows: []row{accepted(1, "")},
		build: wrapped(as(func(t testing.TB, w packet) packet {
			f := w.VLAN(t, 0x8100, 44).Bridged(t)
			copy(f.Data, []byte{first, 0x12, 0x9e, 0x30, 0x41, 2})
			return f.MPLS(t, 500)
		}))}
}

// linkCases are sessions captured with other link types than Ethernet.
func linkCases() []scenario {
	kind := func(w packet) []byte { return binary.BigEndian.AppendUint16(nil, w.EtherType) }
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	var all []scenario
	add := func(name string, link uint16, frame func(testing.TB, packet) []byte) {
		s := scenario{name: "tunnel-link-" + name, build: (*wire).oneMail, rows: []row{accepted(1, "")}}
		s.link, s.frame = link, frame
		all = append(all, s)
	}
	add("wifi", 105, func(_ testing.TB, w packet) []byte { return w.WiFi(false, false) })
	add("radiotap", 127, func(_ testing.TB, w packet) []byte { return decodetest.Radiotap(w.WiFi(true, true), true) })
	add("cisco-hdlc", 104, func(_ testing.TB, w packet) []byte { return join([]byte{0x0f, 0}, kind(w), w.Data) })
	add("ppp-in-hdlc", 50, func(_ testing.TB, w packet) []byte { return w.PPP(true) })
	add("frame-relay", 107, func(_ testing.TB, w packet) []byte {
		return join([]byte{0x18, 0x41, 3, 0, 0x80, 0, 0, 0}, kind(w), w.Data)
	})
	add("erf", 197, func(t testing.TB, w packet) []byte {
		return decodetest.ERF(2, 1, w.VLAN(t, 0x8100, 7).Ethernet(t))
	})
	add("nflog", 239, func(_ testing.TB, w packet) []byte { return decodetest.NFLOG(binary.LittleEndian, w.Data) })
	add("pktap", 258, func(t testing.TB, w packet) []byte { return decodetest.PKTAP(1, w.Ethernet(t)) })
	add("mpls", 219, func(t testing.TB, w packet) []byte { return w.MPLS(t, 100, 200).Data })
	add("sll2-tag", 276, func(t testing.TB, w packet) []byte {
		tagged := w.VLAN(t, 0x8100, 7)
		return join(kind(tagged), []byte{0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0}, tagged.Data)
	})
	return all
}
