package reassembly

// The workers of a Flows have common limits, and what makes room for a segment may be with any of them. So if a limit
// may be reached, they stop, and the goroutine that has the frames reads one after the other, as a single Assembler
// would; else they do not look at each other. Whether a limit may be reached is known of the batch before last, so what
// the batches since then may add is allowed for.

// margin is more than the frames of all batches add: of octets to what is held, besides that it may double because rings
// and pages are grown, and of entries to the connections or handshakes.
type margin struct {
	octets  int64
	entries int
}

var wholeBatches = margin{octets: 80 << 20, entries: batches * batchOctets / 64}

// lookEvery is how many frames are read one after the other before it is looked again whether that is necessary.
const lookEvery = 1024

// load is what a worker has of all that is limited.
type load struct {
	conns, halfOpen int
	held            int64
	pages           pageAccount
}

func (a *Assembler) load() load {
	return load{
		conns: a.lists.recent.n + a.lists.remembered(), halfOpen: a.halfOpen.n, held: a.lists.held,
		pages: a.shared.orderer.own,
	}
}

// heavy reports whether a limit may be reached before it is looked again.
func (f *Flows) heavy(loads []load) bool {
	var sum load
	for i := range loads {
		l := &loads[i]
		sum.conns += l.conns
		sum.halfOpen += l.halfOpen
		sum.held += l.held + l.pages.spare() + int64(l.pages.used)*runCost
	}
	m := &f.margin
	return 2*sum.held+m.octets > f.limits.maxHeld || sum.conns+m.entries > f.limits.maxConns ||
		sum.halfOpen+m.entries > f.handshakes.most
}

// lift lets the workers run if no limit may be reached.
func (f *Flows) lift() {
	var loads []load
	for _, w := range f.workers {
		loads = append(loads, w.asm.load())
	}
	if f.heavy(loads) {
		return
	}
	f.serial, f.limits.lifted = false, true
	for _, w := range f.workers {
		o := w.asm.shared.orderer
		o.all = &o.own
	}
}

// limit has this goroutine read the frames from now on. The workers must not run.
func (f *Flows) limit() {
	if f.serial {
		return
	}
	f.serial, f.limits.lifted, f.spent = true, false, 0
	f.pages = pageAccount{made: firstPages}
	for _, w := range f.workers {
		o := w.asm.shared.orderer
		f.pages.begun(o.own.episodes)
		f.pages.use(o.own.used)
		o.all = &f.pages
		w.rows = &f.rows
	}
}

// handshakes are those of all workers.
type handshakes struct {
	most   int
	tables []*halfOpenTable
}

// makeRoom forgets the handshake that is silent for longest, if there are too many.
func (f *Flows) makeRoom() {
	for !f.limits.lifted {
		n, first := 0, (*halfOpenTable)(nil)
		for _, h := range f.handshakes.tables {
			n += h.n
			if h.n > 0 && (first == nil || h.oldest() < first.oldest()) {
				first = h
			}
		}
		if n < f.handshakes.most {
			return
		}
		first.evict()
	}
}
