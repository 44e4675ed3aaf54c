package main

import (
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"tap25/reassembly"
	"tap25/reassembly/smtp"
)

// count is a counter with its name.
type count struct {
	name string
	n    int64
}

// summary writes the counters of a replay. Those in parentheses add up to the number before them, except for sessions, where they
// count only sessions that did not end normally.
func (r *replay) summary(w io.Writer, s reassembly.Stats, rows int64) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-10s"+format+"\n", append([]any{name}, args...)...)
	}
	seconds := max(r.elapsed, time.Microsecond).Seconds()
	line("packets", "%d%s", r.frames, nonZero(s.Frames.All()))
	line("bytes", "%d", r.octets)
	if f := s.Fragments; f.In > 0 {
		line("fragments", "%d%s", f.In, nonZero(counts(
			count{"reassembled", f.Reassembled}, count{"duplicate", f.Duplicate}, count{"overlapping", f.Overlapping},
			count{"of other ports", f.Irrelevant}, count{"bad", f.Bad}, count{"expired", f.Expired}, count{"evicted", f.Evicted},
			count{"incomplete at the end", f.Held})))
	}
	line("payload", "%d bytes%s", s.PayloadBytes, nonZero(counts(
		count{"in order", s.DeliveredBytes}, count{"duplicate", s.DuplicateBytes}, count{"ignored", s.IgnoredBytes})))
	line("lost", "%d bytes", s.LostBytes)
	if s.ClockSkew >= time.Millisecond {
		line("clocks", "one direction is stamped at least %v earlier than the other", s.ClockSkew.Round(time.Millisecond))
	}
	line("sessions", "%d%s", s.Sessions, nonZero(counts(
		count{"not SMTP", s.SMTP.NotSMTP}, count{"ended by silence", s.Idle}, count{"evicted", s.ConnsEvicted}, count{"open at the end", s.Unfinished})))
	line("rows", "%d%s", rows, nonZero(outcomes(&s.SMTP)))
	if r.repeated > 0 {
		line("repeated", "%d rows of files that are in the database already", r.repeated)
	}
	if st := r.stored; st != nil {
		stored(line, *st)
	}
	if anomalies := nonZero(counts(
		count{"bad checksums", s.BadChecksums}, count{"conflicts", s.Conflicts}, count{"bytes not compared", s.Uncompared},
		count{"ignored resets", s.IgnoredResets}, count{"half-open evicted", s.HalfOpenEvicted},
		count{"half-open ended by silence", s.HalfOpenIdle}, count{"replies to no command", s.SMTP.Unsolicited},
		count{"holes given up for memory", s.HolesEvicted}, count{"lines that are no replies", s.SMTP.Junk}, count{"replies presumed", s.SMTP.Presumed},
		count{"limits met", s.SMTP.Overflows}, count{"commands given up for work", s.SMTP.GivenUp}, count{"octets left unread", s.SMTP.Unread},
	)); anomalies != "" {
		line("anomalies", "%s", strings.Trim(anomalies, " ()"))
	}
	line("seconds", "%.2f (%.0f packets/s, %.1f MB/s)", seconds, float64(r.frames)/seconds, float64(r.octets)/1e6/seconds)
}

// stored writes the fate of the rows. Each row that was spooled, or found in the spool, counts in one of the parentheses.
func stored(line func(name, format string, args ...any), s streamStats) {
	if n := s.spool.Lost + s.lost; n > 0 {
		line("unspooled", "%d rows lost", n)
	}
	if s.spool.Found > 0 {
		line("found", "%d rows that an earlier run left", s.spool.Found)
	}
	line("spooled", "%d%s", s.spool.Appended+s.left, nonZero(counts(
		count{"loaded", s.spool.Loaded}, count{"waiting", s.spool.Waiting + s.spool.Open + s.spool.Buffered}, count{"set aside", s.spool.SetAside},
		count{"damaged", s.spool.Damaged}, count{"left for the next replay", s.spool.Dropped + s.left})))
	line("database", "%d rows added%s", s.loader.Added, nonZero(counts(count{"already there", s.loader.Held})))
	if s.loader.Reloaded+s.spool.Reentering > 0 {
		line("reloaded", "%d rows that the database lost%s", s.loader.Reloaded, nonZero(counts(count{"waiting", s.spool.Reentering})))
	}
}

func counts(list ...count) iter.Seq2[string, int64] {
	return func(yield func(string, int64) bool) {
		for _, c := range list {
			if !yield(c.name, c.n) {
				return
			}
		}
	}
}

func outcomes(s *smtp.Stats) iter.Seq2[string, int64] {
	return func(yield func(string, int64) bool) {
		for o, name := range smtp.Outcomes() {
			if !yield(name, s.Rows[o]) {
				return
			}
		}
	}
}

// nonZero lists the counters that are not 0, in parentheses.
func nonZero(counts iter.Seq2[string, int64]) string {
	var parts []string
	for name, n := range counts {
		if n != 0 {
			parts = append(parts, fmt.Sprintf("%s %d", strings.ReplaceAll(name, "_", " "), n))
		}
	}
	if parts == nil {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}
