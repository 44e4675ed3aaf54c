package sniff

import (
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"tap25/cmd/tap25/report"
	"tap25/store/numeral"
)

// lossWindow is how long a tap is degraded after it has lost a frame, and how often a loss that goes on is logged.
const lossWindow = time.Minute

// losses watches what full rings lose. note is for one goroutine, the other methods for any.
type losses struct {
	mu       sync.Mutex
	counts   []frameCounts // of the last lossWindow, the oldest first; at the start one of zeros
	episode  frameCounts   // before the first frame of the current series of losses was lost
	lossy    bool          // a frame was lost within lossWindow of the last look
	said     time.Time     // when the last line was logged
	lastLoss time.Time
}

// frameCounts are the kernel's counters at a time.
type frameCounts struct {
	at         time.Time
	seen, full int64
}

// note takes the counters, which it must get each second, and logs the beginning, the course and the end of losses.
func (l *losses) note(log *zerolog.Logger, now frameCounts) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.counts[len(l.counts)-1]
	l.counts = append(l.counts, now)
	for len(l.counts) > 2 && now.at.Sub(l.counts[0].at) > lossWindow {
		l.counts = l.counts[1:]
	}
	if now.full > before.full {
		l.lastLoss = now.at
		if !l.lossy {
			l.lossy, l.episode = true, before
		}
	}
	switch {
	case !l.lossy:
	case now.at.Sub(l.lastLoss) > lossWindow:
		l.lossy = false
		log.Info().Int64("frames_lost", now.full-l.episode.full).Time("since", l.episode.at).
			Msg("the rings have had room for all frames for a minute")
	case now.at.Sub(l.said) >= lossWindow:
		lost, seen := l.recent()
		if lost == 0 { // it has ended, which is logged a second later
			return
		}
		l.said = now.at
		log.Warn().Int64("frames_lost", lost).Int64("frames_seen", seen).Str("share", report.Share(lost, seen)).
			Msg("frames were lost in the last minute because a ring was full: their mail is missing or flagged; raise " +
				"--workers or --ring-bytes, and see 'tap25 doctor'")
	}
}

// recent returns the numbers of frames that were lost and seen within lossWindow.
func (l *losses) recent() (lost, seen int64) {
	first, last := l.counts[0], l.counts[len(l.counts)-1]
	return last.full - first.full, last.seen - first.seen
}

// degraded returns what was lost lately.
func (l *losses) degraded() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.lossy {
		return nil
	}
	lost, seen := l.recent()
	return []string{fmt.Sprintf("full rings lost %s of %s frames seen in the last minute (%s)", numeral.Grouped(lost),
		numeral.Grouped(seen), report.Share(lost, seen))}
}
