package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"golang.org/x/sys/unix"
)

// record captures what passes the client's end by a plain packet socket, as tcpdump would; the function ends it and
// gives the file.
func (w *wire) record() (stop func() string) {
	w.t.Helper()
	fd := -1
	err := w.in(w.client, func() (err error) {
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0x0300); err != nil { // ETH_P_ALL
			return err
		}
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20)
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
		return unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 50000})
	})
	if err != nil {
		w.t.Fatal(err)
	}
	path := filepath.Join(w.t.TempDir(), "beside.pcap")
	file, err := os.Create(path)
	if err != nil {
		w.t.Fatal(err)
	}
	pcap := pcapgo.NewWriterNanos(file)
	if err := pcap.WriteFileHeader(65535, layers.LinkTypeEthernet); err != nil {
		w.t.Fatal(err)
	}
	ended, done := make(chan struct{}), make(chan error, 1)
	go func() {
		frame, oob := make([]byte, 65536), make([]byte, 128)
		for {
			n, oobn, _, from, err := unix.Recvmsg(fd, frame, oob, 0)
			if err != nil {
				select {
				case <-ended:
					done <- file.Close()
					return
				default:
					continue
				}
			}
			if ll, ok := from.(*unix.SockaddrLinklayer); ok && ll.Ifindex == 0 {
				continue
			}
			ci := gopacket.CaptureInfo{Timestamp: kernelTime(oob[:oobn]), CaptureLength: n, Length: n}
			if err := pcap.WritePacket(ci, frame[:n]); err != nil {
				done <- err
				return
			}
		}
	}()
	return func() string {
		close(ended)
		if err := <-done; err != nil {
			w.t.Fatal(err)
		}
		_ = unix.Close(fd)
		return path
	}
}

func kernelTime(oob []byte) time.Time {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil || len(messages) == 0 || len(messages[0].Data) < 16 {
		return time.Now()
	}
	d := messages[0].Data
	le := func(b []byte) (n int64) {
		for i := 7; i >= 0; i-- {
			n = n<<8 | int64(b[i])
		}
		return n
	}
	return time.Unix(le(d), le(d[8:]))
}

// compareWithReplay holds the rows of a sniff against a replay of the capture that was taken beside it, whose times may
// differ by within, and those of half of them by a tenth of that: a wrong clock moves all rows. One in a hundred may be
// up to a second apart, since the machine may be taken away between the two stamps.
func compareWithReplay(t *testing.T, live []map[string]any, path string, within time.Duration) {
	t.Helper()
	var out, diag bytes.Buffer
	if status := run(context.Background(), []string{"replay", "--json", "--sensor", "tap", path}, nil, &out,
		&diag); status != 0 {
		t.Fatalf("replay: status %d: %s", status, diag.String())
	}
	key := func(r map[string]any) string { return fmt.Sprint(r["session_id"], r["mail_no"], r["rcpt_to"]) }
	replayed := map[string]map[string]any{}
	for line := range strings.SplitSeq(strings.TrimSpace(out.String()), "\n") {
		var r map[string]any
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		replayed[key(r)] = r
	}
	if len(live) != len(replayed) {
		t.Errorf("%d rows live, %d replayed", len(live), len(replayed))
	}
	var all, apart []time.Duration
	for _, l := range live {
		r := replayed[key(l)]
		if r == nil {
			t.Errorf("a row of session %v is missing in the replay", l["session_id"])
			continue
		}
		a, errA := time.Parse(time.RFC3339Nano, fmt.Sprint(l["seen_at"]))
		b, errB := time.Parse(time.RFC3339Nano, fmt.Sprint(r["seen_at"]))
		d := a.Sub(b).Abs()
		if all = append(all, d); errA != nil || errB != nil || d > within {
			apart = append(apart, d)
		}
		l["seen_at"], r["seen_at"] = nil, nil
		if diff := cmp.Diff(r, l); diff != "" {
			t.Errorf("replayed against live: %s", diff)
		}
	}
	slices.Sort(all)
	if len(all) > 0 && all[len(all)/2] > within/10 {
		t.Errorf("half of the rows were seen live further than %v from the replay's time", all[len(all)/2])
	}
	if len(apart) > len(live)/100 || slices.ContainsFunc(apart, func(d time.Duration) bool { return d > time.Second }) {
		t.Errorf("%d of %d rows were seen live further than %v from the replay's time: %v", len(apart), len(live),
			within, apart)
	}
}

// If the reader of its rows goes away, a tap ends without an error. It prints its summary.
func TestSniff_EndsWithASummaryIfNobodyReadsItsRows(t *testing.T) {
	w := newWire(t)
	w.serve()
	s := w.prepare(t.TempDir())
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s.cmd.Stdout = write
	s.launch(w)
	write.Close()
	s.awaitListening()
	read.Close()
	if err := w.send("192.0.2.25:25", "unread", 1); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Wait(); err != nil || !strings.Contains(s.diag.String(), "\nrows      2 (accepted 2)\n") {
		t.Errorf("%v: %s", err, s.diag.String())
	}
}
