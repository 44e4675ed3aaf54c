package sniff

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"tap25/bpf"
	"tap25/capture"
	"tap25/reassembly"
)

const (
	// publishEvery is the largest age of the counters that other goroutines see.
	publishEvery = 200 * time.Millisecond
	// lookEvery is how many frames a busy worker processes before it reads the clock, and looks for the end, again.
	lookEvery = 256
)

// worker turns the frames of one ring into rows. Only its own goroutine touches fields that are not atomic.
type worker struct {
	next   func(*capture.Frame) error
	ahead  func(bpf.Body)        // called after each frame; nil: no payload stays in the kernel
	marks  func() bpf.MarkCounts // nil if ahead is
	asm    *reassembly.Assembler
	counts workerCounts
	idle   func() // called when no frame waits

	published atomic.Pointer[workerCounts]
	ports     atomic.Pointer[[]uint16] // new ports, not yet applied
	turns     turns                    // iterations, with a frame or without
	turned    time.Time                // when it last published
	busy      int
}

// workerCounts is a snapshot of the counters of a worker.
type workerCounts struct {
	Frames, Octets int64
	Lost           int64        // frames of its ring, as the source reports
	Longest        int64        // octets of the longest frame
	Links          []linkCounts // in the order of the interfaces; those without a frame may be missing at the end
	Marks          bpf.MarkCounts
	Reassembly     reassembly.Stats
}

// linkCounts counts the frames that came from one interface.
type linkCounts struct{ Frames, Octets int64 }

// newWorkers makes a worker for each ring.
func newWorkers(live *capture.Live, cfg reassembly.Config, idle func()) (workers []*worker) {
	cfg.DigestKey = (*reassembly.DigestKey)(live.DigestKey())
	for _, source := range live.Workers() {
		w := &worker{next: source.Next, asm: reassembly.New(cfg), idle: idle}
		if live.Bodies() {
			w.ahead, w.marks = source.Ahead, source.Marks
		}
		w.publish(time.Now())
		workers = append(workers, w)
	}
	return workers
}

// run returns when the source is stopped and empty, or fails. If late ends first, run leaves the frames that wait in
// the ring, and abandons the connections that it has no time to close.
func (w *worker) run(late context.Context) error {
	var f capture.Frame
	for {
		err := w.next(&f)
		w.turns.made()
		if w.ports.Load() != nil { // before the first frame of these ports
			w.asm.SetPorts(*w.ports.Swap(nil))
		}
		switch {
		case err == nil:
			w.lost(f.Lost)
			w.count(&f)
			w.read(&f)
			if w.busy++; w.busy < lookEvery {
				continue
			}
			if late.Err() != nil {
				w.end(late)
				return nil
			}
		case errors.Is(err, capture.ErrNoFrame):
			w.lost(f.Lost)
			w.asm.Advance(f.Time)
			w.idle()
		default:
			w.end(late)
			if err == io.EOF {
				return nil
			}
			return err
		}
		w.look()
	}
}

// read passes a frame to the Assembler. If payloads may stay in the kernel, it then tells the source how far the sender
// is within a message.
func (w *worker) read(f *capture.Frame) {
	if f.Unseen.Octets > 0 {
		u := reassembly.Unseen(f.Unseen)
		w.asm.Headers(f.Time, f.LinkType, f.Data, f.Length, &u)
	} else {
		w.asm.Frame(f.Time, f.LinkType, f.Data, f.Length)
	}
	if w.ahead != nil {
		w.ahead(bpf.Body(w.asm.BodyAhead()))
	}
}

func (w *worker) end(late context.Context) {
	w.asm.LeavesOff()
	w.asm.CloseWithin(late)
	w.publish(time.Now())
}

func (w *worker) count(f *capture.Frame) {
	octets := int64(f.Length)
	w.counts.Frames++
	w.counts.Octets += octets
	w.counts.Longest = max(w.counts.Longest, octets)
	for f.File >= len(w.counts.Links) {
		w.counts.Links = append(w.counts.Links, linkCounts{})
	}
	w.counts.Links[f.File].Frames++
	w.counts.Links[f.File].Octets += octets
}

func (w *worker) lost(n uint64) {
	w.counts.Lost += int64(n)
	w.asm.FramesLost(n)
}

// look does what would be too slow for each frame.
func (w *worker) look() {
	w.busy = 0
	now := time.Now()
	if now.Sub(w.turned) >= publishEvery {
		w.publish(now)
	}
}

func (w *worker) publish(now time.Time) {
	w.turned = now
	c := w.counts
	c.Reassembly, c.Links = w.asm.Stats(), slices.Clone(c.Links)
	if w.marks != nil {
		c.Marks = w.marks()
	}
	w.published.Store(&c)
}
