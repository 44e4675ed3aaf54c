package decode

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"tap25/reassembly/decode/decodetest"
)

func TestChecksum_AgreesWithTheNaiveSumAtEveryLength(t *testing.T) {
	const seed = 25
	r := rand.New(rand.NewPCG(seed, seed))
	for n := range 2000 {
		b := make([]byte, n)
		for i := range b {
			switch n % 3 {
			case 0:
				b[i] = byte(r.Uint32())
			case 1:
				b[i] = 0xff // every addition carries
			}
		}
		got := fold(onesSum(b, 0))
		if want := decodetest.Sum(b); binary.BigEndian.Uint16([]byte{byte(got), byte(got >> 8)}) != want {
			t.Fatalf("%d octets: %04x, want %04x with its octets swapped", n, got, want)
		}
	}
}

func TestChecksum_EveryFlippedBitIsSeen(t *testing.T) {
	for _, s := range []decodetest.Segment{{Payload: []byte("RCPT TO:<b@b.example>\r\n")},
		{Src: decodetest.Client6, Dst: decodetest.Server6, Payload: []byte("odd")}} {
		w := s.IP(t)
		size := 40
		if w.EtherType == 0x0800 {
			size = 20
		}
		for bit := size * 8; bit < len(w.Data)*8; bit++ {
			at := bit / 8
			if at < size+4 || at == size+12 { // ports and data offset decide on the verdict
				continue
			}
			f := append([]byte(nil), w.Data...)
			f[at] ^= 1 << (bit % 8)
			if v, p := decodeOnce(101, f, len(f)); v != TCPPort || !p.ChecksumBad || p.ChecksumOffload {
				t.Fatalf("bit %d: %v, bad %v, offload %v", bit, v, p.ChecksumBad, p.ChecksumOffload)
			}
		}
	}
}

func TestChecksum_OffloadIsToldFromDamage(t *testing.T) {
	base := decodetest.Segment{Payload: []byte("MAIL FROM:<>\r\n")}.IP(t).Data
	pseudo := func(p []byte, n int) uint16 {
		return decodetest.Sum(p[12:20], []byte{0, 6, byte(n >> 8), byte(n)})
	}
	for name, c := range map[string]struct {
		edit         func(p []byte)
		bad, offload bool
	}{
		"right": {func([]byte) {}, false, false},
		"sum of the pseudo header": {func(p []byte) {
			binary.BigEndian.PutUint16(p[36:], pseudo(p, len(p)-20))
		}, true, true},
		"the same without length": {func(p []byte) {
			binary.BigEndian.PutUint16(p[36:], pseudo(p, 0))
		}, true, true},
		"zero in TCP":                 {func(p []byte) { p[36], p[37] = 0, 0 }, true, false},
		"zero in IPv4":                {func(p []byte) { p[10], p[11] = 0, 0 }, true, true},
		"wrong in IPv4":               {func(p []byte) { p[10]++ }, true, false},
		"zero in IPv4, damage in TCP": {func(p []byte) { p[10], p[11] = 0, 0; p[30]++ }, true, false},
		"pseudo header, damage in IPv4": {func(p []byte) {
			binary.BigEndian.PutUint16(p[36:], pseudo(p, len(p)-20))
			p[8]--
		}, true, false},
		"pseudo header, and zero in IPv4": {func(p []byte) {
			binary.BigEndian.PutUint16(p[36:], pseudo(p, len(p)-20))
			p[10], p[11] = 0, 0
		}, true, true},
		"lower TTL with its checksum right": {func(p []byte) { p[8] = 1; decodetest.FixIPv4Sum(p) }, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := append([]byte(nil), base...)
			c.edit(f)
			v, p := decodeOnce(101, f, len(f))
			if v != TCPPort || p.ChecksumBad != c.bad || p.ChecksumOffload != c.offload {
				t.Errorf("%v: bad %v, offload %v", v, p.ChecksumBad, p.ChecksumOffload)
			}
			d := New(nil)
			d.IgnoreChecksums = true
			if d.Decode(decodetest.Epoch, 101, f, len(f), &p); p.ChecksumBad || p.ChecksumOffload {
				t.Error("checksums were not ignored")
			}
		})
	}
}

func BenchmarkChecksum(b *testing.B) {
	for _, n := range []int{20, 1480, 65000} {
		data := make([]byte, n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(n))
			for b.Loop() {
				onesSum(data, 0)
			}
		})
	}
}
