package page

import (
	"cmp"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"tap25/cmd/tap25/report"
	"tap25/store/numeral"
)

// view is what the page shows, as texts: each is in the element of its name, in the page as it comes and after each
// refresh. A loud one reports a loss.
type view struct {
	State   state             `json:"state"`
	Reasons []string          `json:"reasons"`
	Texts   map[string]string `json:"texts"`
	Loud    map[string]bool   `json:"loud"`

	Steps    []step   `json:"-"`
	Outcomes []string `json:"-"`
	Past     []table  `json:"-"`
}

// step is a row of the ladder from the wire to the database. Its texts are NAME-rate, -total, -lost and -note.
type step struct{ Name, Title, Unit string }

// The steps; the last two are those of a tap with a database.
var ladder = []step{
	{"seen", "Seen", "frames"}, {"other", "Other traffic", "frames"}, {"ring", "Ring", "frames"},
	{"decoded", "Decoded", "frames"}, {"sessions", "Sessions", "sessions"}, {"rows", "Recipients", "rows"},
	{"spool", "Spool", "rows"}, {"database", "Database", "rows"},
}

// rateOver is the time over which rates are measured.
const rateOver = time.Minute

func viewOf(r *report.Report, past *history) *view {
	v := &view{Texts: map[string]string{}, Loud: map[string]bool{}, Steps: ladder, Outcomes: outcomes[:]}
	if r.Store == nil {
		v.Steps = ladder[:len(ladder)-2]
	}
	now := sampleOf(r)
	before := past.before(now, lately)
	v.State, v.Reasons = judge(r, before)
	v.Past = []table{
		{"The last hour", buckets(past.hour, 5*time.Minute)}, {"The last day", buckets(past.day, 2*time.Hour)},
	}
	v.head(r, before)
	then := past.before(now, rateOver)
	v.ladder(r, now, then)
	v.mail(now, then)
	v.room(r)
	return v
}

// Span returns the element of a text. html/template does not escape it again.
func (v *view) Span(name string) template.HTML {
	class := ""
	if v.Loud[name] {
		class = ` class="loud"`
	}
	return template.HTML(fmt.Sprintf(`<span id="%s"%s>%s</span>`, name, class,
		template.HTMLEscapeString(v.Texts[name])))
}

func (v *view) set(name, format string, args ...any) { v.Texts[name] = fmt.Sprintf(format, args...) }

// lost sets a text that is loud if something was lost, of a whole.
func (v *view) lost(name string, n, whole int64) {
	v.Texts[name] = numeral.Grouped(n)
	if v.Loud[name] = n > 0; n > 0 {
		v.Texts[name] += " (" + strings.ReplaceAll(report.Share(n, whole), " ", "\u00a0") + ")"
	}
}

func (v *view) head(r *report.Report, before sample) {
	v.set("verdict", "%s", map[state]string{
		recording: "Mail is being recorded. Nothing is being lost.",
		degraded:  "Mail is being recorded, with trouble.",
		stopped:   "Mail is not being recorded.",
	}[v.State])
	switch {
	case v.State == degraded && losing(r, before):
		v.set("verdict", "Mail is being recorded, and some is being lost.")
	case v.State == recording && r.LostBytes > before.lostBytes:
		v.set("verdict", "Mail is being recorded. Some of it does not reach tap25.")
	}
	last := "No mail has passed yet."
	if !r.LastMail.IsZero() {
		last = "The last mail passed " + report.Span(r.At.Sub(r.LastMail)) + " ago."
	} else if v.State == recording {
		v.set("verdict", "Ready to record.")
	}
	v.set("last", "%s %s", last, lostOf(r))
	v.set("sensor", "%s", r.Sensor)
	v.set("running", "running for %s", report.Span(r.At.Sub(r.Started)))
	v.set("version", "%s", r.Release())
	v.set("at", "%s UTC", r.At.UTC().Format("2006-01-02 15:04:05"))
}

