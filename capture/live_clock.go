package capture

import (
	"time"

	"golang.org/x/sys/unix"
)

const (
	// syncEvery is how often the wall clock is compared with the boot clock.
	syncEvery = time.Second
	// slewShare is the part of the time passed by which packet time is moved towards the wall clock: a second is made
	// up for in 20.
	slewShare = 20
	// maxSlew is the error from which on the wall clock was set anew (at boot, by hand) rather than corrected: it is
	// taken over at once.
	maxSlew = 10 * time.Second
	// syncTries is how often the two clocks are read to find a pair with no interruption in between.
	syncTries = 5
)

// clock turns the kernel's CLOCK_BOOTTIME, in which frames are stamped, to wall
// time. Both run at the rate that NTP disciplines, so the difference between them
// changes only if the wall clock is stepped. Such a step is slewed, so that no
// frame is dated before one that came earlier; only a change of more than maxSlew
// is taken over at once, and counted.
type clock struct {
	offset int64  // wall less boot time, in nanoseconds, as applied
	synced uint64 // boot time of the last sync
	steps  uint64 // changes taken over at once
}

// newClock reads both clocks.
func newClock() clock {
	boot, offset := readClocks()
	return clock{offset: offset, synced: boot}
}

// due reports whether it is time to sync.
func (c *clock) due(boot uint64) bool { return boot > c.synced && boot-c.synced >= uint64(syncEvery) }

// sync moves the applied offset towards the measured one.
func (c *clock) sync(boot uint64, measured int64) {
	if boot <= c.synced {
		return
	}
	passed := int64(boot - c.synced)
	c.synced = boot
	switch diff := measured - c.offset; {
	case diff > int64(maxSlew) || diff < -int64(maxSlew):
		c.offset = measured
		c.steps++
	default:
		most := passed / slewShare
		c.offset += min(max(diff, -most), most)
	}
}

// wall gives the wall time of a boot time.
func (c *clock) wall(boot uint64) time.Time { return time.Unix(0, int64(boot)+c.offset).UTC() }

// readClocks gives the boot time, and the wall time less it.
func readClocks() (boot uint64, offset int64) {
	shortest := int64(1<<63 - 1)
	for range syncTries {
		before, wall, after := nanos(unix.CLOCK_BOOTTIME), nanos(unix.CLOCK_REALTIME), nanos(unix.CLOCK_BOOTTIME)
		if after-before < shortest {
			shortest = after - before
			boot, offset = uint64(after), wall-(before+after)/2
		}
	}
	return boot, offset
}

// nanos reads a clock that every Linux has.
func nanos(id int32) int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(id, &ts)
	return ts.Nano()
}
