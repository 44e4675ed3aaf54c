package reassembly

import (
	"fmt"
	"testing"
	"time"
)

// skew gives the segments a round trip of 40 ms, sets the clock of one side back, and puts them in the order of their
// times.
func (w *wire) skew(side int, by time.Duration) {
	pace(w.frames, func(int) time.Duration { return 20 * time.Millisecond })
	w.frames = skewed(w.frames, side, -by)
	for i := range w.frames {
		if w.frames[i].wait = 0; i > 0 {
			w.frames[i].wait = w.frames[i].at - w.frames[i-1].at - time.Millisecond
		}
	}
}

// clockCases are captures of two cards, or two files, whose clocks differ.
func clockCases() (out []scenario) {
	both := []row{accepted(1, "1"), accepted(2, "2")}
	// the first frame is data, or the SYN-ACK
	notCaptured := [2][]row{{accepted(1, "1", "midstream"), accepted(2, "2", "midstream")}, both}
	for side, name := range []string{"client", "server"} {
		for _, by := range []time.Duration{30 * time.Millisecond, 400 * time.Millisecond, 3 * time.Second,
			25 * time.Second} {
			out = append(out, scenario{name: fmt.Sprintf("clocks-%s-early-by-%v", name, by), build: func(w *wire) {
				w.session("1", "2")
				w.skew(side, by)
			}, rows: both, stats: func(t *testing.T, s Stats) {
				if s.LostBytes != 0 || s.ClockSkew > by ||
					by >= 400*time.Millisecond && s.ClockSkew < by-100*time.Millisecond {
					t.Errorf("%d octets lost, a skew of %v", s.LostBytes, s.ClockSkew)
				}
			}})
		}
		out = append(out,
			scenario{name: "clocks-" + name + "-early-and-a-loss", build: func(w *wire) {
				w.session("1", "2")
				w.drop("one")
				w.skew(side, 400*time.Millisecond)
			}, rows: []row{both[0].with(gap(5)...).with("message_bytes", nil), both[1].with("lost_bytes", 5)}},
			scenario{name: "clocks-" + name + "-early-and-a-decoy", build: func(w *wire) { // with a wrong checksum
				w.session("1", "2")
				w.copyOf("RCPT", 0, func(f *timed) { f.wrap = corruptTCP; other(f) })
				w.skew(side, 400*time.Millisecond)
			}, rows: both},
			scenario{name: "clocks-" + name + "-early-syn-not-captured", build: func(w *wire) {
				w.session("1", "2")
				w.frames = w.frames[1:]
				w.skew(side, 400*time.Millisecond)
			}, rows: notCaptured[side]},
			scenario{name: "clocks-" + name + "-early-merged-flights", build: func(w *wire) {
				w.oneFlight()
				w.spoil(offloaded, client)
				w.skew(side, 400*time.Millisecond)
			}, rows: []row{accepted(1, "")}})
	}
	return out
}
