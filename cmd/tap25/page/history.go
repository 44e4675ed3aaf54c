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

// sample is what is kept of a report: counters, except for what waits.
type sample struct {
	at time.Time

	seen, dropped, delivered, ringFull, read int64 // frames
	sessions                                 int64
	lostBytes                                int64 // of TCP payload
	rows, mails                              [len(outcomes)]int64
	spooled, lost, loaded, waiting           int64 // rows
}

func (s sample) When() time.Time { return s.at }

func sampleOf(r *report.Report) sample {
	s := sample{
		at: r.At, seen: r.Seen, dropped: report.Sum(r.Dropped), delivered: r.Delivered, ringFull: r.RingFull,
		read: r.Read, sessions: r.Sessions, lostBytes: r.LostBytes,
	}
	for i, name := range outcomes {
		s.rows[i], s.mails[i] = r.Outcomes[name], r.Mails[name]
	}
	if r.Store == nil {
		return s
	}
	s.spooled, s.lost, s.loaded, s.waiting = r.Store.Spooled, r.Store.Lost, r.Store.Loaded, r.Store.Waiting
	return s
}

// history is the past of a tap, the oldest first.
type history struct{ hour, day []sample }

func (h *history) add(s sample) {
	const late = sampleEvery / 2 // that a timer may be off
	h.hour = report.Keep(h.hour, s, sampleEvery-late, mostSamples)
	h.day = report.Keep(h.day, s, dayEvery-late, mostSamples)
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
