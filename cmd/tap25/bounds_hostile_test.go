package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tap25/capture/capturetest"
	"tap25/cmd/tap25/report"
	"tap25/reassembly/hostile"
)

// sender opens a socket that sends whole frames from a namespace's eth0.
func (w *wire) sender(ns string) func(frame []byte) error {
	w.t.Helper()
	var fd int
	to := &unix.SockaddrLinklayer{}
	err := w.in(ns, func() error {
		dev, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		to.Ifindex = dev.Index
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = unix.Close(fd) })
	return func(frame []byte) error {
		for {
			err := unix.Sendto(fd, frame, 0, to)
			if err != unix.ENOBUFS && err != unix.EINTR {
				return err
			}
		}
	}
}

// chosen keeps the lines that hold a word: attacks make more rows than any memory holds.
type chosen struct {
	word []byte
	to   *capturetest.Buffer
	rest []byte
}

func (c *chosen) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		c.rest = append(c.rest, line...)
		if line[len(line)-1] != '\n' {
			break
		}
		if bytes.Contains(c.rest, c.word) {
			_, _ = c.to.Write(c.rest)
		}
		c.rest = c.rest[:0]
	}
	return len(p), nil
}

// TestBounds_HostileTrafficLive sends each shape as fast as it goes through XDP and the rings, among ordinary mails:
// every frame is read or counted as lost, every worker gets on, memory is bounded, and each mail has its rows, unless
// frames were lost.
func TestBounds_HostileTrafficLive(t *testing.T) {
	for name, octets := range map[string]string{"rings as by default": "33554432", "rings that overflow": "32768"} {
		t.Run(name, func(t *testing.T) { attackLive(t, octets) })
	}
}

func attackLive(t *testing.T, ring string) {
	frames, every := boundsSize(40_000, 1500), boundsSize(1, 15)
	w := newWire(t)
	m := w.serve()
	s := w.prepare(t.TempDir(), "--workers", "2", "--ring-bytes", ring)
	s.cmd.Stdout = &chosen{word: []byte("ordinary"), to: &s.out}
	s.launch(w)
	s.awaitListening()
	send := w.sender(w.client)
	sent := int64(0)
	for i, shape := range hostile.Shapes() {
		if i%every == 0 {
			sent += attackAmongMails(t, w, s, send, &shape, frames)
		}
	}
	r := s.unaccounted(t)
	t.Logf("%d frames of attacks sent; %d seen, %d read, %d lost, %d dropped by design", sent, r.Seen, r.Read,
		r.RingFull, report.Sum(r.Dropped))
	if r.Seen < sent {
		t.Errorf("%d frames were sent, %d seen", sent, r.Seen)
	}
	if peak := peakOf(t, s.cmd.Process.Pid); peak > 1<<20 {
		t.Errorf("peak %d KiB", peak)
	}
	checkOrdinary(t, s.end(syscall.SIGTERM), m.taken, r.RingFull)
}

// attackAmongMails sends a shape, and mails until its end, and waits until all of it is accounted for.
func attackAmongMails(t *testing.T, w *wire, s *sniffing, send func([]byte) error, shape *hostile.Shape,
	frames int) int64 {
	t.Helper()
	var over atomic.Bool
	var mails sync.WaitGroup
	mails.Go(func() {
		for n := 0; n == 0 || !over.Load(); n++ {
			if err := w.send("192.0.2.25:25", fmt.Sprintf("ordinary-%d-%d-", time.Now().UnixNano(), n), 1); err != nil {
				t.Error(err)
				return
			}
		}
	})
	begun := time.Now()
	made := shape.Write(frames, func(_ time.Time, frame []byte) {
		if err := send(frame); err != nil {
			t.Error(err)
		}
	})
	took := time.Since(begun)
	over.Store(true)
	mails.Wait()
	r := s.unaccounted(t)
	t.Logf("%-75s %7.0f frames/s sent, ring full %d so far", shape.Name, float64(made.Frames)/took.Seconds(),
		r.RingFull)
	if len(r.NotLive) > 0 {
		t.Errorf("%s: %q", shape.Name, r.NotLive)
	}
	return int64(made.Frames)
}

// unaccounted waits until nothing of what was seen is unaccounted for, and fails where that stays so.
func (s *sniffing) unaccounted(t *testing.T) (r *report.Report) {
	t.Helper()
	var wrong []string
	awaitFor(t, 2*time.Minute, "counters that add up", func() bool {
		var err error
		if r, err = report.Ask(t.Context(), s.control); err != nil {
			return false
		}
		wrong = wrongLiveSums(r)
		return len(wrong) == 0
	})
	return r
}

// peakOf gives the most memory that a process has had, in KiB.
func peakOf(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(text)
	if m == nil {
		t.Fatal("no VmHWM")
	}
	peak, _ := strconv.Atoi(string(m[1]))
	t.Logf("peak %d KiB", peak)
	return peak
}

// checkOrdinary holds the rows of the ordinary mails against what the server took.
func checkOrdinary(t *testing.T, rows []map[string]any, taken []string, lost int64) {
	t.Helper()
	truth := map[string]bool{}
	for _, mail := range taken {
		truth[mail] = true
	}
	whole, flagged := 0, 0
	for i, row := range rows {
		if row["flags"] != nil {
			flagged++
			if lost == 0 {
				t.Errorf("row %d is flagged %v, but no frame was lost", i, row["flags"])
			}
			continue
		}
		mail := essentials(rows[i : i+1])[0]
		if !truth[mail] {
			t.Errorf("row %d is complete by its flags, but the server took no such mail, or it is there twice", i)
		}
		delete(truth, mail)
		whole++
	}
	if len(truth) > 0 && lost == 0 {
		t.Errorf("%d of %d mails have no row, and no frame was lost", len(truth), len(taken))
	}
	t.Logf("of %d rows due %d are whole, %d flagged; %d frames were lost", len(taken), whole, flagged, lost)
	if whole == 0 {
		t.Error("no mail came through: this shows nothing")
	}
}
