package capture

import (
	"time"

	"golang.org/x/sys/unix"
)

const (
	// syncEvery is how often the wall clock is compared with the monotonic clock.
	syncEvery = time.Second
	// slewShare is the part of the time passed by which packet time is moved towards the wall clock: a second is made
	// up for in 20.
	slewShare = 20
	// maxSlew is the error from which on the wall clock was not corrected: it was set anew (at boot, by hand), or the
	// host was suspended. Such an error is taken over at once.
	maxSlew = 10 * time.Second
	// syncTries is how often the two clocks are read to find a pair with no interruption in between.
	syncTries = 5
)

// clock turns the kernel's CLOCK_MONOTONIC, in which frames are stamped, to wall
// time. Both run at the rate that NTP disciplines, so the difference between them
// changes only if the wall clock is stepped, or if the host is suspended, when
// CLOCK_MONOTONIC stands still. Such a step is slewed, so that no frame is dated
// before one that came earlier; only a change of more than maxSlew is taken over at
// once, and counted.
type clock struct {
	offset int64  // wall less monotonic time, in nanoseconds, as applied
	synced uint64 // monotonic time of the last sync
	steps  uint64 // changes taken over at once
}

// newClock reads both clocks.
func newClock() clock {
	now, offset := readClocks()
	return clock{offset: offset, synced: now}
}

// due reports whether it is time to sync.
func (c *clock) due(now uint64) bool { return now > c.synced && now-c.synced >= uint64(syncEvery) }

// sync moves the applied offset towards the measured one.
func (c *clock) sync(now uint64, measured int64) {
	if now <= c.synced {
		return
	}
	passed := int64(now - c.synced)
	c.synced = now
	switch diff := measured - c.offset; {
	case diff > int64(maxSlew) || diff < -int64(maxSlew):
		c.offset = measured
		c.steps++
	default:
		most := passed / slewShare
		c.offset += min(max(diff, -most), most)
	}
}

// wall gives the wall time of a monotonic time.
func (c *clock) wall(now uint64) time.Time { return time.Unix(0, int64(now)+c.offset).UTC() }

// readClocks gives the monotonic time, and the wall time less it.
func readClocks() (now uint64, offset int64) {
	shortest := int64(1<<63 - 1)
	for range syncTries {
		before, wall, after := nanos(unix.CLOCK_MONOTONIC), nanos(unix.CLOCK_REALTIME), nanos(unix.CLOCK_MONOTONIC)
		if after-before < shortest {
			shortest = after - before
			now, offset = uint64(after), wall-(before+after)/2
		}
	}
	return now, offset
}

// nanos reads a clock that every Linux has.
func nanos(id int32) int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(id, &ts)
	return ts.Nano()
}
