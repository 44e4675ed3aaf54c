// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

const (
	// marksEach is the number of flows that one worker can mark at a time.
	marksEach = 4096
	// longBody is the number of octets of a message that must still be to come for its flow to be marked: marking takes
	// a few microseconds.
	longBody = 64 << 10
	// markWindow bounds how far ahead of what was read payloads may stay in the kernel.
	markWindow = 1 << 30
	// aheadOfRing bounds how far the client may be ahead of what was read, besides what the ring holds. If it is
	// farther, the mark belongs to an earlier connection, or somebody else has sent what the program saw.
	aheadOfRing = 16 << 20
	// markIdle is the time without a segment, in nanoseconds, after which a mark ends.
	markIdle = 30e9
	// markRest is how much later than the end of a mark a frame must have come for the mark to be used again. By then
	// the program has finished with it, and no frame that has it waits in the ring.
	markRest = 1e9
)

// Body is where a client is within a message, after the last frame was read.
type Body struct {
	Seq, Ack uint32 // of its next segment, if the server sends nothing more
	Left     int64  // octets of the message to come; 0: it is in no message, or that is not certain
	Exact    bool   // Left is no estimate: the message has no end of data
}

// mark is struct mark of body.h.
type mark struct {
	from, until, ack, kind uint32
	start, next            uint32
	tail                   uint64
}

// unknownTail is UNKNOWN of body.h.
const unknownTail = 0x2e0a << 48

// flow is struct flow of body.h.
type flow [40]byte

// MarkCounts counts marks of flows.
type MarkCounts struct {
	Set    uint64 // flows that were marked
	Missed uint64 // segments in long messages without a mark: too many flows have one, or the frame is not a plain one
	Active int    // marked at the moment
}

// Marks are the marks of one worker's flows. Only its goroutine may use them.
type Marks struct {
	flows    *ebpf.Map
	slots    []mark
	first    uint32
	of       []markUse
	byFlow   map[flow]uint32
	free     []freeMark // the one that has been free for longest first
	swept    uint64
	longBody int64
	most     int32 // how far the client may be ahead of what was read
	counts   MarkCounts
}

// markUse is what a mark is used for.
type markUse struct {
	flow  flow
	heard uint64 // CLOCK_MONOTONIC of the last segment; 0: it is not used
	exact bool   // Body.Exact
}

type freeMark struct {
	index uint32
	since uint64
}

// setBodies sets constants and sizes for marks, before the program is loaded.
func setBodies(spec *ebpf.CollectionSpec, cfg *Config, key *[192]uint64) error {
	if !cfg.Bodies {
		return nil
	}
	var random [len(key) * 8]byte
	_, _ = rand.Read(random[:]) // it never fails
	for i := range key {
		key[i] = binary.LittleEndian.Uint64(random[8*i:])
	}
	for _, name := range []string{filterMapFlows, filterMapMarks} {
		spec.Maps[name].MaxEntries = uint32(cfg.Workers * marksEach)
	}
	err := errors.Join(spec.Variables[filterVarBodies].Set(uint32(1)), spec.Variables[filterVarDigestKey].Set(key))
	if cfg.shortest > 0 {
		err = errors.Join(err, spec.Variables[filterVarShortest].Set(cfg.shortest))
	}
	return err
}

// addMarks maps the marks of each worker.
func (f *Filter) addMarks(workers, ring int, long int64) error {
	size := int(unsafe.Sizeof(mark{}))
	all, err := unix.Mmap(f.objects.Marks.FD(), 0, workers*marksEach*size, unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map marks: %w", err)
	}
	f.marksMemory = all
	slots := unsafe.Slice((*mark)(unsafe.Pointer(&all[0])), workers*marksEach)
	for i := range workers {
		m := &Marks{flows: f.objects.Flows, slots: slots[i*marksEach:][:marksEach], first: uint32(i * marksEach),
			of: make([]markUse, marksEach), byFlow: map[flow]uint32{}, longBody: long,
			most: int32(ring) + aheadOfRing}
		for k := range uint32(marksEach) {
			m.free = append(m.free, freeMark{index: k})
		}
		f.marks = append(f.marks, m)
	}
	return nil
}

// Marks gives the marks of a worker, from 0; nil without Config.Bodies.
func (f *Filter) Marks(worker int) *Marks {
	if f.marks == nil {
		return nil
	}
	return f.marks[worker]
}

// DigestKey is the secret key for the digests of payloads that stay in the kernel.
func (f *Filter) DigestKey() *[192]uint64 { return &f.digestKey }

