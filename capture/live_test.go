package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tap25/bpf"
)

func TestLive_FramesComeOutWithTimeAndInterface(t *testing.T) {
	inNamespace(t)
	veth(t, "tap1", "peer1")
	l := openLive(t, LiveConfig{Interfaces: []string{"tap0", "tap1"}})
	runtime.GC() // a link that nobody holds is detached by its finalizer
	runtime.GC()
	before := time.Now()
	sender(t, "peer1")(smtpFrame(80, 60))
	want := smtpFrame(25, 333)
	sender(t, "peer1")(want)
	var f Frame
	w := l.Workers()[0]
	wait(t, "a frame", func() bool { return w.Next(&f) == nil })
	if !bytes.Equal(f.Data, want) || f.Length != len(want) || f.LinkType != 1 || f.File != 1 {
		t.Errorf("frame of %d octets of interface %d, want %d of 1", f.Length, f.File, len(want))
	}
	if f.Time.Before(before.Add(-time.Millisecond)) || f.Time.After(time.Now().Add(time.Millisecond)) {
		t.Errorf("received at %v, sent after %v", f.Time, before)
	}
	s, err := l.Stats()
	if err != nil {
		t.Fatal(err)
	}
	if s.Delivered() != 1 || s.Full() != 0 || s.Seen() != s.Dropped()+s.Full()+s.Delivered() || s.Dropped() < 1 {
		t.Errorf("seen %d, dropped %d, ring full %d, delivered %d", s.Seen(), s.Dropped(), s.Full(), s.Delivered())
	}
	if !s.Links[0].Native || !s.Links[0].Up {
		t.Errorf("tap0: %+v, want native and up", s.Links[0])
	}
	if err := w.Next(&f); !errors.Is(err, ErrNoFrame) {
		t.Errorf("without a frame: %v", err)
	}
	if err := l.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := w.Next(&f); err != io.EOF {
		t.Errorf("after Stop: %v, want EOF", err)
	}
}

func TestLive_RefusesAnInterfaceWithAnAddress(t *testing.T) {
	inNamespace(t)
	command(t, "ip address add 192.0.2.1/24 dev tap0")
	if l, err := OpenLive(LiveConfig{Interfaces: []string{"tap0"}}); err == nil {
		_ = l.Close()
		t.Error("not refused")
	} else if !strings.Contains(err.Error(), "--inline") {
		t.Errorf("the error does not name the flag: %v", err)
	}
	openLive(t, LiveConfig{Interfaces: []string{"tap0"}, Inline: true})
}

// TestLive_InlineSeesWhatTheHostSends: also on an interface that was away meanwhile. A loopback interface receives what
// it sends, so there each frame is seen once.
func TestLive_InlineSeesWhatTheHostSends(t *testing.T) {
	inNamespace(t)
	command(t, "ip link set lo up")
	l := openLive(t, LiveConfig{Interfaces: []string{"tap0", "lo"}, Inline: true})
	w := l.Workers()[0]
	var f Frame
	exchange := func(when string) {
		t.Helper()
		for i, name := range []string{"tap0", "peer0", "lo"} {
			want := smtpFrame(25, 300+i)
			sender(t, name)(want)
			wait(t, when+": a frame from "+name, func() bool { return w.Next(&f) == nil })
			if !bytes.Equal(f.Data, want) || f.File != map[string]int{"tap0": 0, "peer0": 0, "lo": 1}[name] {
				t.Errorf("%s: from %s came %d octets of interface %d", when, name, len(f.Data), f.File)
			}
			if err := w.Next(&f); !errors.Is(err, ErrNoFrame) {
				t.Errorf("%s: the frame from %s was seen twice", when, name)
			}
		}
	}
	exchange("at first")
	command(t, "ip link del tap0")
	wait(t, "away", func() bool { l.Check(); return l.links[0].snapshot().Away })
	veth(t, "tap0", "peer0")
	wait(t, "back", func() bool { l.Check(); return !l.links[0].snapshot().Away })
	exchange("after it was away")
}

func TestLive_TheSecondOnOneInterfaceSaysWhyNot(t *testing.T) {
	inNamespace(t)
	openLive(t, LiveConfig{Interfaces: []string{"tap0"}})
	l, err := OpenLive(LiveConfig{Interfaces: []string{"tap0"}})
	if err == nil {
		_ = l.Close()
		t.Fatal("not refused")
	}
	if !errors.Is(err, unix.EBUSY) || !strings.Contains(err.Error(), "another tap25") {
		t.Errorf("error: %v", err)
	}
}

