package report

import "io"

// Summary writes the counters of a sniff. Those in parentheses add up to the number before them, except for sessions,
// where they count only sessions that did not end normally.
func (r *Report) Summary(w io.Writer) {
	line := func(name, format string, args ...any) { Line(w, name, format, args...) }
	dropped := Sum(r.Dropped)
	line("seen", "%v%s", r.Seen, NonZero(Counts(
		Count("dropped by design", dropped), Count("ring full", r.RingFull), Count("delivered", r.Delivered))))
	line("dropped", "%v%s", dropped, NonZero(Named(r.Dropped)))
	line("packets", "%v%s", r.Read, NonZero(Named(r.Frames)))
	if n := r.waiting(); n > 0 {
		line("unread", "%v packets that the signal left in the rings", n)
	}
	if len(r.Unopened) > 0 {
		line("unopened", "%s", UnopenedText(r.Unopened))
	}
	line("bytes", "%v", r.Octets)
	line("payload", "%v bytes%s", Sum(r.Payload), NonZero(Named(r.Payload)))
	if b := r.Bodies; b != nil {
		line("bodies", "%v bytes stayed in the kernel%s", b.Octets,
			NonZero(Counts(Count("marks", b.Marks), Count("marks missed", b.Missed))))
	}
	line("lost", "%v bytes", r.LostBytes)
	if text := SkewText(r.ClockSkew); text != "" {
		line("clocks", "%s", text)
	}
	line("sessions", "%v%s", r.Sessions, NonZero(Named(r.SessionEnds)))
	line("rows", "%v%s", r.Rows, NonZero(Named(r.Outcomes)))
	if r.OutOfScope != nil {
		line("outside", "%v rows out of scope%s", Sum(r.OutOfScope), NonZero(Named(r.OutOfScope)))
	}
	if s := r.Store; s != nil {
		line("coverage", "%v records", s.Coverage)
		line("spool", "%v%s", s.Spooled+s.InMemory+s.Lost, NonZero(Counts(Count("spooled", s.Spooled),
			Count("in memory", s.InMemory), Count("lost", s.Lost))))
		line("database", "%v rows and records loaded%s", s.Loaded, NonZero(Counts(
			Count("waiting", s.Waiting), Count("set aside", s.SetAside), Count("damaged", s.Damaged))))
		if s.Reloaded+s.Reloading > 0 {
			line("reloaded", "%v rows and records that the database lost%s", s.Reloaded,
				NonZero(Counts(Count("waiting", s.Reloading))))
		}
	}
	if anomalies := NonZero(Named(r.Anomalies)); anomalies != "" {
		line("anomalies", "%s", anomalies[2:len(anomalies)-1])
	}
	seconds := r.At.Sub(r.Started).Seconds()
	line("seconds", "%.2f", seconds)
}
