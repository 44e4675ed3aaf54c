package sniff

import (
	"os"
	"time"

	"tap25/bpf"
	"tap25/capture"
	"tap25/cmd/tap25/report"
	"tap25/reassembly"
)

// report gathers the counters. It reads them one after the other, so that sums are exact only while no traffic passes.
func (t *tap) report() *report.Report {
	now := time.Now()
	r := reportOf(t.live, t.workers)
	r.Version, r.PID, r.Sensor, r.Started, r.At = t.cfg.Version, os.Getpid(), t.cfg.Assembler.Sensor, t.started.UTC(),
		now.UTC()
	r.Store = t.out.report()
	r.NotLive, r.NotReady, r.Degraded = t.notLive(now), t.notReady(), t.degraded(r.Store)
	r.SetState()
	r.Clock = report.ClockNow()
	if at := t.lastMail.Load(); at > 0 {
		r.LastMail = time.Unix(0, at).UTC()
	}
	if s := t.gate.Scope(); s != nil {
		r.Scope, r.OutOfScope = s.Digest(), t.gate.Counts().Dropped
	}
	return r
}

// reportOf returns what the rings and the workers have counted so far.
func reportOf(live *capture.Live, workers []*worker) *report.Report {
	r := &report.Report{}
	var sum reassembly.Stats
	var counts []*workerCounts
	var bodies report.Bodies
	for _, w := range workers { // before the kernel's counters, so that read never exceeds delivered
		c := w.published.Load()
		r.Read += c.Frames
		r.Octets += c.Octets
		r.Lost += c.Lost
		r.Longest = max(r.Longest, c.Longest)
		r.Workers = append(r.Workers, report.Worker{Read: c.Frames})
		counts = append(counts, c)
		sum.Add(&c.Reassembly)
		bodies.Marks += int64(c.Marks.Set)
		bodies.Missed += int64(c.Marks.Missed)
		bodies.Active += int64(c.Marks.Active)
	}
	if bodies.Octets = sum.UnseenBytes; live.Bodies() {
		r.Bodies = &bodies
	}
	r.SetTraffic(&sum)
	r.SetUnopened(report.UnopenedIn(&sum), notOpened(live))
	stats, _ := live.Stats() // notReady reports an error
	r.Seen, r.RingFull, r.Delivered, r.ClockSteps = int64(stats.Seen()), int64(stats.Full()), int64(stats.Delivered()),
		int64(stats.ClockSteps)
	r.Dropped = dropped(&stats.Counts)
	for i, ring := range rings(&stats.Counts) {
		w := &r.Workers[i]
		w.Ring, w.Capacity, w.Used = ring, int64(stats.Buffers[i].Capacity), int64(stats.Buffers[i].Used)
		r.Cut += ring.Cut
	}
	for i, l := range stats.Links {
		counted := stats.Interfaces[l.Name]
		link := report.Interface{Name: l.Name, Native: l.Native, Up: l.Up, Away: l.Away, Seen: int64(counted.Seen()),
			Dropped: dropped(&counted), Rings: rings(&counted)}
		for _, c := range counts {
			if i < len(c.Links) {
				link.Frames += c.Links[i].Frames
				link.Octets += c.Links[i].Octets
			}
		}
		r.Interfaces = append(r.Interfaces, link)
	}
	return r
}

// dropped returns the frames that were dropped by design, by verdict.
func dropped(c *bpf.Counts) map[string]int64 {
	counts := map[string]int64{}
	for v, n := range c.Verdicts {
		if v := bpf.Verdict(v); !v.Kept() {
			counts[v.String()] = int64(n)
		}
	}
	return counts
}

func rings(c *bpf.Counts) (list []report.Ring) {
	for _, r := range c.Rings {
		list = append(list, report.Ring{Delivered: int64(r.Delivered), Full: int64(r.Full), Cut: int64(r.Cut)})
	}
	return list
}

// notOpened returns what was in frames that the XDP program dropped and that may have held a tunnel.
func notOpened(live *capture.Live) (list []report.Unopened) {
	unread, _ := live.Unread() // notReady reports an error
	for _, u := range unread {
		list = append(list, report.Unopened{What: u.String(), Frames: int64(u.Frames)})
	}
	return list
}
