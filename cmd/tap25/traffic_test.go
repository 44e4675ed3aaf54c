package main

import (
	"bufio"
	"encoding/binary"
	"io"
	"net/netip"
	"testing"
	"time"

	"tap25/reassembly/hostile"
	"tap25/reassembly/smtp"
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

// segment writes a TCP segment.
func (f *traffic) segment(src, dst netip.AddrPort, flags uint8, seq, ack uint32, payload string) {
	f.packet(hostile.Segment{Src: src, Dst: dst, Flags: flags, Seq: seq, Ack: ack, Payload: payload}.Packet())
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
	return &peer{f, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}),
		uint16(port)), [2]uint32{uint32(n) * 7919, uint32(n) * 104729}}
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

// nowhere is a database that answers at once that it is not there.
const nowhere = "postgres://nobody@127.0.0.1:1/none?sslmode=disable"

func envelope(n int) *smtp.Envelope {
	client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), 40000)
	return &smtp.Envelope{SeenAt: time.Now().UTC(), Sensor: "tap", SessionID: int64(n), Client: client, Server: mx,
		Outcome: smtp.Accepted}
}
