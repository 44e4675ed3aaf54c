package capture

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"tap25/bpf"
)

// liveLinkType is LINKTYPE_ETHERNET, the only kind of interface that is listened on.
const liveLinkType = 1

// ErrNoFrame means that no frame waits at the moment. Frame.Time and Frame.Lost are
// set all the same: the time up to which there was none, and what was lost meanwhile.
var ErrNoFrame = errors.New("no frame is ready")

// LiveConfig configures [OpenLive]. Zero values are the defaults; Interfaces must be set.
type LiveConfig struct {
	Interfaces     []string
	Workers        int      // rings, each read by one goroutine; 0: 1
	RingBytes      int      // of each ring; 0: 32 MiB
	Ports          []uint16 // nil: 25
	InterceptPorts []uint16 // UDP ports of lawful intercepts; nil: 30030
	Inline         bool     // leave the frames to the host too
	Bodies         bool     // leave payloads of messages in the kernel: see Worker.Ahead
	Mode           bpf.Mode
}

// Live gives the frames of network interfaces, by an XDP program and one ring
// buffer per worker. All interfaces feed all workers, both directions of a
// connection the same one. Each Worker belongs to one goroutine; the methods of
// Live may be called concurrently, Close once the workers have met io.EOF.
type Live struct {
	filter  *bpf.Filter
	cfg     LiveConfig
	links   []*liveLink
	promisc int // packet socket that holds the promiscuous mode, -1: none
	workers []*Worker
	stopped atomic.Bool
}

// Worker gives the frames of one ring.
type Worker struct {
	live  *Live
	ring  *bpf.Ring
	marks *bpf.Marks // nil without LiveConfig.Bodies
	raw   bpf.Frame
	clock clock
	nap   time.Duration // how long to sleep when the ring is empty
	steps atomic.Uint64 // clock.steps, for Stats
}

// LiveStats is a snapshot. Seen by XDP = dropped by design + ring full + delivered.
type LiveStats struct {
	bpf.Stats
	Links      []LinkState
	ClockSteps uint64 // times that the wall clock was set anew by more than maxSlew, summed over the workers
}

// OpenLive attaches to the interfaces and makes them promiscuous. The process needs
// CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN and CAP_NET_RAW for this call, and later only
// to attach again to an interface that was away.
func OpenLive(cfg LiveConfig) (*Live, error) {
	if len(cfg.Interfaces) == 0 {
		return nil, errors.New("no interface given")
	}
	l := &Live{cfg: cfg, promisc: -1}
	for _, name := range cfg.Interfaces {
		link, err := findLink(name, cfg.Inline)
		if err != nil {
			return nil, err
		}
		l.links = append(l.links, link)
	}
	var err error
	l.filter, err = bpf.Load(bpf.Config{
		Interfaces: cfg.Interfaces, Ports: cfg.Ports, InterceptPorts: cfg.InterceptPorts, Workers: cfg.Workers,
		RingBytes: cfg.RingBytes, Inline: cfg.Inline, Bodies: cfg.Bodies,
	})
	if err != nil {
		return nil, err
	}
	for i := range max(cfg.Workers, 1) {
		l.workers = append(l.workers, &Worker{
			live: l, ring: l.filter.Ring(i), marks: l.filter.Marks(i), clock: newClock(), nap: longestNap,
		})
	}
	if err := l.attachAll(); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *Live) attachAll() error {
	fd, err := promiscuousSocket()
	if err != nil {
		return err
	}
	l.promisc = fd
	for _, link := range l.links {
		if err := l.attach(link); err != nil {
			return err
		}
	}
	return nil
}

func (l *Live) attach(link *liveLink) error {
	index := int(link.index.Load())
	native, err := l.filter.Attach(index, link.name, l.cfg.Mode)
	if err != nil {
		return err
	}
	link.native.Store(native)
	if err := addPromiscuous(l.promisc, index); err != nil {
		return fmt.Errorf("make %s promiscuous: %w", link.name, err)
	}
	return nil
}

