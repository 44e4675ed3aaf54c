package bpf

import (
	"encoding/binary"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Layout of a BPF ring buffer in memory (kernel/bpf/ringbuf.c): one page with the
// consumer's position, ours to write; one page with the producer's; then the data
// twice in a row, so that no record is ever in two pieces.
//
//	record   0  u32  length, bit 31 busy, bit 30 discarded
//	         4  u32  page offset (the kernel's own)
//	         8       length bytes, padded to 8
const (
	recordHeader    = 8
	recordBusy      = 1 << 31
	recordDiscarded = 1 << 30
)

// frameHeader is the size of struct frame of filter.c, before the bytes of each frame.
const frameHeader = 24

// Frame is one frame in a ring.
type Frame struct {
	BootNanos uint64 // CLOCK_BOOTTIME when the program ran
	Length    int    // octets on the wire
	Interface int    // index of the interface
	Verdict   Verdict
	Data      []byte // in the ring, valid until the next call of Next
}

// Ring reads one worker's ring buffer by polling, without wake-ups: these cost five
// times what the copy does. Not for concurrent use.
type Ring struct {
	consumer *atomic.Uint64
	producer *atomic.Uint64
	control  []byte
	mapped   []byte
	data     []byte
	mask     uint64
	position uint64 // read up to here
	released uint64 // given back to the kernel up to here
	batch    uint64 // bytes read before they are given back
	ahead    uint64 // the producer's position when last looked
}

func newRing(fd, size int) (*Ring, error) {
	page := os.Getpagesize()
	control, err := unix.Mmap(fd, 0, page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map ring: %w", err)
	}
	mapped, err := unix.Mmap(fd, int64(page), page+2*size, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		_ = unix.Munmap(control)
		return nil, fmt.Errorf("map ring: %w", err)
	}
	return &Ring{
		consumer: (*atomic.Uint64)(unsafe.Pointer(&control[0])),
		producer: (*atomic.Uint64)(unsafe.Pointer(&mapped[0])),
		control:  control,
		mapped:   mapped,
		data:     mapped[page:],
		mask:     uint64(size - 1),
		batch:    uint64(size / 16), // seldom enough that the kernel's cache line stays its own
	}, nil
}

// Next gives the next frame, or false where there is none at the moment.
func (r *Ring) Next(f *Frame) bool {
	if r.position-r.released >= r.batch {
		r.release()
	}
	for {
		if r.position == r.ahead {
			if r.ahead = r.producer.Load(); r.position == r.ahead {
				r.release()
				return false
			}
		}
		at := r.position & r.mask
		head := (*atomic.Uint32)(unsafe.Pointer(&r.data[at])).Load()
		if head&recordBusy != 0 { // reserved, still being filled in
			r.release()
			return false
		}
		size := uint64(head &^ (recordBusy | recordDiscarded))
		record := r.data[at+recordHeader : at+recordHeader+size]
		r.position += recordHeader + (size+7)&^7
		if head&recordDiscarded != 0 {
			continue
		}
		f.BootNanos = binary.LittleEndian.Uint64(record)
		f.Length = int(binary.LittleEndian.Uint32(record[8:]))
		captured := binary.LittleEndian.Uint32(record[12:])
		f.Interface = int(binary.LittleEndian.Uint32(record[16:]))
		f.Verdict = Verdict(binary.LittleEndian.Uint32(record[20:]))
		f.Data = record[frameHeader : frameHeader+captured]
		return true
	}
}

// release gives the kernel back what was read, and with it the last frame's Data.
func (r *Ring) release() {
	if r.released != r.position {
		r.consumer.Store(r.position)
		r.released = r.position
	}
}

// Waiting is how many bytes of the ring are filled.
func (r *Ring) Waiting() int { return int(r.producer.Load() - r.consumer.Load()) }

func (r *Ring) unmap() error {
	err := unix.Munmap(r.control)
	if err2 := unix.Munmap(r.mapped); err == nil {
		err = err2
	}
	return err
}
