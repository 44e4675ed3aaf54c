// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"tap25/reassembly/decode"
	"tap25/reassembly/decode/decodetest"
)

// TestUnread_TheProgramCountsWhatTheDecoderWould runs frames of every EtherType, IP protocol and UDP port that either
// may treat on its own. Of those that the program drops, both count the same ones.
func TestUnread_TheProgramCountsWhatTheDecoderWould(t *testing.T) {
	f := load(t, Config{RingBytes: 4096})
	body := make([]byte, 100)
	var all [][]byte
	for n := range 1 << 16 {
		if n == 0x88be || n == 0x22eb { // ERSPAN: the decoder reads it in GRE alone
			continue
		}
		if n%251 == 0 || n>>8 >= 0x88 && n>>8 <= 0x89 || n == 0x0806 || n == 0x8035 || n == 0x9000 {
			all = append(all, ethernet(n, body), ethernet(0x8100, joined(be16(5), be16(n), body)))
		}
		if n%251 == 0 || n < 6500 || n == 8472 || n == 30030 || n == 37008 {
			all = append(all, ethernet(0x0800, ip(t, testSrc, testDst, 17,
				joined(be16(n), be16(40000), make([]byte, 100)))),
				ethernet(0x8847, joined([]byte{0, 1, 1, 9},
					ip(t, testSrc6, testDst6, 17, joined(be16(60000), be16(n), body)))))
		}
	}
	for n := range 256 {
		switch n {
		case 0, 43, 44, 51, 60, 135, 139, 140: // extension headers: the decoder reads most in IPv6 alone
			continue
		}
		for _, proto := range []byte{0, byte(n)} {
			packet := ip(t, testSrc, testDst, 0, body)
			packet[9] = byte(n)
			decodetest.FixIPv4Sum(packet)
			if proto == 0 {
				packet = ip(t, testSrc6, testDst6, 59, body)
				packet[6] = byte(n)
			}
			all = append(all, ethernet(map[bool]int{true: 0x86dd, false: 0x0800}[proto == 0], packet))
		}
	}
	dropped := 0
	want, got := map[string]int64{}, map[string]int64{}
	for _, frame := range all {
		before := stats(t, f)
		run(t, f, frame)
		if raised(t, before, stats(t, f)).Kept() {
			continue
		}
		dropped++
		var p decode.Packet
		d := decode.New(nil)
		d.Decode(decodetest.Epoch, linkEthernet, frame, len(frame), &p)
		counts := d.Unread()
		for _, c := range counts.Top() {
			want[c.What.String()] += c.Frames
		}
	}
	list, err := f.Unread()
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range list {
		got[u.String()] += int64(u.Frames)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the decoder and the program: %s", diff)
	}
	if dropped < 10_000 || len(got) < 5000 || len(got) > dropped/2 {
		t.Errorf("%d frames dropped, %d kinds counted", dropped, len(got))
	}
}