// Workers gives the workers, each for one goroutine.
func (l *Live) Workers() []*Worker { return l.workers }

// SetPorts changes the watched ports.
func (l *Live) SetPorts(ports []uint16) error { return l.filter.SetPorts(ports) }

// Stats reads the counters of the kernel and the state of the interfaces.
func (l *Live) Stats() (LiveStats, error) {
	s, err := l.filter.Stats()
	stats := LiveStats{Stats: s}
	for _, link := range l.links {
		stats.Links = append(stats.Links, link.snapshot())
	}
	for _, w := range l.workers {
		stats.ClockSteps += w.steps.Load()
	}
	return stats, err
}

// Bodies reports whether payloads may stay in the kernel.
func (l *Live) Bodies() bool { return l.cfg.Bodies }

// DigestKey is the secret key for the digests of payloads that stay in the kernel.
func (l *Live) DigestKey() *[192]uint64 { return l.filter.DigestKey() }

// Unread reads what was in frames that the kernel dropped and that may have held a tunnel.
func (l *Live) Unread() ([]bpf.Unread, error) { return l.filter.Unread() }

// Stop detaches: nothing more comes into the rings, and the workers meet io.EOF when
// theirs are empty.
func (l *Live) Stop() error {
	var errs []error
	for _, link := range l.links {
		errs = append(errs, l.filter.Detach(link.name))
	}
	l.stopped.Store(true)
	return errors.Join(errs...)
}

// Close frees everything. No worker may be in Next any more.
func (l *Live) Close() error {
	err := l.filter.Close()
	if l.promisc >= 0 {
		err = errors.Join(err, closeSocket(l.promisc))
		l.promisc = -1
	}
	return err
}

// Next gives the next frame; ErrNoFrame after a nap without one; io.EOF when
// the source was stopped and all its frames are read.
func (w *Worker) Next(f *Frame) error {
	if !w.ring.Next(&w.raw) {
		lost := w.raw.Lost
		stopped := w.live.stopped.Load()
		now := w.tick()
		if !stopped {
			time.Sleep(w.nap)
			w.nap = napAfter(w.nap, w.ring.Waiting(), w.ring.Size())
		}
		found := w.ring.Next(&w.raw)
		w.raw.Lost += lost
		if !found {
			*f = Frame{Time: w.clock.wall(now), Lost: w.raw.Lost}
			if stopped && f.Lost == 0 {
				return io.EOF
			}
			return ErrNoFrame
		}
	}
	if w.clock.due(w.raw.Nanos) {
		w.tick()
	}
	f.Time = w.clock.wall(w.raw.Nanos)
	f.Data, f.Unseen = w.raw.Data, w.raw.Unseen
	f.Length = w.raw.Length
	f.LinkType = liveLinkType
	f.File = w.live.position(w.raw.Interface)
	f.Lost = w.raw.Lost
	return nil
}

// Ahead tells the kernel where the sender of the last frame is within a message, so that what follows may stay there.
// With LiveConfig.Bodies it must be called after each frame.
func (w *Worker) Ahead(b bpf.Body) { w.marks.Ahead(&w.raw, b) }

// Marks counts the marks of connections in messages.
func (w *Worker) Marks() (c bpf.MarkCounts) {
	if w.marks != nil {
		c = w.marks.Counts()
	}
	return c
}

// tick syncs the clock if due, and returns the monotonic time.
func (w *Worker) tick() uint64 {
	now, offset := readClocks()
	if w.clock.due(now) {
		w.clock.sync(now, offset)
		w.steps.Store(w.clock.steps)
		if w.marks != nil {
			w.marks.Sweep(now)
		}
	}
	return now
}

// position is that of an interface in LiveConfig.Interfaces.
func (l *Live) position(index int) int {
	for i, link := range l.links {
		if int(link.index.Load()) == index {
			return i
		}
	}
	return 0
}
