package reassembly

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"tap25/reassembly/decode/decodetest"
	traffic "tap25/reassembly/hostile"
	"tap25/reassembly/smtp"
)

// TestStraight_ChangesNothing has two Assemblers read the same frames, ordinary and hostile ones, damaged and in
// disorder: one of them lets no segment go straight. What they deliver, emit, count and hold is the same after each
// frame.
func TestStraight_ChangesNothing(t *testing.T) {
	frames := everything(150)
	ordinary := traffic.Ordinary()
	ordinary.Write(4000, func(at time.Time, frame []byte) {
		f := timedFrame{at, slices.Clone(frame)}
		if frames = append(frames, f); len(frames)%7 == 0 { // damaged, and sent again
			last := &frames[len(frames)-1]
			last.data = slices.Clone(f.data)
			last.data[len(f.data)-1] ^= 1
			frames = append(frames, f)
		}
	})
	for name, cfg := range map[string]Config{
		"far from the limits": {},
		"at the limits":       {MaxConns: 60, MaxHalfOpen: 40, MaxHeld: 1 << 20},
		"little memory":       {MaxHeld: 300 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			var both [2]follower
			for i := range both {
				both[i].begin(cfg, i == 0)
			}
			for i, f := range frames {
				for k := range both {
					both[k].asm.Frame(f.t, decodetest.LinkEthernet, f.data, len(f.data))
				}
				if want, got := both[0].said, both[1].said; !bytes.Equal(want, got) {
					t.Fatalf("frame %d: (general) %q\n(straight) %q", i, want, got)
				}
				if want, got := both[0].state(), both[1].state(); want != got {
					t.Fatalf("frame %d: (general) %+v\n(straight) %+v", i, want, got)
				}
				if want, got := &both[0].asm.shared.stats, &both[1].asm.shared.stats; i%100 == 0 && *want != *got {
					t.Fatalf("frame %d: (general) %+v\n(straight) %+v", i, want, got)
				}
				for k := range both {
					both[k].said = both[k].said[:0]
				}
			}
		})
	}
}

// follower is an Assembler, and what it has delivered and emitted for the frame at hand.
type follower struct {
	asm  *Assembler
	said []byte
}

func (f *follower) begin(cfg Config, general bool) {
	cfg.Emit = func(e *smtp.Envelope) { f.said = e.AppendJSON(f.said) }
	f.asm = New(cfg)
	f.asm.general = general
	f.asm.shared.trace = func(d delivery) {
		f.said = append(fmt.Append(f.said, d.dir, d.lost, d.acked), d.data...)
	}
}

// assemblerState is what a segment may change, besides the counters.
type assemblerState struct {
	held                                int64
	recent, ended, keeping, vast, holed int
	latest                              connState
}

// connState is that of the connection that was heard of last.
type connState struct {
	last        time.Time
	ackedAt     [2]time.Time
	next, acked [2]int64
	edge, bare  [2]int64
	due         time.Time
	size        int64
	heardAt     uint64
	right       [2]bool
	seen        [2]bool
}

func (f *follower) state() assemblerState {
	l := &f.asm.lists
	s := assemblerState{held: l.held, recent: l.recent.n, ended: l.ended.n,
		keeping: l.keeping.n, vast: l.vast.n, holed: len(l.holed.conns)}
	if c := l.recent.first; c != nil {
		s.latest = connState{last: c.last, due: c.hole.due, size: c.size, heardAt: c.heardAt, right: c.right}
		for d := range c.half {
			h := &c.half[d]
			s.latest.ackedAt[d], s.latest.seen[d] = h.ackedAt, h.seen
			s.latest.next[d], s.latest.acked[d], s.latest.edge[d], s.latest.bare[d] = h.next, h.acked, h.edge, h.bare
		}
	}
	return s
}