// lostOf says what was lost since the start: of frames, of what sessions hold, and of rows.
func lostOf(r *report.Report) string {
	var lost []string
	if r.RingFull > 0 {
		lost = append(lost, numeral.Grouped(r.RingFull)+" frames")
	}
	if r.LostBytes > 0 {
		lost = append(lost, report.Bytes(r.LostBytes)+" of sessions")
	}
	if s := r.Store; s != nil && s.Lost+s.Damaged > 0 {
		lost = append(lost, numeral.Grouped(s.Lost+s.Damaged)+" rows")
	}
	if lost == nil {
		return "Nothing was lost since the start."
	}
	return "Lost since the start: " + strings.Join(lost, ", ") + "."
}

// ladder sets the rates and totals of each step, and what was lost there.
func (v *view) ladder(r *report.Report, now, then sample) {
	seconds := now.at.Sub(then.at).Seconds()
	set := func(name string, total, before int64) {
		v.Texts[name+"-total"] = numeral.Grouped(total)
		v.Texts[name+"-rate"] = rate(total-before, seconds)
	}
	set("seen", now.seen, then.seen)
	v.set("seen-note", "%s", interfaces(r.Interfaces))
	set("other", now.dropped, then.dropped)
	v.set("other-note", "left out by design")
	set("ring", now.delivered, then.delivered)
	v.lost("ring-lost", r.RingFull, r.RingFull+r.Delivered)
	used, size := int64(0), int64(0)
	for _, w := range r.Workers {
		used, size = used+w.Used, size+w.Capacity
	}
	v.set("ring-note", "%s in use", report.Share(used, size))
	set("decoded", now.read, then.read)
	v.lost("decoded-lost", r.Damaged(), r.Read)
	v.set("decoded-note", "cut or malformed")
	set("sessions", now.sessions, then.sessions)
	v.Texts["sessions-lost"], v.Loud["sessions-lost"] = report.Bytes(r.LostBytes), r.LostBytes > 0
	v.set("sessions-note", "not captured")
	set("rows", r.Rows, sum(then.rows))
	v.set("rows-note", "%s mails", numeral.Grouped(report.Sum(r.Mails)))
	if r.OutOfScope != nil {
		v.Texts["rows-note"] += ", " + numeral.Grouped(report.Sum(r.OutOfScope)) + " rows out of scope"
	}
	if s := r.Store; s != nil {
		set("spool", s.Spooled, then.spooled)
		v.lost("spool-lost", s.Lost, s.Lost+s.Spooled+s.InMemory)
		v.set("spool-note", "%s wait", numeral.Grouped(s.Waiting))
		if s.InMemory > 0 {
			v.Texts["spool-note"] += ", " + numeral.Grouped(s.InMemory) + " in memory"
		}
		if s.Coverage > 0 {
			v.Texts["spool-note"] += ", " + numeral.Grouped(s.Coverage) + " of coverage"
		}
		set("database", s.Loaded, then.loaded)
		v.lost("database-lost", s.Damaged+s.SetAside, s.Damaged+s.SetAside+s.Loaded)
		v.set("database-note", "refused, damaged")
	}
}

func rate(n int64, seconds float64) string {
	switch per := float64(n) / max(seconds, 1e-3); {
	case seconds < 1:
		return "–"
	case per >= 10 || n == 0:
		return numeral.Grouped(int64(per + 0.5))
	default:
		return fmt.Sprintf("%.1f", per)
	}
}

func interfaces(list []report.Interface) string {
	var parts []string
	for _, i := range list {
		state := "up"
		switch {
		case i.Away:
			state = "gone"
		case !i.Up:
			state = "down"
		}
		parts = append(parts, i.Name+" "+state)
	}
	return strings.Join(parts, ", ")
}

// mail sets what was counted of each outcome in the last minute and since the start.
func (v *view) mail(now, then sample) {
	for i, name := range outcomes {
		v.Texts[name+"-mails"] = perMinute(now.mails[i]-then.mails[i], now.at.Sub(then.at))
		v.Texts[name+"-rows"] = perMinute(now.rows[i]-then.rows[i], now.at.Sub(then.at))
		v.Texts[name+"-total"] = numeral.Grouped(now.rows[i])
	}
	encrypted := len(outcomes) - 1
	v.Texts["encrypted-mails"] = "–" // nobody sees how many mails a session has that is encrypted
	v.set("encrypted-share", "%s of %s sessions are encrypted", report.Share(now.rows[encrypted], now.sessions),
		numeral.Grouped(now.sessions))
}

