package main

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tap25/capture"
	"tap25/reassembly/decode/decodetest"
)

// between has a Postfix in one namespace send mails of every kind to one in the other, over IPv4 and IPv6, and gives
// the logs of both.
func (w *wire) between() *mtaLogs {
	w.t.Helper()
	to := w.mta(w.server, "postfix")
	from := w.mta(w.client, "postfix", "myhostname = relay.postfix.example",
		"transport_maps = inline:{ { v4.postfix.example = smtp:[192.0.2.25] }"+
			" { v6.postfix.example = smtp:[2001:db8::25] } { quiet.example = discard: } }")
	want := 0
	var mails []liveMail
	for kind := range 10 {
		for _, i := range []int{1, 3} { // to v4 and v6 of postfix.example
			m := newLiveMail(i + 12*kind)
			m.size *= 40
			mails = append(mails, m)
			want += m.rows
		}
	}
	if err := w.submit(w.client, mails, func(int) error { return nil }); err != nil {
		w.t.Fatal(err)
	}
	var logs *mtaLogs
	awaitFor(w.t, time.Minute, "the logs", func() bool {
		logs = readLogs(w.t, from, "")
		received := readLogs(w.t, to, "")
		logs.received, logs.rejected = received.received, received.rejected
		return len(logs.delivered) == want && logs.receivedAll()
	})
	return logs
}

// TestLive_FramesOfAHostWithOffloads captures on the host of the server: where both hosts leave the cutting of segments
// and the checksums to hardware that there is not (TSO, GSO), and where the server merges segments that came with right
// sums (GRO). Frames are longer than the MTU; of these the sums are those of the pseudo-header or of the first segment,
// of others they are right. The rows are those of the logs.
func TestLive_FramesOfAHostWithOffloads(t *testing.T) {
	t.Parallel()
	for name, offloads := range map[string][2]string{ // of the client, and of the server
		"all of both":          {"tx on rx on sg on tso on gso on gro on", "tx on rx on sg on tso on gso on gro on"},
		"merged when received": {"gro off", "gro on"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWire(t)
			w.command("ip netns exec " + w.client + " ethtool -K eth0 " + offloads[0])
			w.command("ip netns exec " + w.server + " ethtool -K eth0 " + offloads[1])
			w.command("ip netns exec " + w.hub + " ethtool -K port25 tso off") // else veth merges nothing
			captured := filepath.Join(t.TempDir(), "host.pcap")
			stop := w.dumpAt(w.server, "eth0", captured, "tcp port 25")
			logs := w.between()
			stop()
			long, wrong, frames := 0, 0, 0
			each(t, captured, func(fr *capture.Frame) {
				frames++
				if len(fr.Data) > 1514 {
					long++
				}
				if !soundSum(fr.Data) {
					wrong++
				}
			})
			t.Logf("%d frames, %d of merged segments, %d of wrong sums", frames, long, wrong)
			if long < 10 || wrong < 10 {
				t.Fatalf("%d frames of merged segments, %d of wrong sums: this shows nothing", long, wrong)
			}
			compareLogs(t, logs, logsOf(replayRows(t, captured)))
		})
	}
}

// TestLive_AddressesRewrittenWithoutTheirSums captures what has right sums, and changes the addresses of every frame as
// tools do that make captures anonymous, without the sums of IPv4, TCP over IPv4 and TCP over IPv6. The rows are those
// of the logs, with the new addresses.
func TestLive_AddressesRewrittenWithoutTheirSums(t *testing.T) {
	t.Parallel()
	w := newWire(t)
	captured := filepath.Join(t.TempDir(), "wire.pcap")
	stop := w.dump(captured)
	logs := w.between()
	stop()
	compareLogs(t, logs, logsOf(replayRows(t, captured)))

	file, err := os.ReadFile(captured)
	if err != nil {
		t.Fatal(err)
	}
	at := 24
	each(t, captured, func(fr *capture.Frame) { // in the file they lie one after the other
		if !soundSum(fr.Data) {
			t.Fatal("a frame of the wire has a wrong sum")
		}
		rewrite(file[at+16 : at+16+len(fr.Data)])
		at += 16 + len(fr.Data)
	})
	rewritten := filepath.Join(t.TempDir(), "rewritten.pcap")
	if err := os.WriteFile(rewritten, file, 0o600); err != nil {
		t.Fatal(err)
	}
	each(t, rewritten, func(fr *capture.Frame) {
		if soundSum(fr.Data) {
			t.Fatal("a rewritten frame has a right sum")
		}
	})
	for _, list := range [][]string{logs.delivered, logs.received, logs.rejected} {
		for i := range list {
			list[i] = strings.NewReplacer("192.0.2.", "10.77.2.", "2001:db8::", "2001:dba::").Replace(list[i])
		}
		slices.Sort(list)
	}
	compareLogs(t, logs, logsOf(replayRows(t, rewritten)))
}

// rewrite changes the addresses of an Ethernet frame, and nothing else.
func rewrite(frame []byte) {
	switch ip := frame[14:]; ip[0] >> 4 {
	case 4:
		copy(ip[12:], []byte{10, 77})
		copy(ip[16:], []byte{10, 77})
	case 6:
		ip[8+3], ip[24+3] = 0xba, 0xba // 2001:dba::
	}
}

// each gives the frames of a capture.
func each(t *testing.T, path string, frame func(*capture.Frame)) {
	t.Helper()
	files := capture.OpenFiles([]string{path}, nil)
	defer files.Close()
	for {
		var fr capture.Frame
		if err := files.Next(&fr); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		frame(&fr)
	}
}

// soundSum reports whether the sum of the TCP segment in an Ethernet frame without tags, options or extension headers
// is right.
func soundSum(frame []byte) bool {
	ip := frame[14:]
	var addresses, segment []byte
	if ip[0]>>4 == 4 {
		addresses, segment = ip[12:20], ip[20:binary.BigEndian.Uint16(ip[2:])]
	} else {
		addresses, segment = ip[8:40], ip[40:40+int(binary.BigEndian.Uint16(ip[4:]))]
	}
	pseudo := binary.BigEndian.AppendUint32(nil, uint32(len(segment)))
	return decodetest.Sum(addresses, append(pseudo, 0, 0, 0, 6), segment) == 0xffff
}
