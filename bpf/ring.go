// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"encoding/binary"
	"errors"
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
const frameHeader = 40

// Frame is one frame in a ring.
type Frame struct {
	Nanos     uint64 // CLOCK_MONOTONIC when the program ran
	Lost      uint64 // frames that found the ring full since the last call of Next, before this frame
	Length    int    // octets on the wire
	Interface int    // index of the interface
	Verdict   Verdict
	Data      []byte // in the ring, valid until the next call of Next
	mark      uint32 // index of the mark of its flow, plus one; 0: none
	Unseen    Unseen // its payload, if that has stayed in the kernel: then Data is the headers
}

// Unseen is a payload that stays in the kernel.
type Unseen struct {
	Octets int     // 0: the frame is whole
	Digest uint64  // with Filter.DigestKey, by NH of UMAC, in words of 64 bits in little-endian order
	Tail   [2]byte // the last two octets
}

// bodyHeader is the size of struct body of body.h.
const bodyHeader = 16

// Ring reads one worker's ring buffer by polling, without wake-ups: these cost five
// times what the copy does. Not for concurrent use.
type Ring struct {
	consumer *atomic.Uint64
	producer *atomic.Uint64
	lost     *atomic.Uint64 // counted by the program
	maps     [][]byte
	data     []byte
	mask     uint64
	position uint64 // read up to here
	released uint64 // given back to the kernel up to here
	batch    uint64 // bytes read before they are given back
	ahead    uint64 // the producer's position when last looked
	reported uint64 // of lost
}

// used may be called by any goroutine.
func (r *Ring) used() uint64 {
	read := r.consumer.Load() // before the producer's position, so that the difference is never negative
	return min(r.producer.Load()-read, r.mask+1)
}

func newRing(fd, size, lossesFD, worker int) (*Ring, error) {
	page := os.Getpagesize()
	r := &Ring{
		mask:  uint64(size - 1),
		batch: uint64(size / 16), // seldom enough that the kernel's cache line stays its own
	}
	for _, m := range []struct{ fd, offset, size, prot int }{
		{fd, 0, page, unix.PROT_READ | unix.PROT_WRITE},
		{fd, page, page + 2*size, unix.PROT_READ},
		{lossesFD, 0, 8 * MaxWorkers, unix.PROT_READ},
	} {
		b, err := unix.Mmap(m.fd, int64(m.offset), m.size, m.prot, unix.MAP_SHARED)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("map ring of %d bytes: %w", size, err), r.unmap())
		}
		r.maps = append(r.maps, b)
	}
	r.consumer = (*atomic.Uint64)(unsafe.Pointer(&r.maps[0][0]))
	r.producer = (*atomic.Uint64)(unsafe.Pointer(&r.maps[1][0]))
	r.data = r.maps[1][page:]
	r.lost = (*atomic.Uint64)(unsafe.Pointer(&r.maps[2][8*worker]))
	return r, nil
}

// Next gives the next frame, or false if none waits. Then f.Lost is set all the same, to the frames lost after the last
// one.
func (r *Ring) Next(f *Frame) bool {
	if r.position-r.released >= r.batch {
		r.release()
	}
	for {
		at := r.position & r.mask
		if r.position == r.ahead {
			lost := r.lost.Load() // before the look at the ring: what it held when these were lost is read by now
			if r.ahead = r.producer.Load(); r.position == r.ahead {
				return r.empty(f, lost)
			}
		}
		head := (*atomic.Uint32)(unsafe.Pointer(&r.data[at])).Load()
		if head&recordBusy != 0 { // reserved, still being filled in
			return r.empty(f, r.reported)
		}
		size := uint64(head &^ (recordBusy | recordDiscarded))
		record := r.data[at+recordHeader : at+recordHeader+size]
		r.position += recordHeader + (size+7)&^7
		if head&recordDiscarded != 0 {
			continue
		}
		f.Nanos = binary.LittleEndian.Uint64(record)
		f.Lost = r.newlyLost(binary.LittleEndian.Uint64(record[8:]))
		f.Length = int(binary.LittleEndian.Uint32(record[16:]))
		captured := binary.LittleEndian.Uint32(record[20:])
		f.Interface = int(binary.LittleEndian.Uint32(record[24:]))
		f.Verdict = Verdict(binary.LittleEndian.Uint32(record[28:]))
		f.mark, f.Unseen = binary.LittleEndian.Uint32(record[32:]), Unseen{}
		unseen := int(binary.LittleEndian.Uint32(record[36:]))
		if record = record[frameHeader:]; unseen > 0 {
			f.Unseen = Unseen{unseen, binary.LittleEndian.Uint64(record), [2]byte(record[14:16])}
			record = record[bodyHeader:]
		}
		f.Data = record[:captured]
		return true
	}
}

func (r *Ring) empty(f *Frame, lost uint64) bool {
	r.release()
	*f = Frame{Lost: r.newlyLost(lost)}
	return false
}

// newlyLost returns the part of lost that was not reported before. Readings of several CPUs may come out of order.
func (r *Ring) newlyLost(lost uint64) uint64 {
	if lost <= r.reported {
		return 0
	}
	n := lost - r.reported
	r.reported = lost
	return n
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

// Size is how many bytes the ring holds.
func (r *Ring) Size() int { return int(r.mask + 1) }

func (r *Ring) unmap() error {
	var errs []error
	for _, m := range r.maps {
		errs = append(errs, unix.Munmap(m))
	}
	return errors.Join(errs...)
}