// Ahead updates the marks after a frame was read. b is where its sender then is within a message. It must be called
// after each frame of the worker's ring.
func (m *Marks) Ahead(f *Frame, b Body) {
	if f.mark == 0 {
		if b.Left >= m.longBody {
			m.begin(f, b)
		}
		return
	}
	i := f.mark - 1 - m.first
	if int(i) >= len(m.of) {
		return // of another worker: its frames come to this one by another way
	}
	u := &m.of[i]
	if k, ok := flowOf(f.Data); !ok || k != u.flow || u.heard == 0 {
		return // when the frame came, another flow had the mark
	}
	u.heard = f.Nanos
	s := &m.slots[i]
	switch {
	case b.Left == 0:
		atomic.StoreUint32(&s.until, s.from) // nothing stays
	case b.Exact != u.exact, int32(atomic.LoadUint32(&s.next)-b.Seq) > m.most:
		m.end(i)
		m.begin(f, b)
	default:
		s.set(b)
	}
}

// set tells the program where the client is, after a frame was read that had the mark. The program may look between two
// stores: each number is true whatever the others are.
func (s *mark) set(b Body) {
	atomic.StoreUint32(&s.from, b.Seq)
	atomic.StoreUint32(&s.ack, b.Ack)
	atomic.StoreUint32(&s.until, b.Seq+uint32(min(b.Left, markWindow)))
	kind := uint32(filterKindKIND_DATA)
	if b.Exact {
		kind = uint32(filterKindKIND_COUNTED)
	}
	atomic.StoreUint32(&s.kind, kind)
}

// begin marks the flow of a frame.
func (m *Marks) begin(f *Frame, b Body) {
	k, ok := flowOf(f.Data)
	if !ok {
		m.counts.Missed++
		return
	}
	if _, ok := m.byFlow[k]; ok {
		return // the frame came before the mark
	}
	if len(m.free) == 0 || m.free[0].since > 0 && f.Nanos < m.free[0].since+markRest {
		m.counts.Missed++
		return
	}
	i := m.free[0].index
	s := &m.slots[i]
	*s = mark{from: b.Seq, until: b.Seq, ack: b.Ack, start: b.Seq, next: b.Seq, tail: unknownTail}
	if err := m.flows.Put(k[:], m.first+i); err != nil {
		m.counts.Missed++
		return
	}
	m.free = m.free[1:]
	m.byFlow[k], m.of[i] = i, markUse{k, f.Nanos, b.Exact}
	m.counts.Set++
}

// end unmarks a flow. Frames that wait in the ring may have the mark, so its rest begins now, not at the last frame
// that was read.
func (m *Marks) end(i uint32) {
	k := m.of[i].flow
	_ = m.flows.Delete(k[:]) // it is there
	delete(m.byFlow, k)
	m.of[i] = markUse{}
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // every Linux has it
	m.free = append(m.free, freeMark{i, uint64(now.Nano())})
}

// Sweep unmarks silent flows, once a second. now is CLOCK_MONOTONIC in nanoseconds.
func (m *Marks) Sweep(now uint64) {
	if now < m.swept+1e9 || len(m.byFlow) == 0 {
		return
	}
	m.swept = now
	for _, i := range m.byFlow {
		if m.of[i].heard+markIdle < now {
			m.end(i)
		}
	}
}

// Counts returns the counters so far, in the worker's goroutine.
func (m *Marks) Counts() MarkCounts {
	c := m.counts
	c.Active = len(m.byFlow)
	return c
}

// flowOf reads the flow of a plain frame as inspect of body.h does: Ethernet, at most one tag, IPv4 without options or
// IPv6, TCP.
func flowOf(b []byte) (k flow, ok bool) {
	if len(b) < 14+4+20 {
		return k, false
	}
	ip, kind := b[14:], binary.BigEndian.Uint16(b[12:])
	if kind == unix.ETH_P_8021Q {
		binary.NativeEndian.PutUint32(k[36:], uint32(0x1000|binary.BigEndian.Uint16(ip)&0xfff))
		ip, kind = ip[4:], binary.BigEndian.Uint16(ip[2:])
	}
	switch {
	case kind == unix.ETH_P_IP && ip[0] == 0x45 && ip[9] == unix.IPPROTO_TCP && len(ip) >= 24:
		copy(k[:], ip[12:16])
		copy(k[16:], ip[16:20])
		copy(k[32:36], ip[20:])
	case kind == unix.ETH_P_IPV6 && ip[6] == unix.IPPROTO_TCP && len(ip) >= 44:
		copy(k[:], ip[8:24])
		copy(k[16:], ip[24:40])
		copy(k[32:36], ip[40:])
	default:
		return k, false
	}
	return k, true
}
