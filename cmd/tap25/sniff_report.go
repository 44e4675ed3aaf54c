package main

import (
	"maps"
	"os"
	"time"

	"tap25/bpf"
	"tap25/reassembly"
	"tap25/reassembly/smtp"
)

// report holds the counters of a running sniff, for tap25 status, /metrics and the closing summary.
// Seen = dropped by design + ring full + delivered; delivered = read + waiting in the rings; read = the frames by verdict.
type report struct {
	Version    string            `json:"version"`
	PID        int               `json:"pid"`
	Sensor     string            `json:"sensor"`
	Started    time.Time         `json:"started"`
	At         time.Time         `json:"at"`
	Interfaces []interfaceReport `json:"interfaces"`
	NotLive    []string          `json:"not_live"`  // why it is not live
	NotReady   []string          `json:"not_ready"` // why it is not ready

	Seen      int64            `json:"seen"`
	Dropped   map[string]int64 `json:"dropped"` // by design
	RingFull  int64            `json:"ring_full"`
	Delivered int64            `json:"delivered"`
	Cut       int64            `json:"cut"` // delivered, but not whole
	Rings     []ringReport     `json:"rings"`

	Read    int64            `json:"read"`
	Octets  int64            `json:"octets"`
	Longest int64            `json:"longest"` // octets of the longest frame
	Lost    int64            `json:"lost"`    // losses of the rings that the workers know of
	Frames  map[string]int64 `json:"frames"`
	Payload map[string]int64 `json:"payload"`

	ToServers   int64            `json:"to_servers"` // segments
	FromServers int64            `json:"from_servers"`
	Sessions    int64            `json:"sessions"`
	SessionEnds map[string]int64 `json:"session_ends"` // sessions that did not end normally
	LostBytes   int64            `json:"lost_bytes"`
	Rows        int64            `json:"rows"`
	Outcomes    map[string]int64 `json:"outcomes"`
	Anomalies   map[string]int64 `json:"anomalies"`
	ClockSteps  int64            `json:"clock_steps"`

	Store *storeReport `json:"store,omitempty"` // nil: --json
}

type interfaceReport struct {
	Name   string `json:"name"`
	Native bool   `json:"native"`
	Up     bool   `json:"up"`
	Away   bool   `json:"away"`
}

type ringReport struct {
	Delivered int64 `json:"delivered"`
	Full      int64 `json:"full"`
	Read      int64 `json:"read"`
}

// storeReport counts rows by their fate: rows = spooled + lost, and spooled + found at the start = loaded + waiting + set aside +
// damaged + dropped. Kept and reloaded rows are among the loaded ones of this or an earlier run.
type storeReport struct {
	Spooled  int64 `json:"spooled"`
	Lost     int64 `json:"lost"`
	Loaded   int64 `json:"loaded"`
	Waiting  int64 `json:"waiting"`
	SetAside int64 `json:"set_aside"`
	Found    int64 `json:"found"`
	Damaged  int64 `json:"damaged"` // by the disk
	Dropped  int64 `json:"dropped"` // at the end, because they could not be written
	Away     bool  `json:"database_away"`

	Kept      int64 `json:"kept"`       // in segments that stay for a while after their load
	KeptShort int64 `json:"kept_short"` // in segments that went early, because space was needed
	Reloading int64 `json:"reloading"`  // lost by the database, and waiting again
	Reloaded  int64 `json:"reloaded"`   // and loaded again
}

// report gathers the counters. It reads them one after the other, so that sums are exact only while no traffic passes.
func (t *tap) report() *report {
	now := time.Now()
	r := &report{
		Version: version(), PID: os.Getpid(), Sensor: t.settings.sensor, Started: t.started.UTC(), At: now.UTC(),
		NotLive: t.notLive(now), NotReady: t.notReady(),
	}
	var sum reassembly.Stats
	for _, w := range t.workers { // before the kernel's counters, so that read never exceeds delivered
		c := w.published.Load()
		r.Read += c.Frames
		r.Octets += c.Octets
		r.Lost += c.Lost
		r.Longest = max(r.Longest, c.Longest)
		r.Rings = append(r.Rings, ringReport{Read: c.Frames})
		sum.Add(&c.Reassembly)
	}
	r.takeReassembly(&sum)
	stats, _ := t.live.Stats() // an error is in NotReady
	r.Seen, r.RingFull, r.Delivered, r.ClockSteps = int64(stats.Seen()), int64(stats.Full()), int64(stats.Delivered()), int64(stats.ClockSteps)
	r.Dropped = map[string]int64{}
	for v, n := range stats.Verdicts {
		if v := bpf.Verdict(v); !v.Kept() {
			r.Dropped[v.String()] = int64(n)
		}
	}
	for i, ring := range stats.Rings {
		r.Cut += int64(ring.Cut)
		if i < len(r.Rings) {
			r.Rings[i].Delivered, r.Rings[i].Full = int64(ring.Delivered), int64(ring.Full)
		}
	}
	for _, l := range stats.Links {
		r.Interfaces = append(r.Interfaces, interfaceReport(l))
	}
	if t.out.report != nil {
		r.Store = t.out.report()
	}
	return r
}

func (r *report) takeReassembly(s *reassembly.Stats) {
	r.Frames = maps.Collect(s.Frames.All())
	r.Payload = map[string]int64{"in order": s.DeliveredBytes, "duplicate": s.DuplicateBytes, "ignored": s.IgnoredBytes,
		"held": s.PayloadBytes - s.DeliveredBytes - s.DuplicateBytes - s.IgnoredBytes}
	r.ToServers, r.FromServers = s.ToServers, s.FromServers
	r.Sessions, r.LostBytes = s.Sessions, s.LostBytes
	r.SessionEnds = map[string]int64{
		"not SMTP": s.SMTP.NotSMTP, "ended by silence": s.Idle, "evicted": s.ConnsEvicted, "open at the end": s.Unfinished,
	}
	if s.Abandoned > 0 { // only after a signal
		r.SessionEnds["abandoned at the signal"] = s.Abandoned
	}
	r.Outcomes = map[string]int64{}
	for o, name := range smtp.Outcomes() {
		r.Outcomes[name] = s.SMTP.Rows[o]
		r.Rows += s.SMTP.Rows[o]
	}
	r.Anomalies = map[string]int64{
		"bad checksums": s.BadChecksums, "conflicts": s.Conflicts, "bytes not compared": s.Uncompared,
		"ignored resets": s.IgnoredResets, "half-open evicted": s.HalfOpenEvicted, "half-open ended by silence": s.HalfOpenIdle,
		"holes given up for memory": s.HolesEvicted, "replies to no command": s.SMTP.Unsolicited,
		"lines that are no replies": s.SMTP.Junk, "replies presumed": s.SMTP.Presumed, "limits met": s.SMTP.Overflows,
		"commands given up for work": s.SMTP.GivenUp, "octets left unread": s.SMTP.Unread,
		"fragments expired": s.Fragments.Expired, "fragments evicted": s.Fragments.Evicted, "bad fragments": s.Fragments.Bad,
	}
}

// waiting is the number of frames in the rings.
func (r *report) waiting() int64 { return max(r.Delivered-r.Read, 0) }

func sumOf(counts map[string]int64) (n int64) {
	for _, k := range counts {
		n += k
	}
	return n
}
