// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"bytes"
	"net/netip"
	"testing"

	"tap25/reassembly/decode/decodetest"
)

// TestFilter_FragmentsOfTwoNetworksAreDecidedApart: two tenants' tunnels have equal addresses and identifications, and
// only one of them carries mail.
func TestFilter_FragmentsOfTwoNetworksAreDecidedApart(t *testing.T) {
	f := load(t, Config{RingBytes: 1 << 20})
	tunnel := func(port int) []byte {
		inner := ip(t, testSrc, testDst, 6, tcp(40001, port, "x"))
		return ip(t, "10.0.0.1", "10.0.0.2", 47, joined(be16(0), be16(0x0800), inner))
	}
	mail, web := tunnel(25), tunnel(443)
	for name, in := range map[string]func(network int, packet []byte) []byte{
		"VLAN": func(n int, p []byte) []byte { return ethernet(0x8100, joined(be16(n), be16(0x0800), p)) },
		"MPLS": func(n int, p []byte) []byte { return ethernet(0x8847, joined(be16(n), []byte{1, 9}, p)) },
		"VXLAN": func(n int, p []byte) []byte {
			header := joined([]byte{8, 0, 0, 0}, be16(n), []byte{0, 0})
			return decodetest.Datagram(t, false, 50000, 4789, joined(header, ethernet(0x0800, p))).Ethernet(t)
		},
	} {
		for i, c := range []struct {
			frame []byte
			want  Verdict
		}{
			{in(10, fragmented(web, true, 0)), OtherPort}, {in(20, fragmented(mail, true, 0)), Fragment},
			{in(10, fragmented(web, false, 800)), OtherPort}, {in(20, fragmented(mail, false, 800)), Fragment},
		} {
			if got := verdict(t, f, c.frame); got != c.want {
				t.Errorf("%s, frame %d: %s, want %s", name, i, got, c.want)
			}
		}
	}
}

// TestFilter_BothDirectionsOfAPseudowireMeet: the destination address of one direction begins like IP, or its frames
// have a tag, so that one direction is undecided and the other is not.
func TestFilter_BothDirectionsOfAPseudowireMeet(t *testing.T) {
	const workers = 7
	f := load(t, Config{Workers: workers, RingBytes: 1 << 20})
	for i := range 100 {
		a := netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}).String()
		b := netip.AddrFrom4([4]byte{198, 51, 100, byte(i * 7)}).String()
		there := decodetest.Wrap(0x0800, ip(t, a, b, 6, tcp(40001, 25, "NOOP\r\n")))
		back := decodetest.Wrap(0x0800, ip(t, b, a, 6, tcp(25, 40001, "250 OK\r\n")))
		want := 0
		for _, first := range [][]byte{
			{0x02, 0, 0, 0, 0, 2}, {0x45, 0x12, 0x9e, 0x30, 0x41, 2}, {0x60, 0, 0, 0, 0, 2}, {0, 0x1b, 0x21, 9, 9, 9},
		} {
			for _, w := range []decodetest.Wrapped{there, back, there.VLAN(t, 0x8100, 7)} {
				inner := w.Bridged(t)
				copy(inner.Data, first)
				run(t, f, inner.MPLS(t, 100).Ethernet(t))
				want++
			}
		}
		for w := range workers {
			var got Frame
			n := 0
			for f.Ring(w).Next(&got) {
				n++
			}
			if n != 0 && n != want {
				t.Errorf("worker %d has %d of %d frames", w, n, want)
			}
		}
	}
}

// A long frame is in several buffers, the first of some 3,500 octets. The program reads headers in the first one by itself,
// and calls the kernel for those beyond it, or beyond its bound of 4,096.
func TestFilter_HeadersBeyondTheFirstBuffer(t *testing.T) {
	f := load(t, Config{})
	next := func(n, protocol int) []byte { // a destination options header of n words
		return append([]byte{byte(protocol), byte(n - 1)}, make([]byte, n*8-2)...)
	}
	for words := 300; words < 560; words++ {
		first, second := min(words-129, 256), 128
		third := max(1, words-first-second)
		packet := joined(next(first, 60), next(second, 60), next(third, 6), tcp(40001, 25, "RSET\r\n"))
		frame := ethernet(0x86dd, ip(t, testSrc6, testDst6, 60, packet))
		other := ethernet(0x86dd, ip(t, testSrc6, testDst6, 60, bytes.Replace(packet, be16(25), be16(26), 1)))
		for _, c := range []struct {
			frame []byte
			want  Verdict
		}{{frame, Segment}, {other, OtherPort}, {frame[:len(frame)-25], Truncated}} {
			if got := verdict(t, f, c.frame); got != c.want {
				t.Fatalf("%d octets: %s, want %s", len(c.frame), got, c.want)
			}
		}
	}
}
