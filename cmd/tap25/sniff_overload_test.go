package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/gopacket/pcapgo"

	"tap25/capture"
	"tap25/cmd/tap25/report"
	"tap25/reassembly"
	"tap25/reassembly/smtp"
)

// A ring of 16 KiB cannot take bursts: frames are lost, and each is counted; no row is wrong without a flag.
func TestSniff_OverloadMakesNoWrongRow(t *testing.T) {
	w := newWire(t)
	m := w.serve()
	s := w.sniff("--workers", "1", "--ring-bytes", "16384", "--metrics", metricsAddress)
	if status, body := w.get("/readyz?verbose"); status != 200 || body != "ok\n" {
		t.Errorf("before: readyz %d %s", status, body)
	}
	var senders sync.WaitGroup
	for i := range 8 {
		senders.Go(func() {
			if err := w.send("192.0.2.25:25", fmt.Sprintf("s%d-", i), 60); err != nil {
				t.Error(err)
			}
		})
	}
	senders.Wait()
	var r *report.Report
	await(t, "counters at rest", func() bool {
		var err error
		r, err = report.Ask(t.Context(), s.control)
		return err == nil && r.Read == r.Delivered && r.Lost == r.RingFull &&
			r.Seen == report.Sum(r.Dropped)+r.RingFull+r.Delivered
	})
	if r.RingFull == 0 {
		t.Fatal("no frame was lost: this shows nothing")
	}
	w.lossIsShown(s, r)
	truth := map[string]bool{}
	for _, mail := range m.taken {
		truth[mail] = true
	}
	rows := s.end(syscall.SIGTERM)
	whole, flagged := 0, 0
	for i, row := range rows {
		if row["flags"] != nil {
			flagged++
			continue
		}
		whole++
		if !truth[essentials(rows[i : i+1])[0]] {
			t.Errorf("row %d is complete by its flags, but the server took no such mail: outcome %v, lost %v", i,
				row["outcome"], row["lost_bytes"])
		}
	}
	t.Logf("%d frames of %d lost, %d rows whole, %d flagged, of %d", r.RingFull, r.RingFull+r.Delivered, whole, flagged,
		len(m.taken))
}

// lossIsShown checks that what a ring has lost is in the log, status, metrics and /readyz, which stays well: mail is
// recorded.
func (w *wire) lossIsShown(s *sniffing, r *report.Report) {
	w.t.Helper()
	await(w.t, "a line in the log", func() bool {
		return strings.Contains(s.diag.String(), `{"level":"warn","frames_lost":`)
	})
	await(w.t, "the state", func() bool {
		now, err := report.Ask(w.t.Context(), s.control)
		return err == nil && now.State == "degraded" && len(now.Degraded) == 1
	})
	if status, body := w.get("/readyz"); status != 200 || body != "ok\n" {
		w.t.Errorf("readyz %d %s", status, body)
	}
	if status, body := w.get("/readyz?verbose"); status != 200 ||
		!strings.HasPrefix(body, "degraded\nfull rings lost ") {
		w.t.Errorf("readyz?verbose %d %s", status, body)
	}
	_, metrics := w.get("/metrics")
	for _, want := range []string{"tap25_degraded 1\n",
		fmt.Sprintf("tap25_frames_ring_full_total{interface=\"tap0\",worker=\"0\"} %d\n", r.RingFull)} {
		if !strings.Contains(metrics, want) {
			w.t.Errorf("no %s in the metrics", want)
		}
	}
	if shown := asked(w.t, "status", "--control", s.control, "--interval", "50ms"); !strings.Contains(shown,
		"\ndegraded: full rings lost ") {
		w.t.Error(shown)
	}
}

