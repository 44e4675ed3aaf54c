package main

import (
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"tap25/cmd/tap25/report"
	"tap25/reassembly"
	"tap25/reassembly/smtp"
	"tap25/store/stream"
)

// summary writes the counters of a replay. Those in parentheses add up to the number before them, except for sessions, where they
// count only sessions that did not end normally.
func (r *replay) summary(w io.Writer, s reassembly.Stats, rows int64) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-10s"+format+"\n", append([]any{name}, args...)...)
	}
	seconds := max(r.elapsed, time.Microsecond).Seconds()
	line("packets", "%d%s", r.frames, report.NonZero(s.Frames.All()))
	line("bytes", "%d", r.octets)
	if f := s.Fragments; f.In > 0 {
		line("fragments", "%d%s", f.In, report.NonZero(report.Counts(
			report.Count("reassembled", f.Reassembled), report.Count("duplicate", f.Duplicate), report.Count("overlapping", f.Overlapping),
			report.Count("of other ports", f.Irrelevant), report.Count("bad", f.Bad), report.Count("expired", f.Expired), report.Count("evicted", f.Evicted),
			report.Count("incomplete at the end", f.Held))))
	}
	line("payload", "%d bytes%s", s.PayloadBytes, report.NonZero(report.Counts(
		report.Count("in order", s.DeliveredBytes), report.Count("duplicate", s.DuplicateBytes), report.Count("ignored", s.IgnoredBytes),
		report.Count("held at the signal", s.PayloadBytes-s.DeliveredBytes-s.DuplicateBytes-s.IgnoredBytes))))
	line("lost", "%d bytes", s.LostBytes)
	line("sessions", "%d%s", s.Sessions, report.NonZero(report.Counts(
		report.Count("not SMTP", s.SMTP.NotSMTP), report.Count("ended by silence", s.Idle), report.Count("evicted", s.ConnsEvicted), report.Count("open at the end", s.Unfinished),
		report.Count("abandoned at the signal", s.Abandoned))))
	line("rows", "%d%s", rows, report.NonZero(outcomes(&s.SMTP)))
	if r.unwritten > 0 {
		line("unwritten", "%d rows lost", r.unwritten)
	}
	if r.repeated > 0 {
		line("repeated", "%d rows of files that are in the database already", r.repeated)
	}
	if st := r.stored; st != nil {
		stored(line, *st)
	}
	if anomalies := report.NonZero(report.Counts(
		report.Count("bad checksums", s.BadChecksums), report.Count("conflicts", s.Conflicts), report.Count("bytes not compared", s.Uncompared),
		report.Count("ignored resets", s.IgnoredResets), report.Count("half-open evicted", s.HalfOpenEvicted),
		report.Count("half-open ended by silence", s.HalfOpenIdle), report.Count("replies to no command", s.SMTP.Unsolicited),
		report.Count("holes given up for memory", s.HolesEvicted), report.Count("lines that are no replies", s.SMTP.Junk), report.Count("replies presumed", s.SMTP.Presumed),
		report.Count("limits met", s.SMTP.Overflows), report.Count("commands given up for work", s.SMTP.GivenUp), report.Count("octets left unread", s.SMTP.Unread),
	)); anomalies != "" {
		line("anomalies", "%s", strings.Trim(anomalies, " ()"))
	}
	line("seconds", "%.2f (%.0f packets/s, %.1f MB/s)", seconds, float64(r.frames)/seconds, float64(r.octets)/1e6/seconds)
}

// stored writes the fate of the rows. Each row that was spooled, or found in the spool, counts in one of the parentheses.
func stored(line func(name, format string, args ...any), s stream.Stats) {
	if n := s.Spool.Lost + s.Lost; n > 0 {
		line("unspooled", "%d rows lost", n)
	}
	if s.Spool.Found > 0 {
		line("found", "%d rows that an earlier run left", s.Spool.Found)
	}
	line("spooled", "%d%s", s.Spool.Appended+s.Left, report.NonZero(report.Counts(
		report.Count("loaded", s.Spool.Loaded), report.Count("waiting", s.Spool.Waiting+s.Spool.Open+s.Spool.Buffered), report.Count("set aside", s.Spool.SetAside),
		report.Count("damaged", s.Spool.Damaged), report.Count("left for the next replay", s.Spool.Dropped+s.Left))))
	line("database", "%d rows added%s", s.Loader.Added, report.NonZero(report.Counts(report.Count("already there", s.Loader.Held))))
	if s.Loader.Reloaded+s.Spool.Reentering > 0 {
		line("reloaded", "%d rows that the database lost%s", s.Loader.Reloaded, report.NonZero(report.Counts(report.Count("waiting", s.Spool.Reentering))))
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
