package capture

import "time"

// A worker sleeps when it has emptied its ring. To wake up takes tens of microseconds of CPU time, so the nap is as long
// as a sixteenth of the ring takes to fill at the rate of the last nap. The rate may then rise to sixteen times that
// before the ring is full. From an idle wire to a full 10 Gbit/s, 12.5 MB come in the longest nap: two fifths of the
// default ring.
const (
	napShare    = 16
	shortestNap = time.Millisecond // the runtime rounds up what is shorter
	longestNap  = 10 * time.Millisecond
)

// napAfter returns how long the next nap is if so many bytes of the ring were filled in the last one.
func napAfter(last time.Duration, filled, size int) time.Duration {
	next := last * time.Duration(size) / time.Duration(napShare*max(filled, 1))
	return min(max(next, shortestNap), longestNap)
}