// TestSniff_OverloadFlagsOnlyWhatLostFrames takes down which frames came through a tiny ring and holds them against a
// capture of all: a row is flagged where a frame of its session was lost and nowhere else, and a session that lost none
// is whole.
func TestSniff_OverloadFlagsOnlyWhatLostFrames(t *testing.T) {
	const senders, mails = 8, 60
	w := newWire(t)
	w.serve()
	stopRecord := w.record()
	var source *capture.Live
	err := w.in(w.tap, func() (err error) {
		source, err = capture.OpenLive(capture.LiveConfig{Interfaces: []string{"tap0"}, RingBytes: 16384})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = source.Close() })
	var rows []smtp.Envelope
	came := map[uint16]int{} // frames, by the client's port
	var reading, sending sync.WaitGroup
	var sentAll atomic.Bool
	reading.Go(func() {
		asm := reassembly.New(reassembly.Config{Emit: func(e *smtp.Envelope) { rows = append(rows, *e) }})
		defer asm.Close()
		var f capture.Frame
		for read := 0; ; {
			for read == 1000 && !sentAll.Load() && !hasLost(source) { // a reader that is quicker than the senders
				time.Sleep(time.Millisecond)
			}
			err := source.Workers()[0].Next(&f)
			asm.FramesLost(f.Lost)
			switch {
			case err == nil:
				read++
				came[clientPort(f.Data)]++
				asm.Frame(f.Time, f.LinkType, f.Data, f.Length)
			case errors.Is(err, capture.ErrNoFrame):
				asm.Advance(f.Time)
			default:
				return
			}
		}
	})
	// the empty ring takes all of it, however late the reader is
	if err := w.send("192.0.2.25:25", "first-", 1); err != nil {
		t.Fatal(err)
	}
	for i := range senders {
		sending.Go(func() {
			if err := w.send("192.0.2.25:25", fmt.Sprintf("s%d-", i), mails); err != nil {
				t.Error(err)
			}
		})
	}
	sending.Wait()
	sentAll.Store(true)
	w.settle()
	sent := framesByClient(t, stopRecord())
	var stats capture.LiveStats
	await(t, "the kernel to be done", func() bool {
		stats, err = source.Stats()
		return err == nil && stats.Delivered()+stats.Full() >= uint64(sum(sent))
	})
	if err := source.Stop(); err != nil {
		t.Fatal(err)
	}
	reading.Wait()

	if stats.Full() == 0 || stats.Delivered() != uint64(sum(came)) ||
		stats.Delivered()+stats.Full() != uint64(sum(sent)) {
		t.Errorf("%d frames sent, %d came: the counters say %d delivered, %d lost", sum(sent), sum(came),
			stats.Delivered(), stats.Full())
	}
	unflagged := map[uint16]int{}
	for _, row := range rows {
		port := row.Client.Port()
		if row.Flags == 0 {
			unflagged[port]++
		} else if came[port] == sent[port] {
			t.Errorf("a row is flagged %v, but its session lost no frame", row.Flags)
		}
	}
	whole := 0
	for port := range sent {
		if came[port] == sent[port] {
			whole++
			if unflagged[port] != 2 {
				t.Errorf("a session that lost no frame has %d whole rows, want 2", unflagged[port])
			}
		}
	}
	if whole == 0 || whole == len(sent) || len(sent) != 1+senders*mails {
		t.Errorf("%d of %d sessions lost no frame: this shows nothing", whole, len(sent))
	}
}

func hasLost(source *capture.Live) bool {
	stats, err := source.Stats()
	return err != nil || stats.Full() > 0
}

// clientPort is that of a frame of IPv4 without options behind Ethernet, to or from port 25.
func clientPort(frame []byte) uint16 {
	src, dst := binary.BigEndian.Uint16(frame[34:]), binary.BigEndian.Uint16(frame[36:])
	if src == 25 {
		return dst
	}
	return src
}

// framesByClient counts the frames of a capture that the XDP program keeps, by the client's port.
func framesByClient(t testing.TB, path string) map[uint16]int {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r, err := pcapgo.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	count := map[uint16]int{}
	for {
		frame, _, err := r.ReadPacketData()
		if err == io.EOF {
			return count
		}
		if err != nil {
			t.Fatal(err)
		}
		const ipv4, tcp = 0x0800, 6
		if binary.BigEndian.Uint16(frame[12:]) == ipv4 && frame[23] == tcp {
			count[clientPort(frame)]++
		}
	}
}

func sum[K comparable](counts map[K]int) (n int) {
	for _, k := range counts {
		n += k
	}
	return n
}
