package reassembly

import (
	"context"
	"math/bits"
	"slices"
	"sync/atomic"
	"time"

	"tap25/reassembly/decode"
	"tap25/reassembly/smtp"
)

// Flows reads frames as an [Assembler] does, with several workers. A worker is an Assembler, and has all segments of
// some connections: those of the same addresses and ports are with one worker. What does not belong to a connection,
// such as fragments and the checksums of a sender, stays with the goroutine that calls Frame. So the rows, and their
// order, are the same for any number of workers.
//
// The frames come in memory that Flows provides: see [Flows.Memory]. Until that is given back, they must not change.
// The methods are for one goroutine; emit is called in another, or in this one, but never at the same time, nor after
// Wait, Stats or CloseWithin has returned, until Frame or Memory is called again.
type Flows struct {
	emit    func(tag int, e *smtp.Envelope)
	dec     *decode.Decoder
	policy  ChecksumPolicy
	senders *senders
	clock   *clock // with one worker, that of the worker
	seeds   seeds
	leisure atomic.Bool

	workers    []*worker
	limits     *limits
	handshakes handshakes
	pages      pageAccount // of all workers, if they are not running at the same time
	margin     margin

	serial bool // frames are read in this goroutine
	spent  int  // frames since it was last looked whether that is necessary
	tag    int  // of the last frame
	g      segment
	rows   []settled // of that frame, if serial

	batch *batch      // that is being filled
	free  chan *batch // all others that no worker has
	out   chan *batch // in their order, to the collector
}

// settled is a row on its way out.
type settled struct {
	at  moment
	tag int
	row *smtp.Envelope
}

// NewFlows makes a Flows with a number of workers, 1 at least. emit gets each row, with the tag of the frame that
// settled it, and may use the row until it returns; cfg.Emit is not used. The limits of cfg are those of all workers
// together.
func NewFlows(cfg Config, workers int, emit func(tag int, e *smtp.Envelope)) *Flows {
	f := &Flows{emit: emit, policy: cfg.Checksum, senders: newSenders(), seeds: newSeeds(), serial: true,
		margin: wholeBatches}
	f.leisure.Store(true)
	for range max(workers, 1) {
		f.workers = append(f.workers, newWorker(f, cfg))
	}
	first := f.workers[0].asm
	f.dec, f.limits, f.clock = first.dec, first.limits, &first.shared.clock
	if workers > 1 {
		f.share(&first.cfg)
		f.start()
	}
	return f
}

// share makes the limits of the first worker those of all.
func (f *Flows) share(cfg *Config) {
	f.dec, f.clock = newDecoder(cfg), new(newClock())
	f.limits.members = nil
	f.handshakes.most = cfg.MaxHalfOpen
	f.pages = pageAccount{made: firstPages}
	f.limits.pages = &f.pages
	for _, w := range f.workers {
		w.asm.lists.limits, w.asm.limits = f.limits, f.limits
		f.limits.members = append(f.limits.members, &w.asm.lists)
		f.handshakes.tables = append(f.handshakes.tables, w.asm.halfOpen)
		w.asm.halfOpen.makeRoom = f.makeRoom
		w.asm.shared.orderer.all = &f.pages
	}
}

// Frame reads one frame, as [Assembler.Frame] does. tag is anything that its rows are to be emitted with.
func (f *Flows) Frame(tag int, t time.Time, link uint16, data []byte, wireLen int) {
	f.tag = tag
	if f.serial {
		f.frame(t, link, data, wireLen)
		return
	}
	x := frame{t: t, link: link, data: data, length: wireLen, tag: tag, worker: nobody, packet: notDecoded}
	if flow, ok := f.plain(link, data); ok {
		x.worker, x.right = f.workerOf(&flow), true
	} else {
		x.packet = f.batch.decode(f.dec, t, link, data, wireLen)
		if x.packet != notDecoded {
			p := &f.batch.packets[x.packet]
			x.worker, x.right = f.workerOf(&p.Flow), f.senders.note(p)
		}
	}
	f.clock.advance(t)
	if x.due = f.clock.due(); x.due {
		f.dec.Advance(f.clock.now)
	}
	if x.now, x.stamp = f.clock.now, f.clock.stamp; x.worker != nobody || x.due {
		f.batch.frames = append(f.batch.frames, x)
	}
}

