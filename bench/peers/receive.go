package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"tap25/reassembly"
	"tap25/reassembly/smtp"
)

// received counts the frames of a receiver, and those that its ring had no room for.
type received struct {
	Frames, Drops uint64
}

// ready is on standard error once a receiver is ready for frames.
const ready = "waits for frames"

// The ring of the receiver has the default size of tap25's rings.
const (
	blockBytes = 1 << 20
	blocks     = 32
)

// receive takes frames from AF_PACKET with TPACKET_V3 until a signal comes, and counts them. With rows it also passes
// them to tap25's reassembly, and writes sender and recipient of each row. Then only the capture differs from tap25.
func receive(name string, rows bool, out io.Writer) error {
	debug.SetGCPercent(40) // as tap25 does
	fd, ring, err := openRing(name)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(out, 1<<16)
	assembler := reassembly.New(reassembly.Config{Emit: func(e *smtp.Envelope) {
		fmt.Fprintf(w, "%s\t%s\n", text(e.MailFrom), text(e.RcptTo))
	}})
	var over atomic.Bool
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT)
	go func() { <-signals; over.Store(true) }()
	fmt.Fprintln(os.Stderr, ready)
	var got received
	for at := 0; ; {
		block := ring[at*blockBytes:][:blockBytes]
		h := (*unix.TpacketHdrV1)(unsafe.Pointer(&block[8]))
		if atomic.LoadUint32(&h.Block_status)&unix.TP_STATUS_USER == 0 {
			if over.Load() {
				break
			}
			poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			if _, err := unix.Poll(poll, 100); err != nil && !errors.Is(err, unix.EINTR) {
				return err
			}
			continue
		}
		next := h.Offset_to_first_pkt
		for range h.Num_pkts {
			f := (*unix.Tpacket3Hdr)(unsafe.Pointer(&block[next]))
			got.Frames++
			if rows {
				data := block[next+uint32(f.Mac):][:f.Snaplen]
				assembler.Frame(time.Unix(int64(f.Sec), int64(f.Nsec)), 1, data, int(f.Len))
			}
			next += f.Next_offset
		}
		atomic.StoreUint32(&h.Block_status, unix.TP_STATUS_KERNEL)
		at = (at + 1) % blocks
	}
	assembler.Close()
	stats, err := unix.GetsockoptTpacketStatsV3(fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return err
	}
	got.Drops = uint64(stats.Drops)
	return errors.Join(w.Flush(), json.NewEncoder(os.Stderr).Encode(got))
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// openRing makes a TPACKET_V3 ring for all frames of an interface.
func openRing(name string) (fd int, ring []byte, err error) {
	if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
		return 0, nil, err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return 0, nil, err
	}
	err = unix.SetsockoptTpacketReq3(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &unix.TpacketReq3{Block_size: blockBytes,
		Block_nr: blocks, Frame_size: 2048, Frame_nr: blockBytes / 2048 * blocks, Retire_blk_tov: 10})
	if err != nil {
		return 0, nil, err
	}
	ring, err = unix.Mmap(fd, 0, blockBytes*blocks, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return 0, nil, err
	}
	return fd, ring, bindTo(fd, name, unix.ETH_P_ALL)
}
