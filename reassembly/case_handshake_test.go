package reassembly

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/google/gopacket/layers"

	"tap25/reassembly/decode"
	"tap25/reassembly/decode/decodetest"
)

// handshakeCases are the beginnings of connections.
func handshakeCases() []scenario {
	one := accepted(1, "")
	const hello = "EHLO client.example\r\n"
	rest := func(w *wire) {
		w.script("S: 250 mx.example\n" + mail("") + end)
		w.close()
	}
	return []scenario{
		{name: "simultaneous-open", build: func(w *wire) {
			w.add(client, decodetest.Segment{Flags: decode.SYN, Seq: w.isn[client]})
			w.add(server, decodetest.Segment{Flags: decode.SYN, Seq: w.isn[server]})
			w.add(client, decodetest.Segment{Flags: decode.SYN | decode.ACK, Seq: w.isn[client],
				Ack: w.isn[server] + 1})
			w.add(server, decodetest.Segment{Flags: decode.SYN | decode.ACK, Seq: w.isn[server],
				Ack: w.isn[client] + 1})
			w.script(begin + mail("") + end)
			w.close()
		}, rows: []row{one}},
		{name: "simultaneous-open-server-first", build: func(w *wire) {
			w.add(server, decodetest.Segment{Flags: decode.SYN, Seq: w.isn[server]})
			w.add(client, decodetest.Segment{Flags: decode.SYN, Seq: w.isn[client]})
			w.add(server, decodetest.Segment{Flags: decode.SYN | decode.ACK, Seq: w.isn[server],
				Ack: w.isn[client] + 1})
			w.add(client, decodetest.Segment{Flags: decode.SYN | decode.ACK, Seq: w.isn[client],
				Ack: w.isn[server] + 1})
			w.script(begin + mail("") + end)
			w.close()
		}, rows: []row{one}},
		{name: "syn-and-syn-ack-retransmitted", build: func(w *wire) {
			w.oneMail()
			w.frames = append([]timed{w.frames[0], w.frames[0], w.frames[1], w.frames[1]}, w.frames[2:]...)
		}, rows: []row{one}},
		{name: "syn-ack-retransmitted-after-the-banner", build: func(w *wire) {
			w.oneMail()
			w.frames = append(w.frames[:4:4], append([]timed{w.frames[1], w.frames[0]}, w.frames[4:]...)...)
		}, rows: []row{one}},
		{name: "both-ports-25-midstream", only: "4", build: func(w *wire) { // the side that sends replies is the server
			w.client = "192.0.2.10:25"
			w.session("1", "2")
			w.frames = w.frames[w.find("MAIL FROM:<a2"):]
		}, rows: []row{accepted(1, "2", "midstream").with("helo", nil, "client_port", 25)}},
		{name: "syn-not-captured", build: func(w *wire) { w.oneMail(); w.frames = w.frames[1:] }, rows: []row{one}},
		{name: "syn-ack-not-captured", build: func(w *wire) {
			w.oneMail()
			w.frames = append(w.frames[:1:1], w.frames[2:]...)
		}, rows: []row{one}},
		// nor the ACKs of both: the first reply is not the banner's
		{name: "syn-ack-and-banner-not-captured", build: func(w *wire) {
			w.oneMail()
			w.frames = append(w.frames[:1:1], w.frames[w.find("EHLO"):]...)
		}, rows: []row{one}},
		{name: "syn-ack-and-banner-not-captured-but-its-ack", build: func(w *wire) {
			w.oneMail()
			hello := w.find("EHLO")
			ack := w.frames[hello]
			ack.s.Payload, ack.made = nil, nil
			w.frames = slices.Concat([]timed{w.frames[0], ack}, w.frames[hello:])
		}, rows: []row{one}},
		// an ACK of the banner comes first, then the banner, then the SYN-ACK
		{name: "syn-ack-last", build: func(w *wire) {
			w.oneMail()
			banner := w.find("220")
			ack := w.frames[banner+1]
			ack.s.Payload, ack.made = nil, nil
			w.frames = slices.Concat([]timed{w.frames[0], ack, w.frames[banner], w.frames[1]}, w.frames[banner+1:])
		}, rows: []row{one}},
		{name: "syn-ack-before-syn", build: func(w *wire) {
			w.oneMail()
			w.frames[0], w.frames[1] = w.frames[1], w.frames[0]
		}, rows: []row{one}},
		{name: "fast-open-acknowledged", build: func(w *wire) {
			w.add(client, decodetest.Segment{Flags: decode.SYN, Seq: w.isn[client], Payload: []byte(hello)})
			w.sent[client] = uint32(len(hello))
			w.add(server, decodetest.Segment{Flags: decode.SYN | decode.ACK, Seq: w.isn[server],
				Ack: w.isn[client] + 1 + w.sent[client]})
			w.script("S: 220 mx.example ESMTP\n")
			rest(w)
		}, rows: []row{one}},
		{name: "fast-open-not-acknowledged-and-sent-again", build: func(w *wire) {
			w.add(client, decodetest.Segment{Flags: decode.SYN, Seq: w.isn[client], Payload: []byte(hello)})
			w.add(server, decodetest.Segment{Flags: decode.SYN | decode.ACK, Seq: w.isn[server],
				Ack: w.isn[client] + 1})
			w.ack(client)
			w.script("S: 220 mx.example ESMTP\nC: EHLO client.example\n")
			rest(w)
		}, rows: []row{one}},
		{name: "syn-data-that-no-server-took", build: func(w *wire) { // what follows has other bytes at its place
			w.add(client, decodetest.Segment{Flags: decode.SYN, Seq: w.isn[client],
				Payload: []byte("EHLO evil.example\r\nMAIL FROM:<evil@a.example>\r\n")})
			w.add(server, decodetest.Segment{Flags: decode.SYN | decode.ACK, Seq: w.isn[server],
				Ack: w.isn[client] + 1})
			w.ack(client)
			w.script(begin + mail("") + end)
			w.close()
		}, rows: []row{accepted(1, "", "conflict")}},
		// a stack that keeps it until the handshake is over, RFC 9293 section 3.10.7.4
		{name: "syn-data-acknowledged-later", build: func(w *wire) {
			w.add(client, decodetest.Segment{Flags: decode.SYN, Seq: w.isn[client], Payload: []byte(hello)})
			w.add(server, decodetest.Segment{Flags: decode.SYN | decode.ACK, Seq: w.isn[server],
				Ack: w.isn[client] + 1})
			w.ack(client)
			w.sent[client] = uint32(len(hello))
			w.script("S: 220 mx.example ESMTP\n")
			rest(w)
		}, rows: []row{one}},
		{name: "fast-open-cookie-and-banner-in-the-syn-ack", build: func(w *wire) {
			w.add(client, decodetest.Segment{Flags: decode.SYN, Seq: w.isn[client], Payload: []byte(hello)})
			w.sent[client] = uint32(len(hello))
			w.add(server, decodetest.Segment{Flags: decode.SYN | decode.ACK, Seq: w.isn[server],
				Ack: w.isn[client] + 1 + w.sent[client], Payload: []byte("220 mx.example ESMTP\r\n")})
			w.sent[server] = 22
			rest(w)
		}, rows: []row{one}},
	}
}

