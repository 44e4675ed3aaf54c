package reassembly

import (
	"sync"
	"time"

	"tap25/reassembly/decode"
	"tap25/reassembly/smtp"
)

const (
	// batches is how many batches there are. While one is filled, workers and the collector may have the others.
	batches = 5
	// batchOctets is how much memory for frames one has: small enough for the second-level cache.
	batchOctets = 128 << 10

	notDecoded = -1
	nobody     = -1
)

// batch is frames that pass through all workers, each of which reads those of its connections.
type batch struct {
	memory  []byte // of the frames
	frames  []frame
	packets []decode.Packet // of the frames that the workers cannot decode
	joined  []byte          // payloads that were in fragments
	rows    [][]settled     // by worker
	made    []smtp.Rows     // by worker: the rows that are in rows, or were when the batch was read before
	loads   []load          // by worker, once it has read its frames; nil: the batch was not used so far
	running sync.WaitGroup
	sorted  []settled
}

// frame is a frame with what is known of it beyond its connection.
type frame struct {
	t      time.Time
	data   []byte
	length int
	tag    int
	worker int // nobody: it concerns no connection
	packet int // in batch.packets, or notDecoded
	now    time.Time
	stamp  stamp
	link   uint16
	due    bool // what is due is to be looked for
	right  bool // segment.right
}

// decode decodes a frame, and returns which of the packets it is; notDecoded: it has no segment.
func (b *batch) decode(d *decode.Decoder, t time.Time, link uint16, data []byte, wireLen int) int {
	n := len(b.packets)
	b.packets = append(b.packets, decode.Packet{})
	p := &b.packets[n]
	if d.Decode(t, link, data, wireLen, p) != decode.TCPPort {
		b.packets = b.packets[:n]
		return notDecoded
	}
	if p.Joined {
		b.joined = append(b.joined, p.Payload...)
		p.Payload = b.joined[len(b.joined)-len(p.Payload):]
	}
	return n
}

func (b *batch) clear() {
	clear(b.frames)
	clear(b.packets)
	b.frames, b.packets, b.joined = b.frames[:0], b.packets[:0], b.joined[:0]
}

// worker is one of several Assemblers.
type worker struct {
	asm  *Assembler
	n    int
	in   chan *batch
	rows *[]settled
	made smtp.Rows // of the frames that were read one after the other
	tag  int       // of the frame that is read
	g    segment
}

func newWorker(f *Flows, cfg Config) *worker {
	w := &worker{n: len(f.workers), in: make(chan *batch, batches), rows: &f.rows}
	cfg.Emit = func(e *smtp.Envelope) {
		s := w.asm.shared
		*w.rows = append(*w.rows, settled{moment{s.stamp, s.turn, s.since}, w.tag, e})
	}
	w.asm = New(cfg)
	w.asm.leisure = &f.leisure
	return w
}

// run reads batches until there are no more.
func (w *worker) run() {
	for b := range w.in {
		w.rows = &b.rows[w.n]
		for i := range b.frames {
			w.frame(b, &b.frames[i])
		}
		b.loads[w.n] = w.asm.load()
		b.made[w.n] = w.asm.cfg.SMTP.Memory.Reuse(b.made[w.n])
		b.running.Done()
	}
}

// frame reads a frame if it is the worker's.
func (w *worker) frame(b *batch, x *frame) {
	if !x.due && x.worker != w.n {
		return
	}
	w.tag = x.tag
	w.asm.shared.now, w.asm.shared.stamp = x.now, x.stamp
	if x.due {
		w.asm.shared.swept, w.asm.shared.sweptAt = x.now, x.stamp
		w.asm.expire()
	}
	if x.worker != w.n {
		return
	}
	g := &w.g
	g.begin(x.t)
	g.right = x.right
	if x.packet != notDecoded {
		g.p = b.packets[x.packet]
	} else if w.asm.dec.Decode(x.t, x.link, x.data, x.length, &g.p) != decode.TCPPort {
		return
	}
	w.asm.read(g)
}

// start starts the workers and the collector, which emits the rows of each batch once all workers have read it.
func (f *Flows) start() {
	f.free, f.out = make(chan *batch, batches), make(chan *batch, batches)
	for range batches {
		f.free <- &batch{rows: make([][]settled, len(f.workers)), made: make([]smtp.Rows, len(f.workers))}
	}
	for _, w := range f.workers {
		go w.run()
	}
	go func() {
		for b := range f.out {
			b.running.Wait()
			for i, rows := range b.rows {
				b.sorted = append(b.sorted, rows...)
				clear(rows)
				b.rows[i] = rows[:0]
			}
			b.sorted = f.emitSorted(b.sorted)
			b.clear()
			f.free <- b
		}
		close(f.free)
	}()
	f.batch = <-f.free
	f.lift()
}

// stop ends them. All batches but the one in hand are free.
func (f *Flows) stop() {
	if f.free == nil {
		return
	}
	for _, w := range f.workers {
		close(w.in)
	}
	close(f.out)
	for range f.free {
	}
}

// Memory takes what the frames since the last call are in, and returns memory for those that come next. Nobody may use
// what it takes any more. It waits if the workers have enough to do.
func (f *Flows) Memory(used []byte) []byte {
	switch {
	case used == nil:
		return make([]byte, batchOctets)
	case f.serial || len(f.batch.frames) == 0:
		return used
	}
	f.dispatch(used)
	f.batch = <-f.free
	memory := f.batch.memory
	f.batch.memory = nil
	if f.batch.loads != nil && f.heavy(f.batch.loads) {
		f.Wait()
		f.limit()
	}
	if memory == nil {
		memory = make([]byte, batchOctets)
	}
	return memory
}

// dispatch gives the batch in hand to the workers.
func (f *Flows) dispatch(memory []byte) {
	b := f.batch
	if b.memory = memory; len(memory) > 4*batchOctets {
		b.memory = nil // for once there was a very long frame
	}
	if b.loads == nil {
		b.loads = make([]load, len(f.workers))
	}
	b.running.Add(len(f.workers))
	for _, w := range f.workers {
		w.in <- b
	}
	f.out <- b
	f.batch = nil
}

// gather waits until all batches are free.
func (f *Flows) gather() {
	var all []*batch
	for range batches {
		all = append(all, <-f.free)
	}
	for _, b := range all {
		f.free <- b
	}
}
