// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"net"
	"os/exec"
	"runtime"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"tap25/capture/capturetest"
)

// TestEgress_AgreesWithXDP runs both programs on the same frames: they give the same verdict, put the same octets into
// the same ring, and the host gets each frame.
func TestEgress_AgreesWithXDP(t *testing.T) {
	f := load(t, Config{Inline: true, Workers: 3})
	var list [][]byte
	for _, c := range frames(t) {
		list = append(list, c.frame)
	}
	r := rand.New(rand.NewPCG(25, 27))
	for range 2000 {
		frame, _ := randomFrame(t, r)
		list = append(list, frame)
	}
	ran := 0
	for i, frame := range list {
		if len(frame) < 14 || len(frame) > 3000 { // the kernel runs only what a page takes
			continue
		}
		before := stats(t, f)
		action, err := f.taps["tap0"].egress.Run(&ebpf.RunOptions{Data: frame})
		if errors.Is(err, unix.EINVAL) { // it makes no socket buffer of a frame that ends inside its IP header
			continue
		}
		if err != nil || int32(action) != -1 { // TC_ACT_UNSPEC
			t.Fatalf("frame %d: action %d, %v", i, int32(action), err)
		}
		ran++
		between := stats(t, f)
		run(t, f, frame)
		after := stats(t, f)
		if got, want := raised(t, before, between), raised(t, between, after); got != want {
			t.Fatalf("frame %d: %s at egress, %s at XDP\n%x", i, got, want, frame)
		}
		for worker := range 3 {
			var in, out Frame
			ring := f.Ring(worker)
			if !ring.Next(&out) {
				continue
			}
			data := bytes.Clone(out.Data)
			if !ring.Next(&in) || !bytes.Equal(data, in.Data) || in.Length != out.Length {
				t.Fatalf("frame %d: %d octets from egress, %d from XDP", i, len(data), len(in.Data))
			}
		}
	}
	if ran < 1500 {
		t.Errorf("%d of %d frames were run", ran, len(list))
	}
}

// TestEgress_OldKernels attaches as kernels before 6.6 want it: a second tap25 takes the place of one that was killed,
// and no filter stays after the end.
func TestEgress_OldKernels(t *testing.T) {
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine, and the namespace with it
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		capturetest.Missing(t, "netns", "make a network namespace: "+err.Error())
	}
	ip := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %v: %v\n%s", args, err, out)
		}
	}
	ip("link", "add", "out0", "type", "veth", "peer", "name", "peer0")
	ip("link", "set", "out0", "up")
	ip("link", "set", "peer0", "up")
	ifi, err := net.InterfaceByName("out0")
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	send := func() {
		t.Helper()
		to := &unix.SockaddrLinklayer{Ifindex: ifi.Index, Protocol: 0x0008}
		if err := unix.Sendto(fd, ethernet(0x0800, mail4(t)), 0, to); err != nil {
			t.Fatal(err)
		}
	}
	first, second := load(t, Config{Inline: true}), load(t, Config{Inline: true})
	if _, err := attachClsact(first.taps["tap0"].egress, ifi.Index); err != nil {
		t.Fatal(err)
	}
	send()
	closer, err := attachClsact(second.taps["tap0"].egress, ifi.Index)
	if err != nil {
		t.Fatal(err)
	}
	send()
	if err := closer.Close(); err != nil {
		t.Fatal(err)
	}
	send()
	for i, f := range []*Filter{first, second} {
		if s := stats(t, f); s.Delivered() != 1 {
			t.Errorf("%d frames to tap25 number %d, want one each", s.Delivered(), i+1)
		}
	}
}
