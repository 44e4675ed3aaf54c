// SPDX-License-Identifier: Apache-2.0

package bpf

import (
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
