package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tap25/reassembly"
	"tap25/reassembly/decode"
	"tap25/reassembly/smtp"
	"tap25/store"
	"tap25/store/numeral"
	"tap25/store/stream"
)

// Report holds the counters of a running sniff, for tap25 status, /metrics and the closing summary. Seen = dropped by
// design + ring full + delivered; delivered = read + waiting in the rings; read = the frames by verdict.
type Report struct {
	Version    string      `json:"version"`
	PID        int         `json:"pid"`
	Sensor     string      `json:"sensor"`
	Started    time.Time   `json:"started"`
	At         time.Time   `json:"at"`
	Interfaces []Interface `json:"interfaces"`
	NotLive    []string    `json:"not_live"`  // why it is not live
	NotReady   []string    `json:"not_ready"` // why it is not ready
	Degraded   []string    `json:"degraded"`  // what else needs attention; it keeps no mail from being recorded
	State      string      `json:"state"`     // the first that is true: not live, not ready, degraded, ok

	Seen      int64            `json:"seen"`
	Dropped   map[string]int64 `json:"dropped"` // by design
	RingFull  int64            `json:"ring_full"`
	Delivered int64            `json:"delivered"`
	Cut       int64            `json:"cut"` // delivered, but not whole
	Workers   []Worker         `json:"workers"`

	Read     int64            `json:"read"`
	Octets   int64            `json:"octets"`
	Longest  int64            `json:"longest"` // octets of the longest frame
	Lost     int64            `json:"lost"`    // losses of the rings that the workers know of
	Frames   map[string]int64 `json:"frames"`
	Unopened []Unopened       `json:"unopened"` // the most frequent first
	Payload  map[string]int64 `json:"payload"`
	Bodies   *Bodies          `json:"bodies,omitempty"` // nil: every frame is copied whole

	ToServers   int64            `json:"to_servers"` // segments
	FromServers int64            `json:"from_servers"`
	Sessions    int64            `json:"sessions"`
	SessionEnds map[string]int64 `json:"session_ends"` // sessions that did not end normally
	SessionsCut int64            `json:"sessions_cut"` // that lost octets
	LostBytes   int64            `json:"lost_bytes"`
	Rows        int64            `json:"rows"`
	Outcomes    map[string]int64 `json:"outcomes"`
	Mails       map[string]int64 `json:"mails"` // by outcome, see smtp.Stats
	Anomalies   map[string]int64 `json:"anomalies"`
	LastMail    time.Time        `json:"last_mail,omitzero"` // when the last row was emitted, in scope or not
	Clock       *Clock           `json:"clock,omitempty"`    // nil: the kernel may not be asked
	ClockSteps  int64            `json:"clock_steps"`
	ClockSkew   time.Duration    `json:"clock_skew_ns"` // between the directions of a connection, at least, the largest

	Scope string `json:"scope,omitempty"` // SHA-256 of the scope in force, in hexadecimal digits
	// rows that went nowhere, by rule; nil: there is no scope
	OutOfScope map[string]int64 `json:"out_of_scope,omitempty"`

	Store *Store `json:"store,omitempty"` // nil: --json
}

// Interface is the state of one interface.
type Interface struct {
	Name   string `json:"name"`
	Native bool   `json:"native"`
	Up     bool   `json:"up"`
	Away   bool   `json:"away"`

	Seen    int64            `json:"seen"` // = dropped by design + ring full + delivered of its rings
	Dropped map[string]int64 `json:"dropped"`
	Rings   []Ring           `json:"rings"`

	Frames int64 `json:"frames"` // read
	Octets int64 `json:"octets"`
}

// Bodies counts what stayed in the kernel.
type Bodies struct {
	Octets int64 `json:"octets"`       // of messages, which the payload includes
	Marks  int64 `json:"marks"`        // connections that were marked in a long message
	Missed int64 `json:"marks_missed"` // segments of long messages that could not be marked
	Active int64 `json:"marks_active"` // connections that are marked
}

// Ring counts the frames for the ring of a worker.
type Ring struct {
	Delivered int64 `json:"delivered"`
	Full      int64 `json:"full"`
	Cut       int64 `json:"cut"` // delivered, but not whole
}

// Unopened is a kind of frames that may hold a tunnel which tap25 does not read, such as "udp port 4341", and how many
// there were, in the kernel and after it. Rare kinds lose their place to others and begin anew, so that the number is
// about right for frequent ones alone.
type Unopened struct {
	What   string `json:"what"`
	Frames int64  `json:"frames"`
}

// mostUnopened is how many kinds a report has.
const mostUnopened = 16

