package capture

import (
	"testing"
	"time"
)

// The ring has room for sixteen times what comes in a nap, unless naps are as short as they can be.
func TestNap_LeavesRoomInTheRing(t *testing.T) {
	const size = 32 << 20
	for _, c := range []struct {
		name     string
		perMilli int // octets
		want     time.Duration
	}{
		{"nothing comes", 0, 10 * time.Millisecond},
		{"100 Mbit/s", 12_500, 10 * time.Millisecond},
		{"1 Gbit/s", 125_000, 10 * time.Millisecond},
		{"4 Gbit/s", 500_000, 4 * time.Millisecond},
		{"10 Gbit/s", 1_250_000, time.Millisecond},
		{"100 Gbit/s", 12_500_000, time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, first := range []time.Duration{shortestNap, longestNap} {
				nap := first
				in := func(d time.Duration) int { return c.perMilli * int(d.Microseconds()) / 1000 }
				for range 3 {
					nap = napAfter(nap, min(size, in(nap)), size)
				}
				if nap.Truncate(time.Millisecond) != c.want {
					t.Errorf("a nap of %v, want %v", nap, c.want)
				}
				if nap > shortestNap && in(nap) > size/napShare+size/1000 {
					t.Errorf("%d octets come in a nap of %v, more than a sixteenth of the ring", in(nap), nap)
				}
			}
		})
	}
}
