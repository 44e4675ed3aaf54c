package report

import (
	"fmt"
	"sync"
	"time"
)

// Forecast is how much the database grows and when a disk is full, by a straight line over the last day or since the
// start.
type Forecast struct {
	Growth *int64    `json:"database_growth_bytes_a_day,omitempty"` // nil: not known
	Full   time.Time `json:"disk_full_at,omitzero"`                 // of the first disk; zero: not within ten years
}

const (
	forecastEvery = 2 * time.Minute
	mostRooms     = 720 // a day
	// leastPast is how much of the past a forecast takes.
	leastPast = 10 * time.Minute
	// mostFuture is how far a forecast looks.
	mostFuture = 10 * 365 * 24 * time.Hour
)

// Forecaster keeps the past that a forecast needs. Its methods may be called by any goroutine.
type Forecaster struct {
	mu   sync.Mutex
	past []room
}

// room is what is free on the disks of spool and private database (-1: not known), and the size of the database (0: not
// known), in bytes.
type room struct {
	at   time.Time
	free [2]int64
	size int64
}

func (r room) When() time.Time { return r.at }

// Look adds the present state of a store to the past, and forecasts. It returns nil while the past is shorter than ten
// minutes, or if no disk is known.
func (f *Forecaster) Look(s *Store) *Forecast {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.look(time.Now(), s) // under the lock, so that no earlier time comes after it
}

func (f *Forecaster) look(at time.Time, s *Store) *Forecast {
	now := room{at: at, free: [2]int64{-1, -1}, size: s.DatabaseBytes}
	for i, d := range []*Disk{s.SpoolDisk, s.DatabaseDisk} {
		if d != nil {
			now.free[i] = d.Free
		}
	}
	f.past = Keep(f.past, now, forecastEvery, mostRooms)
	if at.Sub(f.past[0].at) < leastPast {
		return nil
	}
	full, known := fullAt(f.past[0], now)
	if !known {
		return nil
	}
	return &Forecast{Growth: growth(f.past, now), Full: full}
}

// fullAt returns when the first of the disks is full; zero: not within mostFuture. known reports whether any disk is.
func fullAt(first, now room) (at time.Time, known bool) {
	soonest := float64(mostFuture)
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

// growth returns by how many bytes the database grows in a day.
func growth(past []room, now room) *int64 {
	for _, first := range past {
		if took := now.at.Sub(first.at); first.size > 0 && now.size > 0 && took >= leastPast {
			return new(int64(float64(now.size-first.size) / took.Hours() * 24))
		}
	}
	return nil
}

// text is the forecast in words.
func (f *Forecast) text() string {
	if f == nil {
		return "not known in the first ten minutes"
	}
	growth := "not known yet"
	if f.Growth != nil {
		growth = Bytes(max(*f.Growth, 0)) + " a day"
	}
	if f.Full.IsZero() {
		return growth + "; no disk is full within ten years"
	}
	return fmt.Sprintf("%s; a disk is full on %s", growth, f.Full.UTC().Format(time.DateOnly))
}

// Keep adds v to the past, which has the oldest value first, unless the last value is younger than every. The past is
// bounded by most: the oldest value makes room. If the clock was set back, the past begins anew.
func Keep[T interface{ When() time.Time }](past []T, v T, every time.Duration, most int) []T {
	if n := len(past); n > 0 {
		switch d := v.When().Sub(past[n-1].When()); {
		case d < 0:
			past = nil
		case d < every:
			return past
		}
	}
	if len(past) == most {
		copy(past, past[1:])
		past = past[:most-1]
	}
	return append(past, v)
}
