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

// Summary is what a replay has counted.
type Summary struct {
	Frames, Octets int64
	Rows           int64 // emitted
	Repeated       int64 // rows that were left out, because they are in the database already
	Unwritten      int64 // rows that standard output did not take
	Traffic        reassembly.Stats
	Stored         *stream.Stats // nil: standard output
	Elapsed        time.Duration
}

// Write writes the counters. Those in parentheses add up to the number before them, except for sessions, where they count only
// sessions that did not end normally.
func (s *Summary) Write(w io.Writer) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-10s"+format+"\n", append([]any{name}, args...)...)
	}
	t := &s.Traffic
	seconds := max(s.Elapsed, time.Microsecond).Seconds()
	line("packets", "%d%s", s.Frames, report.NonZero(t.Frames.All()))
	line("bytes", "%d", s.Octets)
	if f := t.Fragments; f.In > 0 {
		line("fragments", "%d%s", f.In, report.NonZero(report.Counts(
			report.Count("reassembled", f.Reassembled), report.Count("duplicate", f.Duplicate), report.Count("overlapping", f.Overlapping),
			report.Count("of other ports", f.Irrelevant), report.Count("bad", f.Bad), report.Count("expired", f.Expired), report.Count("evicted", f.Evicted),
			report.Count("incomplete at the end", f.Held))))
	}
	line("payload", "%d bytes%s", t.PayloadBytes, report.NonZero(report.Counts(
		report.Count("in order", t.DeliveredBytes), report.Count("duplicate", t.DuplicateBytes), report.Count("ignored", t.IgnoredBytes),
		report.Count("held at the signal", t.PayloadBytes-t.DeliveredBytes-t.DuplicateBytes-t.IgnoredBytes))))
	line("lost", "%d bytes", t.LostBytes)
	line("sessions", "%d%s", t.Sessions, report.NonZero(report.Counts(
		report.Count("not SMTP", t.SMTP.NotSMTP), report.Count("ended by silence", t.Idle), report.Count("evicted", t.ConnsEvicted), report.Count("open at the end", t.Unfinished),
		report.Count("abandoned at the signal", t.Abandoned))))
	line("rows", "%d%s", s.Rows, report.NonZero(outcomes(&t.SMTP)))
	if s.Unwritten > 0 {
		line("unwritten", "%d rows lost", s.Unwritten)
	}
	if s.Repeated > 0 {
		line("repeated", "%d rows of files that are in the database already", s.Repeated)
	}
	if st := s.Stored; st != nil {
		stored(line, *st)
	}
	if anomalies := report.NonZero(report.Counts(
		report.Count("bad checksums", t.BadChecksums), report.Count("conflicts", t.Conflicts), report.Count("bytes not compared", t.Uncompared),
		report.Count("ignored resets", t.IgnoredResets), report.Count("half-open evicted", t.HalfOpenEvicted),
		report.Count("half-open ended by silence", t.HalfOpenIdle), report.Count("replies to no command", t.SMTP.Unsolicited),
		report.Count("holes given up for memory", t.HolesEvicted), report.Count("lines that are no replies", t.SMTP.Junk), report.Count("replies presumed", t.SMTP.Presumed),
		report.Count("limits met", t.SMTP.Overflows), report.Count("commands given up for work", t.SMTP.GivenUp), report.Count("octets left unread", t.SMTP.Unread),
	)); anomalies != "" {
		line("anomalies", "%s", strings.Trim(anomalies, " ()"))
	}
	line("seconds", "%.2f (%.0f packets/s, %.1f MB/s)", seconds, float64(s.Frames)/seconds, float64(s.Octets)/1e6/seconds)
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
