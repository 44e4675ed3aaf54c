package sniff

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"tap25/capture"
	"tap25/cmd/tap25/report"
	"tap25/reassembly"
	"tap25/store"
	"tap25/store/stream"
)

// coverEvery is how long a record of coverage is, at most. They end with the minutes of the clock.
const coverEvery = time.Minute

// coverage makes records of coverage. One goroutine uses it, but for cut and rows.
type coverage struct {
	cut  chan struct{} // holds one element if a record is to end before its minute
	rows atomic.Int64  // that went to the output

	last   coverageState // with which the next record begins
	begun  bool          // the first record was taken
	failed stream.Alarm
}

// coverageState is what holds, and was counted, at a moment.
type coverageState struct {
	at         time.Time // with the monotonic clock's
	counts     store.CoverageCounts
	interfaces []string // that are captured
	scope      string
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

// cover records what was seen and lost since the last record.
func (t *tap) cover(stopped bool) {
	if t.cfg.ToStdout {
		return
	}
	var sum reassembly.Stats
	for _, w := range t.workers { // before the kernel's counters, as in a report
		sum.Add(&w.published.Load().Reassembly)
	}
	stats, err := t.live.Stats()
	if err != nil {
		return // what was seen is unknown, as /readyz says
	}
	now := coverageState{time.Now(), report.CoverageOf(&sum), upOf(stats.Links), ""}
	now.counts.FramesSeen, now.counts.RingFull = int64(stats.Seen()), int64(stats.Full())
	now.counts.Rows = t.covered.rows.Load()
	if r := t.out.report(); r != nil {
		now.counts.RowsLost = r.Lost
	}
	now.counts.NICDropped = t.live.Missed()
	if s := t.gate.Scope(); s != nil {
		now.scope = s.Digest()
	}
	err = t.covered.record(now, func(c *store.Coverage) error {
		c.Sensor, c.Version, c.Stopped = t.cfg.Assembler.Sensor, t.cfg.Version, stopped
		if k := report.ClockNow(); k != nil {
			c.Clock = &store.Clock{Synchronised: k.Synchronized, Offset: k.Offset, Error: k.MaxError}
		}
		return t.out.cover(c)
	})
	if t.covered.failed.Rings(err != nil) {
		t.log.Warn().Err(err).Msg("coverage waits for room in the spool: the next record will cover this time too")
	}
}

// record puts a record of what was counted since the last one. The first is of no length and bears Started. If put
// fails, the next one covers this time too.
func (c *coverage) record(now coverageState, put func(*store.Coverage) error) error {
	if c.last.at.IsZero() {
		c.last = now
		c.last.counts = store.CoverageCounts{}
	}
	if now.counts.NICDropped == nil {
		now.counts.NICDropped = c.last.counts.NICDropped
	}
	err := put(&store.Coverage{
		Since: begun(c.last.at, now.at.Sub(c.last.at), now.at), Before: now.at, Program: "sniff",
		Interfaces: c.last.interfaces, Scope: c.last.scope, Started: !c.begun,
		CoverageCounts: now.counts.Less(c.last.counts),
	})
	if err != nil {
		c.last.interfaces = slices.DeleteFunc(slices.Clone(c.last.interfaces), func(name string) bool {
			return !slices.Contains(now.interfaces, name)
		})
		return err
	}
	c.begun, c.last = true, now
	return nil
}

// begun returns when a record began that ends now. The clock gave its beginning as since, and elapsed is its length by
// the monotonic clock. If the clock was set meanwhile, or the machine slept, the two differ: the length counts.
func begun(since time.Time, elapsed time.Duration, now time.Time) time.Time {
	if passed := now.Round(0).Sub(since.Round(0)); (passed - elapsed).Abs() > time.Second {
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
