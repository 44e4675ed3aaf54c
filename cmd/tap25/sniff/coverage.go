package sniff

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"tap25/capture"
	"tap25/cmd/tap25/report"
	"tap25/reassembly"
	"tap25/store"
	"tap25/store/stream"
)

// coverEvery is how long a record of coverage is, at most. They end with the minutes of the clock.
const coverEvery = time.Minute

// coverage is what the next record of coverage begins with. One goroutine uses it, but for cut.
type coverage struct {
	cut chan struct{} // holds one element if a record is to end before its minute

	rows       atomic.Int64 // that went to the output
	begun      bool         // the first record was taken
	since      time.Time    // with the monotonic clock's; zero: cover was not called yet
	counts     store.CoverageCounts
	interfaces []string
	scope      string
	failed     stream.Alarm
}

// cutCoverage ends the record of coverage, since something else is true from now on.
func (t *tap) cutCoverage() {
	select {
	case t.covered.cut <- struct{}{}:
	default:
	}
}

// coverMinutes records coverage at once, then each minute and whenever the interfaces or the scope change, until ctx
// ends.
func (t *tap) coverMinutes(ctx context.Context) {
	for {
		t.cover(false)
		now := time.Now()
		tick := time.NewTimer(now.Truncate(coverEvery).Add(coverEvery).Sub(now))
		select {
		case <-ctx.Done():
			tick.Stop()
			return
		case <-tick.C:
		case <-t.covered.cut:
			tick.Stop()
		}
	}
}

// cover records what was seen and lost since the last record. The first is of no length, the last one bears stopped. If
// the spool has no room, the next one covers this time too.
func (t *tap) cover(stopped bool) {
	if t.cfg.JSON {
		return
	}
	c, now := &t.covered, time.Now()
	var sum reassembly.Stats
	for _, w := range t.workers { // before the kernel's counters, as in a report
		sum.Add(&w.published.Load().Reassembly)
	}
	stats, err := t.live.Stats()
	if err != nil {
		return // what was seen is unknown, as /readyz says
	}
	counts := report.CoverageOf(&sum)
	counts.FramesSeen, counts.RingFull, counts.Rows = int64(stats.Seen()), int64(stats.Full()), c.rows.Load()
	if r := t.out.report(); r != nil {
		counts.RowsLost = r.Lost
	}
	if counts.NICDropped = t.live.Missed(); counts.NICDropped == nil {
		counts.NICDropped = c.counts.NICDropped
	}
	up, scope := upOf(stats.Links), ""
	if s := t.gate.Scope(); s != nil {
		scope = s.Digest()
	}
	if c.since.IsZero() {
		c.since, c.interfaces, c.scope = now, up, scope
	}
	record := &store.Coverage{
		Since: begunAt(c.since, now), Before: now, Sensor: t.cfg.Assembler.Sensor, Program: "sniff", Interfaces: c.interfaces,
		Scope: c.scope, Version: t.cfg.Version, Started: !c.begun, Stopped: stopped,
		Clock: readClock(), CoverageCounts: counts.Less(c.counts),
	}
	err = t.out.cover(record)
	if c.failed.Rings(err != nil) {
		t.log.Warn().Err(err).Msg("coverage waits for room in the spool: the next record will cover this time too")
	}
	if err != nil {
		c.interfaces = slices.DeleteFunc(slices.Clone(c.interfaces), func(name string) bool {
			return !slices.Contains(up, name)
		})
		return
	}
	c.begun, c.since, c.counts, c.interfaces, c.scope = true, now, counts, up, scope
}

// begunAt returns when a record began that ends now, by the clock as it is now: it may have been set meanwhile, and a
// time in which the machine slept was not covered.
func begunAt(since, now time.Time) time.Time {
	elapsed := now.Sub(since) // monotonic
	if wall := now.Round(0).Sub(since.Round(0)); (wall - elapsed).Abs() > time.Second {
		return now.Add(-elapsed)
	}
	return since
}

// upOf returns the interfaces that are captured; none is not nil.
func upOf(links []capture.LinkState) []string {
	up := []string{}
	for _, l := range links {
		if l.Up && !l.Away {
			up = append(up, l.Name)
		}
	}
	return up
}

// readClock asks the kernel for the state of the clock, adjtimex(2); nil if it does not say.
func readClock() *store.Clock {
	var x unix.Timex
	state, err := unix.Adjtimex(&x)
	if err != nil {
		return nil
	}
	unit := time.Microsecond
	if x.Status&unix.STA_NANO != 0 {
		unit = time.Nanosecond
	}
	return &store.Clock{
		Synchronised: state != unix.TIME_ERROR && x.Status&unix.STA_UNSYNC == 0,
		Offset:       time.Duration(x.Offset) * unit, Error: time.Duration(x.Maxerror) * time.Microsecond,
	}
}
