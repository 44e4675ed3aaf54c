package reassembly

import (
	"cmp"
	"math"
	"time"
)

// stamp is the packets' clock in steps of stampStep, but later by at least one for each frame. So it tells in which
// order things happened, and how long ago, whatever the frames' own times are: these may go back. It reaches as far as
// the years that a capture can have.
type stamp int64

const (
	stampStep = 100 * time.Nanosecond
	noStamp   = stamp(math.MinInt64 / 2)
)

func stampOf(t time.Time) stamp {
	return stamp(t.Unix())*stamp(time.Second/stampStep) + stamp(t.Nanosecond())/stamp(stampStep)
}

// before is the stamp that lies a while before s.
func (s stamp) before(d time.Duration) stamp { return s - stamp(d/stampStep) }

// clock is the packets' clock.
type clock struct {
	now     time.Time // the latest time of a frame so far
	stamp   stamp     // of the last frame
	swept   time.Time // when what is due was looked for last
	sweptAt stamp

	// now and swept in steps of stampStep: most comparisons need no more
	step, sweptStep stamp
}

func newClock() clock {
	var never time.Time
	return clock{stamp: noStamp, sweptAt: noStamp, step: stampOf(never), sweptStep: stampOf(never)}
}

// advance moves the clock on for a frame.
func (c *clock) advance(t time.Time) {
	if step := stampOf(t); step > c.step || step == c.step && t.After(c.now) {
		c.now, c.step = t, step
	}
	c.stamp = max(c.stamp+1, c.step)
}

// due reports whether a second has passed since what is due was looked for. If so, it is to be looked for now.
func (c *clock) due() bool {
	const second = stamp(time.Second / stampStep)
	if c.step-c.sweptStep < second || c.now.Sub(c.swept) < time.Second {
		return false
	}
	c.swept, c.sweptAt, c.sweptStep = c.now, c.stamp, c.step
	return true
}

// moment is when a row was settled. Rows come in the order of their moments, and those of one moment as its connection
// settled them.
type moment struct {
	stamp stamp // of the frame
	turn  turn
	since stamp // which connection comes first in a turn
}

// turn is the order of what happens at a frame. What is due at that time comes before the frame itself is read.
type turn uint8

const (
	turnHoles  turn = iota // holes are given up: those that opened first before others
	turnEnded              // connections that have ended are forgotten
	turnSilent             // silent ones end
	turnFrame
)

func (m moment) compare(o moment) int {
	return cmp.Or(cmp.Compare(m.stamp, o.stamp), cmp.Compare(m.turn, o.turn), cmp.Compare(m.since, o.since))
}