// TestLive_NamesTheCapabilityThatIsMissing takes one capability after the other from
// a thread, which ends with the test.
func TestLive_NamesTheCapabilityThatIsMissing(t *testing.T) {
	for _, missing := range []struct {
		name   string
		number int
	}{
		{"none", -1}, // first: cilium/ebpf remembers what the kernel refused as what it does not have
		{"CAP_BPF", unix.CAP_BPF}, {"CAP_PERFMON", unix.CAP_PERFMON}, {"CAP_NET_ADMIN", unix.CAP_NET_ADMIN},
		{"CAP_NET_RAW", unix.CAP_NET_RAW},
	} {
		name, number := missing.name, missing.number
		t.Run(name, func(t *testing.T) {
			inNamespace(t)
			want := uint64(1)<<unix.CAP_BPF | 1<<unix.CAP_PERFMON | 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_NET_RAW
			if number >= 0 {
				want &^= 1 << number
			}
			data := [2]unix.CapUserData{{Effective: uint32(want)}, {Effective: uint32(want >> 32)}}
			data[0].Permitted, data[1].Permitted = data[0].Effective, data[1].Effective
			if err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &data[0]); err != nil {
				t.Fatal(err)
			}
			l, err := OpenLive(LiveConfig{Interfaces: []string{"tap0"}})
			if err == nil {
				_ = l.Close()
			}
			if number < 0 && err != nil || number >= 0 &&
				(err == nil || !strings.Contains(err.Error(), "capability "+name+" ") &&
					!strings.Contains(err.Error(), "capability "+name+":")) {
				t.Errorf("without %s: %v", name, err)
			}
		})
	}
}

