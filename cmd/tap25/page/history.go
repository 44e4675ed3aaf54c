package page

import (
	"math"
	"time"

	"tap25/cmd/tap25/report"
)

// The past that is kept: an hour of samples every five seconds, and a day of them every two minutes.
const (
	sampleEvery = 5 * time.Second
	dayEvery    = 2 * time.Minute
	mostSamples = 720
)

// outcomes are those of rows, in the order in which they are shown.
var outcomes = [...]string{"accepted", "deferred", "refused", "aborted", "unknown", "encrypted"}

// sample is what is kept of a report: counters, except for what waits and what is free.
type sample struct {
	at time.Time

	seen, dropped, delivered, ringFull, read int64 // frames
	sessions                                 int64
	lostBytes                                int64 // of TCP payload
	rows, mails                              [len(outcomes)]int64
	spooled, lost, loaded, waiting           int64    // rows
	free                                     [2]int64 // bytes on the disks of spool and private database; -1: not known
}

func sampleOf(r *report.Report) sample {
	s := sample{
		at: r.At, seen: r.Seen, dropped: report.Sum(r.Dropped), delivered: r.Delivered, ringFull: r.RingFull,
		read: r.Read, sessions: r.Sessions, lostBytes: r.LostBytes, free: [2]int64{-1, -1},
	}
	for i, name := range outcomes {
		s.rows[i], s.mails[i] = r.Outcomes[name], r.Mails[name]
	}
	if r.Store == nil {
		return s
	}
	s.spooled, s.lost, s.loaded, s.waiting = r.Store.Spooled, r.Store.Lost, r.Store.Loaded, r.Store.Waiting
	for i, d := range []*report.Disk{r.Store.SpoolDisk, r.Store.DatabaseDisk} {
		if d != nil {
			s.free[i] = d.Free
		}
	}
	return s
}

// history is the past of a tap, the oldest first.
type history struct{ hour, day []sample }

func (h *history) add(s sample) {
	h.hour = keep(h.hour, s, sampleEvery)
	h.day = keep(h.day, s, dayEvery)
}

// keep adds a sample to the past, unless the last one is younger than every, less what a timer may be off. If the clock
// was set back, the past begins anew.
func keep(past []sample, s sample, every time.Duration) []sample {
	if n := len(past); n > 0 {
		switch d := s.at.Sub(past[n-1].at); {
		case d < 0:
			past = nil
		case d < every-sampleEvery/2:
			return past
		}
	}
	if len(past) == mostSamples {
		copy(past, past[1:])
		past = past[:mostSamples-1]
	}
	return append(past, s)
}

// before returns the youngest sample of the last hour that is at least d older than now, or the oldest there is, or now
// itself.
func (h *history) before(now sample, d time.Duration) sample {
	found := now
	for i, s := range h.hour {
		if age := now.at.Sub(s.at); age < 0 || i > 0 && age < d {
			break
		}
		found = s
	}
	return found
}

const (
	// leastPast is how much of the past a forecast takes.
	leastPast = 10 * time.Minute
	// mostFuture is how far a forecast looks.
	mostFuture = 10 * 365 * 24 * time.Hour
)

// full forecasts when the first of the disks will be full, by a straight line from the oldest sample to now. The zero
// time is too far to be foreseen. It is not known while the past is too short, or if no disk is.
func (h *history) full(now sample) (at time.Time, known bool) {
	if len(h.day) == 0 || now.at.Sub(h.day[0].at) < leastPast {
		return time.Time{}, false
	}
	first, soonest := h.day[0], float64(mostFuture)
	for i, free := range now.free {
		if free < 0 || first.free[i] < 0 {
			continue
		}
		known = true
		if used := float64(first.free[i] - free); used > 0 {
			soonest = min(soonest, float64(free)/used*float64(now.at.Sub(first.at)))
		}
	}
	if soonest == float64(mostFuture) {
		return time.Time{}, known
	}
	return now.at.Add(time.Duration(soonest)), known
}

// curve is a past for uPlot: x in seconds since 1970, then each series.
type curve struct {
	At         []int64   `json:"at"`
	Read       []float64 `json:"read"`      // frames a second
	Lost       []float64 `json:"lost"`      // likewise
	Accepted   []float64 `json:"accepted"`  // rows a minute, as the next two
	NotTaken   []float64 `json:"not_taken"` // all but accepted and encrypted
	Encrypted  []float64 `json:"encrypted"`
	WaitingNow []int64   `json:"waiting"` // rows
}

func curveOf(past []sample) *curve {
	c := &curve{}
	for i := 1; i < len(past); i++ {
		b, s := past[i-1], past[i]
		seconds := s.at.Sub(b.at).Seconds()
		rate := func(n int64, per float64) float64 { return math.Round(float64(n)*per/seconds*100) / 100 }
		row := func(i int) int64 { return s.rows[i] - b.rows[i] }
		c.At = append(c.At, s.at.Unix())
		c.Read = append(c.Read, rate(s.read-b.read, 1))
		c.Lost = append(c.Lost, rate(s.ringFull-b.ringFull, 1))
		c.Accepted = append(c.Accepted, rate(row(0), 60))
		c.NotTaken = append(c.NotTaken, rate(row(1)+row(2)+row(3)+row(4), 60))
		c.Encrypted = append(c.Encrypted, rate(row(5), 60))
		c.WaitingNow = append(c.WaitingNow, s.waiting)
	}
	return c
}