// Worker counts the frames of one worker, from all interfaces.
type Worker struct {
	Ring
	Read     int64 `json:"read"`
	Capacity int64 `json:"capacity_bytes"` // of its ring
	Used     int64 `json:"used_bytes"`
}

// Store counts rows and records of coverage by their fate: rows + coverage = out of scope + spooled + in memory + lost,
// and spooled + found at the start = loaded + waiting + set aside + damaged. Kept and reloaded ones are among the loaded
// ones of this or an earlier run.
type Store struct {
	Coverage  int64     `json:"coverage"`            // records
	CoveredTo time.Time `json:"covered_to,omitzero"` // the end of the last of them

	Spooled  int64 `json:"spooled"`   // on disk
	InMemory int64 `json:"in_memory"` // that the spool's disk has not taken yet
	Lost     int64 `json:"lost"`
	Loaded   int64 `json:"loaded"`
	Waiting  int64 `json:"waiting"`
	SetAside int64 `json:"set_aside"`
	Found    int64 `json:"found"`
	Damaged  int64 `json:"damaged"` // by the disk
	Away     bool  `json:"database_away"`

	Kept      int64 `json:"kept"`       // in segments that stay for a while after their load
	KeptShort int64 `json:"kept_short"` // in segments that went early, because space was needed
	Reloading int64 `json:"reloading"`  // lost by the database, and waiting again
	Reloaded  int64 `json:"reloaded"`   // and loaded again

	Refusal       string              `json:"refusal,omitempty"` // why the spool accepts no rows; also in NotReady
	SpoolBytes    int64               `json:"spool_bytes"`
	SpoolLimit    int64               `json:"spool_limit_bytes"`
	Age           time.Duration       `json:"oldest_waiting_ns"` // of the oldest rows that wait; 0: none wait
	SpoolDisk     *Disk               `json:"spool_disk,omitempty"`
	DatabaseBytes int64               `json:"database_bytes"`          // 0: not known
	DatabaseDisk  *Disk               `json:"database_disk,omitempty"` // nil: another host's
	Forecast      *Forecast           `json:"forecast,omitempty"`      // nil: not known
	Retention     string              `json:"retention"`               // --retention; the stored one may be longer
	LastLoad      time.Time           `json:"last_load,omitzero"`      // that succeeded, of this run
	Loads         store.LoadDurations `json:"loads"`
}

// UnopenedIn returns what Assemblers have counted, the most frequent kind first.
func UnopenedIn(s *reassembly.Stats) (list []Unopened) {
	for _, c := range s.Unread.Top() {
		list = append(list, Unopened{c.What.String(), c.Frames})
	}
	return list
}

// SetUnopened sets the most frequent of the kinds in the lists.
func (r *Report) SetUnopened(lists ...[]Unopened) {
	sum := map[string]int64{}
	for _, l := range lists {
		for _, u := range l {
			sum[u.What] += u.Frames
		}
	}
	r.Unopened = []Unopened{}
	for what, n := range sum {
		r.Unopened = append(r.Unopened, Unopened{what, n})
	}
	slices.SortFunc(r.Unopened, func(a, b Unopened) int {
		return cmp.Or(cmp.Compare(b.Frames, a.Frames), strings.Compare(a.What, b.What))
	})
	r.Unopened = r.Unopened[:min(len(r.Unopened), mostUnopened)]
}

// SkewText says how far apart the clocks of two directions are, at least; it is "" below a millisecond.
func SkewText(skew time.Duration) string {
	if skew < time.Millisecond {
		return ""
	}
	return fmt.Sprintf("one direction is stamped at least %v earlier than the other", skew.Round(time.Millisecond))
}

// UnopenedText lists kinds with their numbers; it is "" if there are none.
func UnopenedText(list []Unopened) string {
	var parts []string
	for _, f := range list {
		parts = append(parts, f.What+": "+numeral.Grouped(f.Frames))
	}
	return strings.Join(parts, ", ")
}

