package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tap25/bpf"
	"tap25/capture/capturetest"
	"tap25/cmd/tap25/report"
)

func command(t *testing.T, line string) {
	t.Helper()
	words := strings.Fields(line)
	if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", line, err, out)
	}
}

// newNamespace makes a network namespace with tap0, the other end of whose wire is port.
func newNamespace(t *testing.T) (name string) {
	t.Helper()
	if os.Geteuid() != 0 {
		capturetest.Missing(t, "root", "network namespaces and XDP take it")
	}
	name = fmt.Sprintf("t25d%d", os.Getpid())
	command(t, "ip netns add "+name)
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", name).Run() })
	command(t, "ip -n "+name+" link add port type veth peer name tap0")
	command(t, "ip -n "+name+" link set port up")
	command(t, "ip -n "+name+" link set tap0 up")
	return name
}

// in runs f in a namespace; sockets that it opens stay there.
func in(t *testing.T, ns string, f func() error) {
	t.Helper()
	if err := capturetest.InNamespace(ns, f); err != nil {
		t.Fatal(err)
	}
}

func TestDoctor_FactsOfAnInterface(t *testing.T) {
	ns := newNamespace(t)
	read := func() (f interfaceFacts) {
		t.Helper()
		in(t, ns, func() error {
			list, err := interfaceFactsNow([]string{"tap0", "nosuch0"})
			if err == nil {
				f = list[0]
				if !list[1].missing {
					t.Error("nosuch0 is not missing")
				}
			}
			return err
		})
		return f
	}
	for end := time.Now().Add(15 * time.Second); !read().carrier; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no carrier")
		}
	}
	if f := read(); f.missing || f.kind != unix.ARPHRD_ETHER || !f.up || f.address || f.mtu != 1500 ||
		f.driver != "veth" || f.attached || f.queues != 1 ||
		f.gro == nil || f.lro == nil {
		t.Errorf("%+v", f)
	}
	ethtool := func(args string) { command(t, "ip netns exec "+ns+" ethtool "+args) }
	ethtool("-K tap0 gro on rxvlan on")
	if f := read(); !isOn(f.gro) || !isOn(f.untag) {
		t.Errorf("gro and rxvlan on: %v, %v", isOn(f.gro), isOn(f.untag))
	}
	ethtool("-K tap0 gro off rxvlan off")
	command(t, "ip -n "+ns+" addr add 192.0.2.99/24 dev tap0")
	command(t, "ip -n "+ns+" link set tap0 mtu 3000")
	if f := read(); isOn(f.gro) || isOn(f.untag) || !f.address || f.mtu != 3000 {
		t.Errorf("gro and rxvlan off, an address, MTU 3000: %+v", f)
	}
	command(t, "ip -n "+ns+" link set port down")
	if f := read(); !f.up || f.carrier {
		t.Errorf("no carrier: %+v", f)
	}
	filter, err := bpf.Load(bpf.Config{Interfaces: []string{"tap0"}, RingBytes: os.Getpagesize(), Inline: true})
	if err != nil {
		t.Fatal(err)
	}
	defer filter.Close()
	in(t, ns, func() error {
		ifi, err := net.InterfaceByName("tap0")
		if err == nil {
			_, err = filter.Attach(ifi.Index, ifi.Name, bpf.Auto)
		}
		return err
	})
	if !read().attached {
		t.Error("an XDP program is not seen")
	}
}

// What a running sniff counts is known at once if doctor is interrupted before it asks.
func TestDoctor_AsksARunningSniffThoughInterrupted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = json.NewEncoder(c).Encode(&report.Report{RingFull: 7,
				Interfaces: []report.Interface{{Name: "tap0", Native: true, Up: true}}})
			c.Close()
		}
	}()
	interrupted, cancel := context.WithCancel(t.Context())
	cancel()
	s := &Settings{Control: path, Interfaces: []string{"tap0"}, For: time.Hour}
	if f := s.askSniff(interrupted); f.err != nil || !f.running || f.full != 7 || !f.native["tap0"] {
		t.Errorf("%+v", f)
	}
	s.Interfaces = []string{"tap0", "tap1"}
	if f := s.askSniff(interrupted); f.err == nil || !strings.Contains(f.err.Error(), "attached to tap1") {
		t.Errorf("an interface that it does not listen on: %v", f.err)
	}
}

// A sniff that hangs holds nobody up after a signal.
func TestDoctor_ASignalEndsTheWaitForASniffThatHangs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	interrupted, cancel := context.WithCancel(t.Context())
	cancel()
	asked := make(chan *trafficFacts, 1)
	go func() { asked <- (&Settings{Control: path, Interfaces: []string{"tap0"}}).askSniff(interrupted) }()
	select {
	case f := <-asked:
		if f.err == nil {
			t.Error("an answer of a sniff that gives none")
		}
	case <-time.After(5 * time.Second): // without the signal, 10
		t.Error("it waits on")
	}
}

// The difference of two reports has the segments with wrong checksums and the damaged frames, whatever they are named
// in it.
func TestTraffic_CountsWhatIsDamaged(t *testing.T) {
	frames := map[string]int64{"tcp_port": 50, "other_port": 5, "bad_fragment": 1, "truncated_link": 2, "bad_tcp": 3}
	now := &report.Report{Frames: frames, Anomalies: map[string]int64{"bad checksums": 9, "conflicts": 4}}
	f := traffic(&report.Report{Frames: map[string]int64{"bad_tcp": 1},
		Anomalies: map[string]int64{"bad checksums": 2}}, now)
	if f.unread != 5 || f.badChecksums != 7 {
		t.Errorf("%d frames damaged, want 5; %d segments with wrong checksums, want 7", f.unread, f.badChecksums)
	}
}
