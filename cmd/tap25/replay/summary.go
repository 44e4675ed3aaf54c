package replay

import (
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"tap25/cmd/tap25/report"
	"tap25/cmd/tap25/scope"
	"tap25/reassembly"
	"tap25/reassembly/smtp"
	"tap25/store/stream"
)

// Summary is what a replay has counted.
type Summary struct {
	Frames, Octets int64
	Rows           int64 // emitted
	OutsidePeriod  int64 // of these
	Repeated       int64 // rows that were left out, because they are in the database already
	Unwritten      int64 // rows that standard output did not take
	Scope          scope.Counts
	Traffic        reassembly.Stats
	Stored         *stream.Stats // nil: standard output
	Elapsed        time.Duration
	Broken         bool // the input was not read to its end
}

// Write writes the counters. Those in parentheses add up to the number before them, except for sessions, where they
// count only sessions that did not end normally.
func (s *Summary) Write(w io.Writer) {
	line := func(name, format string, args ...any) { report.Line(w, name, format, args...) }
	t := &s.Traffic
	seconds := max(s.Elapsed, time.Microsecond).Seconds()
	line("packets", "%v%s", s.Frames, report.NonZero(t.Frames.All()))
	if list := report.UnopenedIn(t); len(list) > 0 {
		line("unopened", "%s", report.UnopenedText(list))
	}
	line("bytes", "%v", s.Octets)
	if f := t.Fragments; f.In > 0 {
		line("fragments", "%v%s", f.In, nonZero(
			count("reassembled", f.Reassembled), count("duplicate", f.Duplicate), count("overlapping", f.Overlapping),
			count("of other ports", f.Irrelevant), count("bad", f.Bad), count("expired", f.Expired),
			count("evicted", f.Evicted),
			count("incomplete at the end", f.Held)))
	}
	line("payload", "%v bytes%s", t.PayloadBytes, nonZero(
		count("in order", t.DeliveredBytes), count("duplicate", t.DuplicateBytes), count("ignored", t.IgnoredBytes),
		count("held at the signal", t.PayloadBytes-t.DeliveredBytes-t.DuplicateBytes-t.IgnoredBytes)))
	line("lost", "%v bytes", t.LostBytes)
	if text := report.SkewText(t.ClockSkew); text != "" {
		line("clocks", "%s", text)
	}
	line("sessions", "%v%s", t.Sessions, nonZero(
		count("not SMTP", t.SMTP.NotSMTP), count("ended by silence", t.Idle), count("evicted", t.ConnsEvicted),
		count("open at the end", t.Unfinished), count("abandoned at the signal", t.Abandoned)))
	s.writeRows(line)
	if anomalies := anomaliesOf(t); anomalies != "" {
		line("anomalies", "%s", strings.Trim(anomalies, " ()"))
	}
	line("seconds", "%.2f (%v packets/s, %.1f MB/s)", seconds, int64(float64(s.Frames)/seconds),
		float64(s.Octets)/1e6/seconds)
	if text := s.Scope.Warning(); text != "" {
		fmt.Fprintln(w, "tap25: "+text)
	}
	if text, whole := s.verdict(); whole {
		line("verdict", "%s", text)
	} else {
		fmt.Fprintln(w, "tap25: "+text)
	}
}

// writeRows writes what became of the rows.
func (s *Summary) writeRows(line func(name, format string, args ...any)) {
	line("rows", "%v%s", s.Rows, report.NonZero(outcomes(&s.Traffic.SMTP)))
	if s.OutsidePeriod > 0 {
		line("period", "%v rows outside the period", s.OutsidePeriod)
	}
	if s.Scope.Dropped != nil {
		line("outside", "%v rows out of scope%s", s.Scope.Sum(), report.NonZero(report.Named(s.Scope.Dropped)))
	}
	if s.Unwritten > 0 {
		line("unwritten", "%v rows lost", s.Unwritten)
	}
	if s.Repeated > 0 {
		line("repeated", "%v rows of files that are in the database already", s.Repeated)
	}
	if st := s.Stored; st != nil {
		stored(line, *st)
	}
}

// anomaliesOf lists the counters of what is unusual in the traffic; "" if all are 0.
func anomaliesOf(t *reassembly.Stats) string {
	return nonZero(
		count("bad checksums", t.BadChecksums), count("conflicts", t.Conflicts),
		count("bytes not compared", t.Uncompared),
		count("ignored resets", t.IgnoredResets), count("half-open evicted", t.HalfOpenEvicted),
		count("half-open ended by silence", t.HalfOpenIdle), count("replies to no command", t.SMTP.Unsolicited),
		count("holes given up for memory", t.HolesEvicted), count("lines that are no replies", t.SMTP.Junk),
		count("replies presumed", t.SMTP.Presumed), count("limits met", t.SMTP.Overflows),
		count("commands given up for work", t.SMTP.GivenUp), count("octets left unread", t.SMTP.Unread),
		count("rows captured twice", t.CopiedRows),
	)
}

// stored writes the fate of the rows and the coverage. Each that was spooled, or found in the spool, counts in one of the
// parentheses.
func stored(line func(name, format string, args ...any), s stream.Stats) {
	if n := s.Spool.Lost + s.Lost; n > 0 {
		line("unspooled", "%v rows lost", n)
	}
	if s.Spool.Found > 0 {
		line("found", "%v rows that an earlier run left", s.Spool.Found)
	}
	line("coverage", "%v records%s", s.Covered, nonZero(count("loaded", s.Loader.Coverage)))
	line("spooled", "%v%s", s.Spool.Appended+s.Left, nonZero(
		count("loaded", s.Spool.Loaded), count("waiting", s.Spool.Waiting+s.Spool.Open+s.Spool.Buffered),
		count("set aside", s.Spool.SetAside), count("damaged", s.Spool.Damaged),
		count("left for the next replay", s.Spool.Dropped+s.Left)))
	line("database", "%v rows added%s", s.Loader.Added, nonZero(count("already there", s.Loader.Held)))
	if s.Loader.Reloaded+s.Spool.Reentering > 0 {
		line("reloaded", "%v rows and records that the database lost%s", s.Loader.Reloaded,
			nonZero(count("waiting", s.Spool.Reentering)))
	}
}

func count(name string, n int64) report.Counter { return report.Count(name, n) }

// nonZero lists the counters that are not 0, in parentheses.
func nonZero(list ...report.Counter) string { return report.NonZero(report.Counts(list...)) }

func outcomes(s *smtp.Stats) iter.Seq2[string, int64] {
	return func(yield func(string, int64) bool) {
		for o, name := range smtp.Outcomes() {
			if !yield(name, s.Rows[o]) {
				return
			}
		}
	}
}