// perMinute returns what came in the last minute, of what came in a time; all of it if the tap runs for less.
func perMinute(n int64, d time.Duration) string {
	if d < time.Second {
		return "–"
	}
	return numeral.Grouped(int64(float64(n)/max(d.Minutes(), 1) + 0.5))
}

// room sets what waits, what there is room for, and what the tap depends on.
func (v *view) room(r *report.Report) {
	var tunnels []string
	for _, u := range r.Unopened[:min(len(r.Unopened), 2)] {
		tunnels = append(tunnels, u.What+": "+numeral.Grouped(u.Frames))
	}
	v.set("tunnels", "%s", cmp.Or(strings.Join(tunnels, ", "), "none seen"))
	v.clock(r.Clock)
	s := r.Store
	if s == nil {
		return
	}
	v.set("lag", "%s rows, %s", numeral.Grouped(s.Waiting), report.Span(s.Age))
	v.set("load", "none since the start")
	if !s.LastLoad.IsZero() {
		v.set("load", "%s ago", report.Span(r.At.Sub(s.LastLoad)))
	}
	v.set("spool-size", "%s of %s", report.Bytes(s.SpoolBytes), report.Bytes(s.SpoolLimit))
	v.set("database-size", "not known")
	if s.DatabaseBytes > 0 {
		v.set("database-size", "%s", report.Bytes(s.DatabaseBytes))
	}
	v.set("free", "%s", free(s))
	v.full(r.At, s.Forecast)
}

// soon is within when a full disk is loud.
const soon = 7 * 24 * time.Hour

func (v *view) full(now time.Time, f *report.Forecast) {
	if f == nil {
		v.set("full", "not known yet")
		return
	}
	switch left := f.Full.Sub(now); {
	case f.Full.IsZero():
		v.set("full", "not within ten years")
	case left < 24*time.Hour:
		v.set("full", "in %s", report.Span(left))
		v.Loud["full"] = true
	default:
		v.set("full", "on %s", f.Full.UTC().Format("2 January 2006"))
		v.Loud["full"] = left < soon
	}
}

func free(s *report.Store) string {
	switch {
	case s.SpoolDisk == nil:
		return "not known"
	case s.DatabaseDisk == nil || *s.DatabaseDisk == *s.SpoolDisk:
		return report.Bytes(s.SpoolDisk.Free)
	}
	return report.Bytes(s.SpoolDisk.Free) + " for the spool, " + report.Bytes(s.DatabaseDisk.Free) + " for the database"
}

func (v *view) clock(c *report.Clock) {
	switch {
	case c == nil:
		v.set("clock", "not known")
	case !c.Synchronized:
		v.set("clock", "not synchronized")
		v.Loud["clock"] = true
	default:
		v.set("clock", "synchronized, ± %.1f ms", float64(c.EstimatedError.Microseconds())/1000)
	}
}

// table stands for the curves.
type table struct {
	Title   string
	Buckets []bucket
}

// mostBuckets is how many rows a table has.
const mostBuckets = 12

type bucket struct{ From, Read, Lost, Rows, Waiting string }

// buckets sums a past up, the latest first, in parts of a length.
func buckets(past []sample, length time.Duration) (list []bucket) {
	if len(past) == 0 {
		return nil
	}
	end := past[len(past)-1]
	for i := len(past) - 2; i >= 0 && len(list) < mostBuckets; i-- {
		s := past[i]
		if i > 0 && end.at.Sub(s.at) < length {
			continue
		}
		list = append(list, bucket{
			s.at.UTC().Format("15:04"), rate(end.read-s.read, end.at.Sub(s.at).Seconds()),
			numeral.Grouped(end.ringFull - s.ringFull), numeral.Grouped(sum(end.rows) - sum(s.rows)),
			numeral.Grouped(end.waiting),
		})
		end = s
	}
	return slices.Clip(list)
}

func sum(counts [len(outcomes)]int64) (n int64) {
	for _, k := range counts {
		n += k
	}
	return n
}
