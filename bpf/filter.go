// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/bits"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

const (
	// MaxWorkers is MAX_WORKERS of filter.c.
	MaxWorkers = 256
	// defaultRingBytes holds 27 ms of a full 10 Gbit/s in one ring; a worker looks every 10 ms at least.
	defaultRingBytes = 32 << 20
	// minRingBytes takes one full frame of Ethernet.
	minRingBytes = 4096
	// maxRingBytes is half of what the kernel can address in a ring (kernel/bpf/ringbuf.c, RINGBUF_MAX_RECORD_SZ and
	// page offsets).
	maxRingBytes = 1 << 30
)

// Config configures [Load]: what to keep, and the rings to put it into. Interfaces must be set.
type Config struct {
	Interfaces []string // by name: each has counters of its own
	Ports      []uint16 // nil: 25
	Workers    int      // rings; 0: 1
	// InterceptPorts are the UDP ports to which routers send packets of lawful intercepts; nil: 30030.
	InterceptPorts []uint16
	RingBytes      int  // of each ring, rounded up to a power of two; 0: 32 MiB
	Inline         bool // leave every frame to the host, and see also what the host sends
	// Bodies leaves payloads of messages in the kernel if their flows are marked: see Marks.
	Bodies bool

	shortest uint32 // SHORTEST of body.h; 0: as there
	longBody int64  // 0: longBody
}

// Mode is where the program runs.
type Mode uint8

const (
	Auto    Mode = iota // native, or generic if the driver has no XDP
	Native              // in the driver
	Generic             // on the socket buffer, slower, any driver
)

// Filter is the loaded program. Attach, Detach, SetPorts and Stats may be called
// concurrently; each ring belongs to one goroutine.
type Filter struct {
	objects *filterObjects // of any tap, for the maps and variables that all share
	taps    map[string]*tap
	rings   []*Ring
	inner   []*ebpf.Map

	marks       []*Marks // of each worker; nil without Config.Bodies
	marksMemory []byte
	digestKey   [192]uint64

	mu sync.Mutex // of the taps' links
}

// tap is the program of one interface.
type tap struct {
	filterObjects               // with verdicts and counts of rings of its own
	egress        *ebpf.Program // nil without Inline
	links         []io.Closer   // a link that is collected detaches
}

