package reassembly

import (
	"encoding/binary"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/reassembly"
)

// orderer puts segments after a hole in order with gopacket's reassembler. Each time that a direction is out of order
// is an episode: a gopacket connection of its own, under a flow that is a counter, with sequence numbers that begin at
// 0. So gopacket never sees what it is known to get wrong: sequence numbers that wrap, overlaps (the later copy would
// win), a RST or SYN on a reused 4-tuple, a half-open connection, a flush that closes one half. Its decoders and its
// clock are not used at all. Its memory is bounded by maxAhead for a direction and by Config.MaxHeld for all; an
// episode ends empty: of a connection that it closes with pages in it, gopacket frees only the first, and it doubles
// what it allocates each time that it runs out.
type orderer struct {
	assembler *reassembly.Assembler // nil before the first episode
	opening   *episode              // handed to gopacket when it asks for the stream of a new connection
	opened    uint64
	completed uint64 // episodes that gopacket has closed
	own       pageAccount
	all       *pageAccount // own, or that of several orderers which are limited together
	steps     int64        // Stats.Steps: pages made
}

// pageAccount is how many pages gopacket has in use, and has made.
type pageAccount struct {
	used, made int
	episodes   int // that are open
}

const (
	// firstPages is how many pages gopacket makes at first; each time that it runs out it makes twice as many as the
	// last time.
	firstPages = 1024

	// pagesAhead is more than one segment takes: what is held goes before gopacket makes pages that are not allowed.
	pagesAhead = 64
)

func newOrderer() *orderer {
	o := &orderer{own: pageAccount{made: firstPages}}
	o.all = &o.own
	return o
}

// renew begins with a gopacket that has made its first pages alone.
func (o *orderer) renew() {
	o.assembler = reassembly.NewAssembler(reassembly.NewStreamPool(o))
	o.assembler.MaxBufferedPagesPerConnection = maxPages
	o.own.made = firstPages
}

// grown is how many pages gopacket has made once those that it has made are not enough.
func grown(made int) int { return 2*made + firstPages }

// use notes that gopacket uses n pages more, or fewer.
func (o *orderer) use(n int) {
	before := o.own.made
	o.own.use(n)
	o.steps += int64(o.own.made - before)
	if o.all != &o.own {
		o.all.use(n)
	}
}

func (p *pageAccount) use(n int) {
	for p.used += n; p.used > p.made; {
		p.made = grown(p.made)
	}
}

// begun notes that n episodes more are open, or fewer. With the last one the pages that were made for many are freed.
func (p *pageAccount) begun(n int) {
	if p.episodes += n; p.episodes == 0 {
		p.made = firstPages
	}
}

// spare estimates the memory of the pages that gopacket has made and does not use, in octets, without the first ones.
// If the next segment may make it allocate more, those are included.
func (p *pageAccount) spare() int64 {
	made := p.made
	if p.used+pagesAhead > made {
		made = grown(made)
	}
	return int64(made-max(p.used, firstPages)) * runCost
}

// maxPages is gopacket's own limit for an episode, above what maxAhead allows. If it were reached, gopacket would give
// up the first hole by itself, which release understands.
const maxPages = 2 * maxAhead / runCost

// New implements gopacket's StreamFactory.
func (o *orderer) New(_, _ gopacket.Flow, _ *layers.TCP, _ reassembly.AssemblerContext) reassembly.Stream {
	return o.opening
}

// episode is the time from a hole in a direction until nothing is held.
type episode struct {
	o       *orderer
	flow    gopacket.Flow
	start   int64         // offset of the first byte
	release func(n int64) // the next n bytes are in order
	over    bool
}

// noTime is the context of every segment: the capture's times stay with the runs.
type noTime struct{}

func (noTime) GetCaptureInfo() gopacket.CaptureInfo { return gopacket.CaptureInfo{} }

// open begins an episode at an offset.
func (o *orderer) open(start int64, release func(n int64)) *episode {
	if o.assembler == nil { // its first pages are 2 MiB, which a capture without a hole does not need
		o.renew()
	}
	o.opened++
	o.episodes(1)
	var id [8]byte
	binary.BigEndian.PutUint64(id[:], o.opened)
	e := &episode{o: o, flow: gopacket.NewFlow(layers.EndpointMAC, id[:], []byte{0}), start: start, release: release}
	o.opening = e
	e.assemble(e.flow, layers.TCP{SYN: true})
	return e
}

// feed gives gopacket a run of bytes that it was not given before.
func (e *episode) feed(off int64, data []byte) {
	e.assemble(e.flow, layers.TCP{Seq: uint32(off-e.start) + 1, BaseLayer: layers.BaseLayer{Payload: data}})
}

// skip makes gopacket give up the first hole and release what comes after it. gopacket's flushes visit all of its
// connections; a limit of one page, exceeded by an empty segment at the end of what is held, affects this one alone.
func (e *episode) skip(end int64) {
	e.o.assembler.MaxBufferedPagesPerConnection = 1
	e.assemble(e.flow, layers.TCP{Seq: uint32(end-e.start) + 1})
	e.o.assembler.MaxBufferedPagesPerConnection = maxPages
}

// close makes gopacket forget the episode: gopacket removes a connection when both halves have ended. Nothing may be
// held.
func (e *episode) close() {
	e.over = true
	e.assemble(e.flow, layers.TCP{RST: true})
	e.assemble(e.flow.Reverse(), layers.TCP{RST: true})
	made := e.o.own.made
	if e.o.episodes(-1); e.o.own.episodes == 0 && made > firstPages {
		e.o.steps += firstPages
		e.o.renew()
	}
}

// episodes notes that n episodes more are open, or fewer.
func (o *orderer) episodes(n int) {
	o.own.begun(n)
	if o.all != &o.own {
		o.all.begun(n)
	}
}

func (e *episode) assemble(flow gopacket.Flow, t layers.TCP) {
	t.SetInternalPortsForTesting()
	e.o.assembler.AssembleWithContext(flow, &t, noTime{})
}

// Accept implements gopacket's Stream. At the end it corrects the sequence number of the RST, which would be queued
// otherwise.
func (e *episode) Accept(t *layers.TCP, _ gopacket.CaptureInfo, _ reassembly.TCPFlowDirection, next reassembly.Sequence,
	start *bool, _ reassembly.AssemblerContext) bool {
	if e.over {
		if *start = next < 0; !*start {
			t.Seq = uint32(next)
		}
	}
	return true
}

// ReassembledSG implements gopacket's Stream.
func (e *episode) ReassembledSG(sg reassembly.ScatterGather, _ reassembly.AssemblerContext) {
	if n, _ := sg.Lengths(); n > 0 && !e.over {
		e.release(int64(n))
	}
}

// ReassemblyComplete implements gopacket's Stream; true lets gopacket remove the connection.
func (e *episode) ReassemblyComplete(reassembly.AssemblerContext) bool {
	e.o.completed++
	return true
}

// abandon makes gopacket forget the episode and the n bytes that it holds, up to an offset.
func (e *episode) abandon(end, n int64) {
	e.release = func(k int64) { n -= k }
	for left := n + 1; n > 0 && n < left; { // n does not fall if gopacket has less: a loop here would stop the worker
		left = n
		e.skip(end)
	}
	e.close()
}