func TestLive_Modes(t *testing.T) {
	inNamespace(t)
	command(t, "ip link add bridge0 type bridge") // its driver knows no XDP
	command(t, "ip link set tap0 master bridge0")
	command(t, "ip link set bridge0 up")
	if l, err := OpenLive(LiveConfig{Interfaces: []string{"bridge0"}, Mode: bpf.Native}); err == nil ||
		!strings.Contains(err.Error(), "--xdp generic") {
		t.Errorf("native where there is none: %v, %v", l, err)
	}
	for name, c := range map[string]struct {
		mode   bpf.Mode
		on     string
		native bool
	}{"auto falls back to generic": {bpf.Auto, "bridge0", false}, "generic": {bpf.Generic, "peer0", false},
		"auto is native": {bpf.Auto, "peer0", true}, "native": {bpf.Native, "peer0", true}} {
		l := openLive(t, LiveConfig{Interfaces: []string{c.on}, Mode: c.mode})
		s, err := l.Stats()
		if err != nil || s.Links[0].Native != c.native {
			t.Errorf("%s: %v, %+v", name, err, s.Links[0])
		}
		from := map[string]string{"bridge0": "peer0", "peer0": "tap0"}[c.on]
		want := smtpFrame(25, 1000)
		var f Frame
		send := sender(t, from)
		wait(t, name+": a frame", func() bool { // a bridge port forwards once it has a carrier
			send(want)
			return l.Workers()[0].Next(&f) == nil
		})
		if !bytes.Equal(f.Data, want) {
			t.Errorf("%s: another frame came", name)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestLive_JumboFramesComeWhole(t *testing.T) {
	inNamespace(t)
	command(t, "ip link set tap0 mtu 9000")
	command(t, "ip link set peer0 mtu 9000")
	l := openLive(t, LiveConfig{Interfaces: []string{"tap0"}})
	want := smtpFrame(25, 9014)
	for i := range want[54:] {
		want[54+i] = byte(i * 7)
	}
	sender(t, "peer0")(want)
	var f Frame
	wait(t, "a frame", func() bool { return l.Workers()[0].Next(&f) == nil })
	if !bytes.Equal(f.Data, want) || f.Length != len(want) {
		t.Errorf("%d of %d octets, want %d", len(f.Data), f.Length, len(want))
	}
}

func TestLive_PortsChangeWhileRunning(t *testing.T) {
	inNamespace(t)
	l := openLive(t, LiveConfig{Interfaces: []string{"tap0"}})
	send, w := sender(t, "peer0"), l.Workers()[0]
	var f Frame
	for _, port := range []uint16{25, 77, 25} {
		if err := l.SetPorts([]uint16{port}); err != nil {
			t.Fatal(err)
		}
		send(smtpFrame(byte(102-port), 90)) // the other one
		send(smtpFrame(byte(port), 100))
		wait(t, "a frame", func() bool { return w.Next(&f) == nil })
		if len(f.Data) != 100 {
			t.Errorf("a frame of a port other than %d came", port)
		}
	}
}

// TestLive_OverloadCountsEveryFrame sends faster than is read, through tiny rings.
func TestLive_OverloadCountsEveryFrame(t *testing.T) {
	const each, workers = 20_000, 2
	inNamespace(t)
	veth(t, "tap1", "peer1")
	l := openLive(t, LiveConfig{Interfaces: []string{"tap0", "tap1"}, Workers: workers, RingBytes: 8192})
	var sending, reading sync.WaitGroup
	for i, name := range []string{"peer0", "peer1"} {
		send := sender(t, name)
		sending.Go(func() {
			for n := range uint32(each) {
				f := smtpFrame(25, 100)
				f[29] = byte(10 + i + int(n%8)*2) // connections of each interface's own
				binary.BigEndian.PutUint32(f[54:], n)
				send(f)
				for range i + 1 { // of tap1 twice as many
					send(smtpFrame(80, 60))
				}
			}
		})
	}
	var read, lost atomic.Uint64
	var from [2]atomic.Uint64 // read, by interface
	for _, w := range l.Workers() {
		reading.Go(func() {
			last := map[byte]uint32{} // by connection
			var f Frame
			for {
				err := w.Next(&f)
				lost.Add(f.Lost)
				if err == io.EOF {
					return
				}
				if err != nil {
					continue
				}
				read.Add(1)
				from[f.File].Add(1)
				n := binary.BigEndian.Uint32(f.Data[54:])
				if before, ok := last[f.Data[29]]; ok && n <= before {
					t.Errorf("frame %d behind %d", n, before)
				}
				last[f.Data[29]] = n
			}
		})
	}
	sending.Wait()
	wait(t, "the kernel to be done", func() bool { // what the last softirq brings
		a, _ := l.Stats()
		time.Sleep(20 * time.Millisecond)
		b, _ := l.Stats()
		return a.Seen() == b.Seen()
	})
	if err := l.Stop(); err != nil {
		t.Fatal(err)
	}
	reading.Wait()
	s, err := l.Stats()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("sent %d, seen %d, dropped by design %d, read %d, lost %d", 5*each, s.Seen(), s.Dropped(),
		read.Load(), lost.Load())
	if s.Seen() != s.Dropped()+s.Full()+s.Delivered() || s.Delivered() != read.Load() || s.Full() != lost.Load() {
		t.Errorf("seen %d, dropped %d, ring full %d, delivered %d; read %d, told lost %d", s.Seen(), s.Dropped(),
			s.Full(), s.Delivered(), read.Load(), lost.Load())
	}
	if s.Full() == 0 || s.Delivered() == 0 || s.Dropped() == 0 {
		t.Error("no overload")
	}
	for i, name := range []string{"tap0", "tap1"} { // both have the same number of frames to be kept
		c := s.Interfaces[name]
		if n := c.Verdicts[bpf.OtherPort]; n != uint64(i+1)*each || c.Seen() != c.Dropped()+c.Full()+c.Delivered() {
			t.Errorf("%s: %d frames of another port, of %d: %+v", name, n, (i+1)*each, c)
		}
		if n := from[i].Load(); n+c.Full() != each || n == each || n != c.Delivered() {
			t.Errorf("%s: %d frames read, of %d: %+v", name, n, each, c)
		}
		for worker, r := range c.Rings {
			s.Rings[worker].Full -= r.Full
			s.Rings[worker].Delivered -= r.Delivered
			s.Rings[worker].Bytes -= r.Bytes
		}
	}
	for worker, r := range s.Rings {
		if r != (bpf.RingCounts{}) {
			t.Errorf("ring %d has counts of no interface: %+v", worker, r)
		}
	}
}

func TestLive_SurvivesTheInterfaceGoingDownAndAway(t *testing.T) {
	inNamespace(t)
	l := openLive(t, LiveConfig{Interfaces: []string{"tap0"}})
	var last LinkChange
	changed := func(want func(LinkChange) bool) func() bool {
		return func() bool {
			for _, c := range l.Check() {
				last = c
			}
			return want(last)
		}
	}
	command(t, "ip link set tap0 down")
	wait(t, "down", changed(func(c LinkChange) bool { return c.Name == "tap0" && !c.Up && !c.Away }))
	command(t, "ip link set tap0 up")
	wait(t, "up", changed(func(c LinkChange) bool { return c.Up }))
	wait(t, "carrier of peer0", func() bool {
		_, up, err := readLink("peer0")
		return err == nil && up
	})
	sender(t, "peer0")(smtpFrame(25, 99))
	var f Frame
	wait(t, "a frame after up", func() bool { return l.Workers()[0].Next(&f) == nil })
	command(t, "ip link del tap0")
	wait(t, "away", changed(func(c LinkChange) bool { return c.Away }))
	veth(t, "tap0", "peer0")
	wait(t, "back", changed(func(c LinkChange) bool { return c.Back || !c.Away && c.Up }))
	sender(t, "peer0")(smtpFrame(25, 100))
	wait(t, "a frame", func() bool { return l.Workers()[0].Next(&f) == nil })
}

func TestClock_FollowsCorrectionsWithoutGoingBack(t *testing.T) {
	const second = uint64(time.Second)
	c := clock{offset: 1000 * int64(second), synced: second}
	c.sync(2*second, 999*int64(second)) // the wall clock went back by one second
	last := c.wall(2 * second)
	for now := 2 * second; now < 40*second; now += second / 4 {
		if c.due(now) {
			c.sync(now, 999*int64(second))
		}
		if at := c.wall(now); at.Before(last) {
			t.Fatalf("went back from %v to %v", last, at)
		}
		last = c.wall(now)
	}
	if c.offset != 999*int64(second) || c.steps != 0 {
		t.Errorf("offset %d after %d steps, want the corrected one without a step", c.offset, c.steps)
	}
	c.sync(41*second, 5000*int64(second))
	if c.offset != 5000*int64(second) || c.steps != 1 {
		t.Errorf("a clock that was set: offset %d, %d steps", c.offset, c.steps)
	}
}