// reuseCases use the same addresses and ports again.
func reuseCases() []scenario {
	again := func(isnClient, isnServer uint32, between func(w *wire), second func(w *wire)) func(*wire) {
		return func(w *wire) {
			w.session("1")
			between(w)
			first := w.frames
			w.frames, w.sent, w.isn = nil, [2]uint32{}, [2]uint32{isnClient, isnServer}
			w.session("2")
			second(w)
			w.frames = append(first, w.frames...)
		}
	}
	keep := func(*wire) {}
	noFIN := func(w *wire) { w.frames = w.frames[:w.find("QUIT")] }
	noSYN := func(w *wire) { w.frames = w.frames[3:] }
	both := []row{accepted(1, "1"), accepted(1, "2")}
	blind := []row{accepted(1, "1"), accepted(1, "2", "midstream")}
	// Where nothing marks the end of the first session, its bytes that were never captured are counted as lost.
	return []scenario{
		{name: "ports-reused-after-fin", build: again(77700000, 88800000, keep, keep), rows: both},
		{name: "ports-reused-after-rst", build: again(77700000, 88800000, func(w *wire) {
			w.frames = w.frames[:w.find("221")+1]
			w.add(client, decodetest.Segment{Flags: decode.RST, Seq: w.frames[w.find("QUIT")].s.Seq + 6})
		}, keep), rows: both},
		{name: "ports-reused-without-fin", build: again(77700000, 88800000, noFIN, keep), rows: both},
		{name: "ports-reused-in-mid-transaction", build: again(77700000, 88800000, func(w *wire) {
			w.frames = w.frames[:w.find("DATA")]
		}, keep), rows: []row{
			accepted(1, "1").with("data_code", nil, "message_bytes", nil, "outcome", "unknown"), accepted(1, "2")}},
		{name: "ports-reused-with-the-same-isn-after-fin", build: again(1000, 9000, keep, keep), rows: both},
		{name: "ports-reused-with-the-clients-isn-after-fin", build: again(1000, 88800000, keep, keep), rows: both},
		{name: "ports-reused-with-the-clients-isn-without-fin", build: again(1000, 88800000, noFIN, keep), rows: both},
		{name: "ports-reused-with-the-same-isn-after-rst", build: again(1000, 9000, func(w *wire) {
			w.frames = w.frames[:w.find("221")+1]
			w.add(client, decodetest.Segment{Flags: decode.RST, Seq: w.frames[w.find("QUIT")].s.Seq + 6})
		}, keep), rows: both},
		{name: "ports-reused-after-fin-syn-not-captured", build: again(77700000, 1<<31, keep, noSYN), rows: blind},
		{name: "ports-reused-without-fin-syn-not-captured", build: again(77700000, 88800000, noFIN, noSYN),
			rows: blind},
		{name: "ports-reused-far-away-without-fin-syn-not-captured", build: again(1<<31, 1<<31+5, noFIN, noSYN),
			rows: blind},
		{name: "ports-reused-after-an-hour", build: again(77700000, 88800000, noFIN, func(w *wire) {
			w.frames[0].wait = time.Hour
		}), rows: both},
	}
}