// SetTraffic sets what the Assemblers count: frames, payload, sessions, rows and anomalies.
func (r *Report) SetTraffic(s *reassembly.Stats) {
	r.Frames = maps.Collect(s.Frames.All())
	r.SetUnopened(UnopenedIn(s))
	r.Payload = map[string]int64{"in order": s.DeliveredBytes, "duplicate": s.DuplicateBytes, "ignored": s.IgnoredBytes,
		heldPayload: s.PayloadBytes - s.DeliveredBytes - s.DuplicateBytes - s.IgnoredBytes}
	r.ToServers, r.FromServers = s.ToServers, s.FromServers
	r.Sessions, r.SessionsCut, r.LostBytes, r.ClockSkew = s.Sessions, s.Cut, s.LostBytes, s.ClockSkew
	r.SessionEnds = map[string]int64{
		"not SMTP": s.SMTP.NotSMTP, "ended by silence": s.Idle, "evicted": s.ConnsEvicted,
		"open at the end": s.Unfinished,
	}
	if s.Abandoned > 0 { // only after a signal
		r.SessionEnds["abandoned at the signal"] = s.Abandoned
	}
	r.Outcomes, r.Mails = map[string]int64{}, map[string]int64{}
	for o, name := range smtp.Outcomes() {
		r.Outcomes[name] = s.SMTP.Rows[o]
		if smtp.Outcome(o) != smtp.Encrypted { // a session, in which nobody counts mails
			r.Mails[name] = s.SMTP.Mails[o]
		}
		r.Rows += s.SMTP.Rows[o]
	}
	r.Anomalies = map[string]int64{
		badChecksums: s.BadChecksums, "conflicts": s.Conflicts, notCompared: s.Uncompared,
		"ignored resets": s.IgnoredResets, "half-open evicted": s.HalfOpenEvicted,
		"half-open ended by silence": s.HalfOpenIdle,
		"holes given up for memory":  s.HolesEvicted, "replies to no command": s.SMTP.Unsolicited,
		"lines that are no replies": s.SMTP.Junk, "replies presumed": s.SMTP.Presumed, "limits met": s.SMTP.Overflows,
		"commands given up for work": s.SMTP.GivenUp, leftUnread: s.SMTP.Unread,
		"fragments expired": s.Fragments.Expired, "fragments evicted": s.Fragments.Evicted,
		"bad fragments": s.Fragments.Bad,
		capturedTwice:   s.CopiedRows,
	}
}

// Names of counters that a reader of the report treats apart.
const (
	badChecksums  = "bad checksums"       // doctor judges it
	heldPayload   = "held"                // falls, since it waits for what comes before it
	notCompared   = "bytes not compared"  // unlike other anomalies, bytes
	leftUnread    = "octets left unread"  // likewise
	capturedTwice = "rows captured twice" // likewise, rows
)

// BadChecksums returns the number of TCP segments whose checksum was wrong.
func (r *Report) BadChecksums() int64 { return r.Anomalies[badChecksums] }

// Damaged returns the number of frames that the decoder found cut or malformed.
func (r *Report) Damaged() (n int64) {
	for v := range (decode.FrameCounts{}) {
		if v := decode.Verdict(v); v.Damaged() {
			n += r.Frames[v.String()]
		}
	}
	return n
}

// waiting is the number of frames in the rings.
func (r *Report) waiting() int64 { return max(r.Delivered-r.Read, 0) }

// StoreOf returns the counters of a stream. The limit and the disks are left to the caller.
func StoreOf(s stream.Stats) *Store {
	var age time.Duration
	if !s.Spool.OldestUnloaded.IsZero() {
		age = max(time.Since(s.Spool.OldestUnloaded), 0)
	}
	return &Store{
		Coverage: s.Covered, CoveredTo: s.Covers,
		Spooled: s.Spool.Appended - s.Spool.Buffered, InMemory: s.Spool.Buffered, Lost: s.Spool.Lost + s.Lost,
		Loaded: s.Spool.Loaded, Waiting: s.Spool.Waiting + s.Spool.Open,
		SetAside: s.Spool.SetAside, Found: s.Spool.Found, Damaged: s.Spool.Damaged,
		Away: s.Loader.Err != nil,
		Age:  age, SpoolBytes: s.Spool.Bytes, DatabaseBytes: s.DatabaseBytes, LastLoad: s.Loader.Last, Loads: s.Loader.Loads,
		Kept: s.Spool.Kept, KeptShort: s.Spool.KeptShort, Reloading: s.Spool.Reentering, Reloaded: s.Loader.Reloaded,
	}
}

// Release returns the number of the version, without commit and toolchain.
func (r *Report) Release() string {
	if words := strings.Fields(r.Version); len(words) > 1 {
		return words[1]
	}
	return r.Version
}

// SetState sets State from the lists of what is wrong.
func (r *Report) SetState() {
	switch {
	case len(r.NotLive) > 0:
		r.State = "not live"
	case len(r.NotReady) > 0:
		r.State = "not ready"
	case len(r.Degraded) > 0:
		r.State = "degraded"
	default:
		r.State = "ok"
	}
}

// Names lists the interfaces.
func (r *Report) Names() (list []string) {
	for _, i := range r.Interfaces {
		list = append(list, i.Name)
	}
	return list
}

// ListensOn reports whether frames of an interface are captured.
func (r *Report) ListensOn(name string) bool {
	for _, i := range r.Interfaces {
		if i.Name == name {
			return !i.Away
		}
	}
	return false
}
