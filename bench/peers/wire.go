package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// sent is the report of the sender.
type sent struct {
	Frames  int
	Seconds float64
}

// batch is how many frames go to the kernel in one call.
const batch = 32

// message is struct mmsghdr of sendmmsg(2).
type message struct {
	header unix.Msghdr
	_      uint32 // octets sent
	_      uint32
}

// send sends the frames of a capture through an interface, at so many frames a second; 0: as fast as it can.
func send(name, path, rate string, out io.Writer) error {
	perSecond, err := strconv.Atoi(rate)
	if err != nil {
		return err
	}
	frames, err := mapped(path)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := bindTo(fd, name, 0); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1); err != nil {
		return err
	}
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil { // else pauses are 50 µs longer
		return err
	}
	var messages [batch]message
	var pieces [batch]unix.Iovec
	for i := range messages {
		messages[i].header.Iov = &pieces[i]
		messages[i].header.SetIovlen(1)
	}
	n, begun := 0, time.Now()
	for len(frames) > 0 {
		k := 0
		for ; k < batch && len(frames) > 0; k++ {
			length := 16 + int(binary.NativeEndian.Uint32(frames[8:]))
			pieces[k].Base = &frames[16]
			pieces[k].SetLen(length - 16)
			frames = frames[length:]
		}
		if err := sendAll(fd, messages[:k]); err != nil {
			return err
		}
		if n += k; perSecond > 0 {
			if ahead := time.Duration(float64(n)/float64(perSecond)*1e9) - time.Since(begun); ahead > 0 {
				pause := unix.NsecToTimespec(int64(ahead))
				_ = unix.Nanosleep(&pause, nil)
			}
		}
	}
	return json.NewEncoder(out).Encode(sent{n, time.Since(begun).Seconds()})
}

func sendAll(fd int, messages []message) error {
	for len(messages) > 0 {
		n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&messages[0])),
			uintptr(len(messages)), 0, 0, 0)
		switch errno {
		case 0:
			messages = messages[n:]
		case unix.ENOBUFS, unix.EINTR:
		default:
			return errno
		}
	}
	return nil
}

// mapped returns the frames of a pcap file in the byte order of this machine.
func mapped(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Stat()
	if err != nil {
		return nil, err
	}
	b, err := unix.Mmap(int(f.Fd()), 0, int(size.Size()), unix.PROT_READ, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return nil, err
	}
	return b[24:], nil
}

// bindTo binds a packet socket to an interface; with protocol 0 it only sends.
func bindTo(fd int, name string, protocol uint16) error {
	dev, err := net.InterfaceByName(name)
	if err != nil {
		return err
	}
	return unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: dev.Index, Protocol: protocol<<8 | protocol>>8})
}

// drop attaches the barest XDP program, which drops every frame, until a signal comes.
func drop(name string, _ io.Writer) error {
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP,
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 1), asm.Return()}})
	if err != nil {
		return err
	}
	dev, err := net.InterfaceByName(name)
	if err != nil {
		return err
	}
	l, err := link.AttachXDP(link.XDPOptions{Program: p, Interface: dev.Index, Flags: link.XDPDriverMode})
	if err != nil {
		return err
	}
	defer l.Close()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT)
	fmt.Fprintln(os.Stderr, ready)
	<-signals
	return nil
}
