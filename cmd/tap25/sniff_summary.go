package main

import (
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
)

// named lists counters by name.
func named(m map[string]int64) iter.Seq2[string, int64] {
	return func(yield func(string, int64) bool) {
		for _, name := range slices.Sorted(maps.Keys(m)) {
			if !yield(name, m[name]) {
				return
			}
		}
	}
}

// summary writes the counters of a sniff. Those in parentheses add up to the number before them, except for sessions, where they
// count only sessions that did not end normally.
func (r *report) summary(w io.Writer) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-10s"+format+"\n", append([]any{name}, args...)...)
	}
	dropped := sumOf(r.Dropped)
	line("seen", "%d%s", r.Seen, nonZero(counts(
		count{"dropped by design", dropped}, count{"ring full", r.RingFull}, count{"delivered", r.Delivered})))
	line("dropped", "%d%s", dropped, nonZero(named(r.Dropped)))
	line("packets", "%d%s", r.Read, nonZero(named(r.Frames)))
	if n := r.waiting(); n > 0 {
		line("unread", "%d packets that the signal left in the rings", n)
	}
	line("bytes", "%d", r.Octets)
	line("payload", "%d bytes%s", sumOf(r.Payload), nonZero(named(r.Payload)))
	line("lost", "%d bytes", r.LostBytes)
	line("sessions", "%d%s", r.Sessions, nonZero(named(r.SessionEnds)))
	line("rows", "%d%s", r.Rows, nonZero(named(r.Outcomes)))
	if s := r.Store; s != nil {
		line("spool", "%d%s", s.Spooled+s.Lost, nonZero(counts(count{"spooled", s.Spooled}, count{"lost", s.Lost})))
		line("database", "%d rows loaded%s", s.Loaded, nonZero(counts(
			count{"waiting", s.Waiting}, count{"set aside", s.SetAside}, count{"damaged", s.Damaged}, count{"dropped", s.Dropped})))
		if s.Reloaded+s.Reloading > 0 {
			line("reloaded", "%d rows that the database lost%s", s.Reloaded, nonZero(counts(count{"waiting", s.Reloading})))
		}
	}
	if anomalies := nonZero(named(r.Anomalies)); anomalies != "" {
		line("anomalies", "%s", anomalies[2:len(anomalies)-1])
	}
	seconds := r.At.Sub(r.Started).Seconds()
	line("seconds", "%.2f", seconds)
}
