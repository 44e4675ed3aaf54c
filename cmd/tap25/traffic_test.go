package main

import (
	"bufio"
	"encoding/binary"
	"io"
	"net/netip"
	"testing"
	"time"
)

// traffic writes a capture of IPv4 packets as fast as it is read, for bounds that no file could show.
type traffic struct {
	t   testing.TB
	w   *bufio.Writer
	at  time.Time
	err error // of the first write that failed

	packets, payload int64
}

const (
	synFlag = 0x02
	rstFlag = 0x04
	ackFlag = 0x10
	finFlag = 0x01

	linktypeRaw = 101
)

var mx = netip.MustParseAddrPort("198.51.100.25:25")

func newTraffic(t testing.TB, w io.Writer) *traffic {
	f := &traffic{t: t, w: bufio.NewWriterSize(w, 1<<20), at: time.Unix(1_700_000_000, 0)}
	var h [24]byte
	binary.LittleEndian.PutUint32(h[0:], 0xa1b2c3d4)
	binary.LittleEndian.PutUint16(h[4:], 2)
	binary.LittleEndian.PutUint16(h[6:], 4)
	binary.LittleEndian.PutUint32(h[16:], 1<<18)
	binary.LittleEndian.PutUint32(h[20:], linktypeRaw)
	f.write(h[:])
	return f
}

func (f *traffic) write(b []byte) {
	if f.err == nil {
		_, f.err = f.w.Write(b)
	}
}

// packet writes an IP packet, a microsecond behind the one before.
func (f *traffic) packet(ip []byte) {
	f.at = f.at.Add(time.Microsecond)
	var h [16]byte
	binary.LittleEndian.PutUint32(h[0:], uint32(f.at.Unix()))
	binary.LittleEndian.PutUint32(h[4:], uint32(f.at.Nanosecond()/1000))
	binary.LittleEndian.PutUint32(h[8:], uint32(len(ip)))
	binary.LittleEndian.PutUint32(h[12:], uint32(len(ip)))
	f.write(h[:])
	f.write(ip)
	f.packets++
}

// checksum is RFC 1071's.
func checksum(sum uint32, b []byte) uint16 {
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) > 0 {
		sum += uint32(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// ipv4 makes a packet of a protocol; field is flags and fragment offset as RFC 791 has them.
func ipv4(src, dst netip.Addr, proto uint8, id, field uint16, body []byte) []byte {
	b := make([]byte, 20, 20+len(body))
	b[0], b[8], b[9] = 0x45, 64, proto
	binary.BigEndian.PutUint16(b[2:], uint16(20+len(body)))
	binary.BigEndian.PutUint16(b[4:], id)
	binary.BigEndian.PutUint16(b[6:], field)
	copy(b[12:], src.AsSlice())
	copy(b[16:], dst.AsSlice())
	binary.BigEndian.PutUint16(b[10:], checksum(0, b))
	return append(b, body...)
}

// segment writes a TCP segment.
func (f *traffic) segment(src, dst netip.AddrPort, flags uint8, seq, ack uint32, payload string) {
	b := make([]byte, 20+len(payload))
	binary.BigEndian.PutUint16(b[0:], src.Port())
	binary.BigEndian.PutUint16(b[2:], dst.Port())
	binary.BigEndian.PutUint32(b[4:], seq)
	binary.BigEndian.PutUint32(b[8:], ack)
	b[12], b[13] = 5<<4, flags
	binary.BigEndian.PutUint16(b[14:], 65535)
	copy(b[20:], payload)
	p := ipv4(src.Addr(), dst.Addr(), 6, 0, 0, b)
	pseudo := uint32(6) + uint32(len(b))
	for i := 12; i < 20; i += 2 {
		pseudo += uint32(binary.BigEndian.Uint16(p[i:]))
	}
	binary.BigEndian.PutUint16(p[20+16:], checksum(pseudo, b))
	f.packet(p)
	f.payload += int64(len(payload))
}

// peer is a scripted TCP connection of a client with mx.
type peer struct {
	f      *traffic
	client netip.AddrPort
	next   [2]uint32 // sequence numbers of client and server
}

// host is the n-th of 16 million clients, port its own.
func (f *traffic) host(n, port int) *peer {
	return &peer{f, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), uint16(port)), [2]uint32{uint32(n) * 7919, uint32(n) * 104729}}
}

const (
	fromClient = iota
	fromServer
)

func (p *peer) send(from int, flags uint8, payload string) {
	ends := [2]netip.AddrPort{p.client, mx}
	ack := p.next[1-from]
	if flags&ackFlag == 0 {
		ack = 0
	}
	p.f.segment(ends[from], ends[1-from], flags, p.next[from], ack, payload)
	p.next[from] += uint32(len(payload))
	if flags&(synFlag|finFlag) != 0 {
		p.next[from]++
	}
}

func (p *peer) open() {
	p.send(fromClient, synFlag, "")
	p.send(fromServer, synFlag|ackFlag, "")
}

func (p *peer) say(from int, text string) { p.send(from, ackFlag, text) }

func (p *peer) close() {
	p.send(fromClient, ackFlag|finFlag, "")
	p.send(fromServer, ackFlag|finFlag, "")
}