// corruptTCP damages the TCP checksum.
func corruptTCP(t testing.TB, w decodetest.Wrapped) []decodetest.Wrapped {
	w.Data = append([]byte(nil), w.Data...)
	w.Data[ipSize(w)+16] ^= 0x55
	return []decodetest.Wrapped{w}
}

func ipSize(w decodetest.Wrapped) int {
	if w.EtherType == 0x86dd {
		return 40
	}
	return 20
}

// offloaded leaves the checksum as a host does whose network card fills it in.
func offloaded(t testing.TB, w decodetest.Wrapped) []decodetest.Wrapped {
	w.Data = append([]byte(nil), w.Data...)
	n, at, from := ipSize(w), 12, 20
	if n == 40 {
		at, from = 8, 40
	}
	segment := len(w.Data) - n
	binary.BigEndian.PutUint16(w.Data[n+16:], decodetest.Sum(w.Data[at:from],
		[]byte{0, 6, byte(segment >> 8), byte(segment)}))
	return []decodetest.Wrapped{w}
}

func timestamps(v int) []layers.TCPOption {
	data := binary.BigEndian.AppendUint64(nil, uint64(v)<<32)
	return []layers.TCPOption{{OptionType: layers.TCPOptionKindTimestamps, OptionLength: 10, OptionData: data}}
}

// checksumCases are wrong checksums under each policy.
func checksumCases() []scenario {
	one := accepted(1, "")
	all := func(wrap func(testing.TB, decodetest.Wrapped) []decodetest.Wrapped, sides ...int) func(*wire) {
		return func(w *wire) {
			w.oneMail()
			for i := range w.frames {
				for _, s := range sides {
					if w.frames[i].side == s {
						w.frames[i].wrap = wrap
					}
				}
			}
		}
	}
	bad := func(prefix string) func(*wire) {
		return func(w *wire) {
			w.oneMail()
			w.copyOf(prefix, 0, func(f *timed) { f.wrap = corruptTCP; other(f) })
		}
	}
	damaged := func(w *wire) { // and never sent again, though the server acknowledged it: damaged by the capture
		w.oneMail()
		w.change("one", func(f *timed) { f.wrap = corruptTCP })
	}
	first := accepted(1, "", "conflict").with("rcpt_to", "x@b.example")
	return []scenario{
		{name: "bad-checksum-copy", build: bad("RCPT"), rows: []row{one}},
		{name: "bad-checksum-copy", build: bad("RCPT"), checksum: Strict, rows: []row{one}},
		{name: "bad-checksum-copy", build: bad("RCPT"), checksum: Off, rows: []row{first}},
		{name: "bad-checksum-damage", build: damaged, rows: []row{one}},
		{name: "bad-checksum-damage", build: damaged, checksum: Off, rows: []row{one}},
		{name: "checksum-offload-client", build: all(offloaded, client), rows: []row{one}},
		{name: "checksum-offload-server", build: all(offloaded, server), rows: []row{one}},
		{name: "checksum-offload-both", build: all(offloaded, client, server), rows: []row{one}},
		{name: "checksum-offload-both", build: all(offloaded, client, server), checksum: Strict},
		{name: "checksum-offload-both", build: all(offloaded, client, server), checksum: Off, rows: []row{one}},
	}
}