// plain returns the flow of a frame that a worker can decode by itself.
func (f *Flows) plain(link uint16, data []byte) (flow decode.Flow, ok bool) {
	flow, ok = decode.PlainFlow(link, data)
	ok = ok && (f.dec.Watches(flow.DstPort) || f.dec.Watches(flow.SrcPort)) &&
		(f.policy != Auto || f.senders.known(flow.Src))
	return flow, ok
}

// workerOf returns the worker of a flow, by a hash that is the same in both directions, and that no sender knows.
func (f *Flows) workerOf(x *decode.Flow) int {
	h := f.seeds.hash(x.Src, x.SrcPort) + f.seeds.hash(x.Dst, x.DstPort)
	n, _ := bits.Mul64(h*f.seeds[2], uint64(len(f.workers)))
	return int(n)
}

// frame reads a frame in this goroutine, while no worker runs.
func (f *Flows) frame(t time.Time, link uint16, data []byte, wireLen int) {
	g := &f.g
	g.begin(t)
	v := f.dec.Decode(t, link, data, wireLen, &g.p)
	f.clock.advance(t)
	due := f.clock.due()
	f.setClocks()
	if due {
		f.dec.Advance(f.clock.now)
		for _, w := range f.workers {
			w.asm.expire()
		}
		f.emitRows()
	}
	if v == decode.TCPPort {
		w := f.workers[0]
		if len(f.workers) > 1 {
			w = f.workers[f.workerOf(&g.p.Flow)]
		}
		g.right = f.senders.note(&g.p)
		w.asm.read(g)
		f.emitRows()
	}
	if f.spent++; f.spent >= lookEvery && len(f.workers) > 1 {
		f.spent = 0
		f.lift()
	}
}

// setClocks gives all workers the time and the tag, for any of them may have a connection that makes room.
func (f *Flows) setClocks() {
	for _, w := range f.workers {
		if w.tag = f.tag; &w.asm.shared.clock != f.clock {
			w.asm.shared.clock = *f.clock
		}
	}
}

// emitRows emits the rows of the last frame.
func (f *Flows) emitRows() {
	if len(f.rows) == 0 {
		return
	}
	f.rows = f.emitSorted(f.rows)
	for _, w := range f.workers {
		w.made = w.asm.cfg.SMTP.Memory.Reuse(w.made)
	}
}

// emitSorted emits rows in the order of their moments, and returns their memory.
func (f *Flows) emitSorted(rows []settled) []settled {
	slices.SortStableFunc(rows, func(a, b settled) int { return a.at.compare(b.at) })
	for i := range rows {
		f.emit(rows[i].tag, rows[i].row)
	}
	clear(rows)
	return rows[:0]
}

// Hurry makes Frame leave what is due to CloseWithin, if there is much of it. Any goroutine may call it.
func (f *Flows) Hurry() { f.leisure.Store(false) }

// Wait returns once the rows of all frames so far have been emitted.
func (f *Flows) Wait() {
	if f.serial {
		return
	}
	if len(f.batch.frames) > 0 {
		f.dispatch(nil)
	} else {
		f.free <- f.batch
	}
	f.gather()
	f.batch = <-f.free
}

// Stats returns the counters so far.
func (f *Flows) Stats() Stats {
	f.Wait()
	s := f.workers[0].asm.Stats()
	for _, w := range f.workers[1:] {
		more := w.asm.Stats()
		s.Add(&more)
	}
	if f.dec != f.workers[0].asm.dec {
		more := Stats{Elsewhere: f.dec.Elsewhere(), Unread: f.dec.Unread(), Steps: f.dec.Steps()}
		more.Frames, more.Fragments = f.dec.Stats()
		s.Add(&more)
	}
	s.Steps += f.senders.steps
	return s
}

// LeavesOff reports that the rest of the input will not be read: see [Assembler.LeavesOff].
func (f *Flows) LeavesOff() {
	f.Wait()
	for _, w := range f.workers {
		w.asm.LeavesOff()
	}
}

// CloseWithin ends the input as [Assembler.CloseWithin] does, and the workers.
func (f *Flows) CloseWithin(ctx context.Context) {
	f.Wait()
	f.limit()
	f.setClocks()
	for _, w := range f.workers {
		for w.asm.behind && ctx.Err() == nil {
			w.asm.sweep()
		}
	}
	f.emitRows()
	f.workers[0].asm.shared.stats.Abandoned += f.limits.close(ctx, f.emitRows)
	f.stop()
}
