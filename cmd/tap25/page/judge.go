package page

import (
	"fmt"
	"strings"
	"time"

	"tap25/cmd/tap25/report"
	"tap25/store/numeral"
)

// state is what an operator wants to know first.
type state string

const (
	recording state = "recording"
	degraded  state = "degraded" // mail is recorded, and something is lost or will be
	stopped   state = "stopped"  // mail is not recorded
)

const (
	// lately is how long a loss counts as one of now.
	lately = 5 * time.Minute
	// longWait is how old rows may become that wait for a database that answers.
	longWait = 5 * time.Minute
)

// judge judges a report, and what was counted since some minutes ago, and gives the reasons.
func judge(now *report.Report, before sample) (state, []string) {
	if why := notRecording(now); len(why) > 0 {
		return stopped, sentences(why)
	}
	why := sentences(now.NotReady)
	if n := now.RingFull - before.ringFull; n > 0 {
		why = append(why, fmt.Sprintf("%s frames were lost in the last %s because a ring was full: %s of mail traffic.",
			numeral.Grouped(n), report.Span(now.At.Sub(before.at)),
			report.Share(n, n+now.Delivered-before.delivered)))
	}
	if now.Store != nil {
		why = append(why, storeTroubles(now.Store, before, now.At.Sub(before.at))...)
	}
	if now.Clock != nil && !now.Clock.Synchronized {
		why = append(why, "The clock is not synchronized: the times of rows may be wrong.")
	}
	if len(why) == 0 { // else they say the same, in other words
		why = sentences(now.Degraded)
	}
	if len(why) > 0 {
		return degraded, why
	}
	return recording, nil
}

// sentences makes sentences of reasons.
func sentences(reasons []string) (list []string) {
	for _, r := range reasons {
		list = append(list, strings.ToUpper(r[:1])+r[1:]+".")
	}
	return list
}

// losing reports whether frames or rows were lost since.
func losing(now *report.Report, before sample) bool {
	return now.RingFull > before.ringFull || now.Store != nil && now.Store.Lost > before.lost
}

// notRecording returns why no mail can come to the spool.
func notRecording(r *report.Report) []string {
	why := append([]string{}, r.NotLive...)
	captured := false
	for _, i := range r.Interfaces {
		captured = captured || i.Up && !i.Away
	}
	switch {
	case !captured:
		why = append(why, r.NotReady...)
		if len(why) == 0 {
			why = append(why, "no interface is up")
		}
	case r.Store != nil && r.Store.Refusal != "":
		why = append(why, r.Store.Refusal)
	}
	return why
}

func storeTroubles(s *report.Store, before sample, since time.Duration) (why []string) {
	if s.Lost > before.lost {
		why = append(why, fmt.Sprintf("%s rows were lost in the last %s because the spool was full.",
			numeral.Grouped(s.Lost-before.lost), report.Span(since)))
	}
	switch {
	case s.Away:
		why = append(why, fmt.Sprintf("The database does not answer: %s rows wait in the spool, which keeps them.",
			numeral.Grouped(s.Waiting)))
	case s.Age > longWait:
		why = append(why, fmt.Sprintf("Rows have waited for %s to be loaded.", report.Span(s.Age)))
	}
	room := s.SpoolLimit
	if s.SpoolDisk != nil {
		room = min(room, s.SpoolBytes+s.SpoolDisk.Free)
	}
	if room > 0 && s.SpoolBytes > room/2 {
		why = append(why, fmt.Sprintf("The spool is %s full.", report.Share(s.SpoolBytes, room)))
	}
	return why
}