// Load loads the program and makes its rings. Nothing is attached yet.
func Load(cfg Config) (*Filter, error) {
	if cfg.Workers == 0 {
		cfg.Workers = 1
	}
	if cfg.Workers < 0 || cfg.Workers > MaxWorkers {
		return nil, fmt.Errorf("the number of workers is %d: it must be 1 to %d", cfg.Workers, MaxWorkers)
	}
	if len(cfg.Interfaces) == 0 {
		return nil, errors.New("no interface given")
	}
	size, err := ringSize(cfg.RingBytes)
	if err != nil {
		return nil, err
	}
	spec, err := loadFilter()
	if err != nil {
		return nil, fmt.Errorf("read the XDP program: %w", err)
	}
	action := uint32(1) // XDP_DROP
	if cfg.Inline {
		action = 2 // XDP_PASS
	}
	if err := errors.Join(spec.Variables["workers"].Set(uint32(cfg.Workers)),
		spec.Variables["action"].Set(action)); err != nil {
		return nil, fmt.Errorf("set constants of the XDP program: %w", err)
	}
	f := &Filter{taps: map[string]*tap{}}
	if err := setBodies(spec, &cfg, &f.digestKey); err != nil {
		return nil, fmt.Errorf("set constants of the XDP program: %w", err)
	}
	if err := f.load(spec, cfg); err != nil {
		return nil, explainLoad(errors.Join(err, f.Close()))
	}
	for i := range cfg.Workers {
		if err := f.addRing(i, size); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	if cfg.Bodies {
		if err := f.addMarks(cfg.Workers, size, cmp.Or(cfg.longBody, longBody)); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	if err := errors.Join(f.SetPorts(cfg.Ports), f.setTunnels(cfg.InterceptPorts)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// load gives the kernel the program of each interface. They share all maps but the counters.
func (f *Filter) load(spec *ebpf.CollectionSpec, cfg Config) error {
	var shared map[string]*ebpf.Map // of the first
	for _, name := range cfg.Interfaces {
		if f.taps[name] != nil {
			continue // Attach refuses the second time
		}
		all, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{MapReplacements: shared})
		if err != nil {
			return err
		}
		defer all.Close() // of what the tap does not take
		if shared == nil {
			shared = maps.Clone(all.Maps)
			delete(shared, filterMapVerdicts)
			delete(shared, filterMapRingCounts)
		}
		t := &tap{}
		if cfg.Inline {
			if t.egress, err = loadEgressProgram(all.Maps, spec.Variables["workers"]); err != nil {
				return err
			}
		}
		f.taps[name], f.objects = t, &t.filterObjects
		if err := all.Assign(f.objects); err != nil {
			return err
		}
	}
	return nil
}

func ringSize(n int) (int, error) {
	if n == 0 {
		n = defaultRingBytes
	}
	if n < 0 || n > maxRingBytes {
		return 0, fmt.Errorf("the ring size is %d bytes: it must be %d to %d", n, minRingBytes, maxRingBytes)
	}
	return 1 << bits.Len(uint(max(n, minRingBytes, os.Getpagesize())-1)), nil
}

func (f *Filter) addRing(i, size int) error {
	m, err := ebpf.NewMap(&ebpf.MapSpec{Name: "ring", Type: ebpf.RingBuf, MaxEntries: uint32(size)})
	if err != nil {
		return fmt.Errorf("make ring of %d bytes: %w", size, err)
	}
	f.inner = append(f.inner, m)
	r, err := newRing(m.FD(), size, f.objects.Losses.FD(), i)
	if err != nil {
		return err
	}
	f.rings = append(f.rings, r)
	if err := f.objects.Rings.Put(uint32(i), uint32(m.FD())); err != nil {
		return fmt.Errorf("give ring to the XDP program: %w", err)
	}
	return nil
}

// explainLoad names what is missing if the kernel refused the program.
func explainLoad(err error) error {
	var v *ebpf.VerifierError
	switch missing := MissingCapabilities(); {
	case len(missing) > 0:
		// here and below not the library's words, which blame RLIMIT_MEMLOCK
		return fmt.Errorf("load XDP program: this needs the capability %s: %w; run tap25 as root, or through its "+
			"systemd unit", strings.Join(missing, ", "), unix.EPERM)
	case errors.Is(err, ebpf.ErrNotSupported), errors.As(err, &v):
		return fmt.Errorf("load XDP program: this needs Linux 5.18 or newer with CONFIG_BPF_SYSCALL and "+
			"CONFIG_BPF_JIT: %w", err)
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("load XDP program: the kernel forbids it, though no capability is missing: %w; look for "+
			"lockdown, seccomp, or a container that does not allow bpf(2)", unix.EPERM)
	}
	return fmt.Errorf("load XDP program: %w", err)
}

// MissingCapabilities names those that the process lacks to load and attach; CAP_SYS_ADMIN stands for the two younger
// ones.
func MissingCapabilities() (missing []string) {
	var data [2]unix.CapUserData // 64 bits in two halves
	if err := unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &data[0]); err != nil {
		return nil
	}
	has := func(c int) bool { return data[c/32].Effective>>(c%32)&1 == 1 }
	admin := has(unix.CAP_SYS_ADMIN)
	for _, c := range []struct {
		name string
		has  bool
	}{{"CAP_BPF", admin || has(unix.CAP_BPF)}, {"CAP_PERFMON", admin || has(unix.CAP_PERFMON)},
		{"CAP_NET_ADMIN", has(unix.CAP_NET_ADMIN)}} {
		if !c.has {
			missing = append(missing, c.name)
		}
	}
	return missing
}

// tunnelPorts are the UDP ports of tunnels that walk.h knows, or leaves to user space.
var tunnelPorts = []uint16{4789, 8472, 4790, 6081, 2152, 1701, 6635, 6080, 3544, 37008}

// servicePorts are UDP ports of services that hold no tunnels: DNS, DHCP, NTP, NetBIOS, SNMP, QUIC, syslog, DHCPv6,
// SSDP, mDNS, LLMNR.
var servicePorts = []uint16{53, 67, 68, 123, 137, 138, 161, 162, 443, 514, 546, 547, 1900, 5353, 5355}

// portSet has a bit for each port, which the program does not turn round.
func portSet(lists ...[]uint16) *[1 << 16 / 8]uint8 {
	var set [1 << 16 / 8]uint8
	for _, p := range slices.Concat(lists...) {
		p = bits.ReverseBytes16(p)
		set[p>>3] |= 1 << (p & 7)
	}
	return &set
}

// SetPorts changes the set of watched ports, also while frames come in.
func (f *Filter) SetPorts(ports []uint16) error {
	if ports == nil {
		ports = []uint16{25}
	}
	if err := f.objects.Ports.Set(portSet(ports)); err != nil {
		return fmt.Errorf("set ports of the XDP program: %w", err)
	}
	return nil
}

// setTunnels sets the UDP ports that go through the walk, and those that are not counted.
func (f *Filter) setTunnels(intercepts []uint16) error {
	if intercepts == nil {
		intercepts = []uint16{30030}
	}
	tunnels, services := portSet(tunnelPorts, intercepts), portSet(servicePorts)
	if err := errors.Join(f.objects.Tunnels.Set(tunnels), f.objects.Services.Set(services)); err != nil {
		return fmt.Errorf("set UDP ports of the XDP program: %w", err)
	}
	return nil
}

// Ring gives the ring of a worker, from 0.
func (f *Filter) Ring(worker int) *Ring { return f.rings[worker] }

// Stats reads the counters.
func (f *Filter) Stats() (Stats, error) {
	s := Stats{Counts: Counts{Rings: make([]RingCounts, len(f.rings))}, Interfaces: map[string]Counts{}}
	for name, t := range f.taps {
		c, err := t.counts(len(f.rings))
		if err != nil {
			return s, err
		}
		s.Interfaces[name] = c
		s.add(&c)
	}
	for _, r := range f.rings {
		s.Buffers = append(s.Buffers, Buffer{r.mask + 1, r.used()})
	}
	return s, nil
}

// counts reads the counters of one interface.
func (t *tap) counts(rings int) (Counts, error) {
	c := Counts{Rings: make([]RingCounts, rings)}
	var perCPU [][Verdicts]uint64
	if err := t.Verdicts.Lookup(uint32(0), &perCPU); err != nil {
		return c, fmt.Errorf("read counters: %w", err)
	}
	for i := range perCPU {
		for v := range c.Verdicts {
			c.Verdicts[v] += perCPU[i][v]
		}
	}
	for i := range c.Rings {
		var perCPU []filterRingCount
		if err := t.RingCounts.Lookup(uint32(i), &perCPU); err != nil {
			return c, fmt.Errorf("read ring counters: %w", err)
		}
		for _, n := range perCPU {
			c.Rings[i].add(RingCounts{Delivered: n.Delivered, Full: n.Full, Cut: n.Cut, Bytes: n.Bytes})
		}
	}
	return c, nil
}

// Unread reads what was in frames that were dropped and may have held a tunnel, by kind and number.
func (f *Filter) Unread() (list []Unread, err error) {
	counts := new([4 << 16]uint64)
	if err := f.objects.Unreads.Get(counts); err != nil {
		return nil, fmt.Errorf("read what is dropped: %w", err)
	}
	for what, n := range counts {
		if n > 0 {
			list = append(list, Unread{UnreadKind(what >> 16), uint16(what), n})
		}
	}
	return list, nil
}

// Close detaches everything. No ring may be read any more.
func (f *Filter) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var errs []error
	for _, r := range f.rings {
		errs = append(errs, r.unmap())
	}
	for _, m := range f.inner {
		errs = append(errs, m.Close())
	}
	for _, t := range f.taps {
		errs = append(errs, t.detach(), t.Close())
		if t.egress != nil {
			errs = append(errs, t.egress.Close())
		}
	}
	if f.marksMemory != nil {
		errs = append(errs, unix.Munmap(f.marksMemory))
	}
	f.rings, f.inner, f.taps, f.marks, f.marksMemory = nil, nil, nil, nil, nil
	return errors.Join(errs...)
}
