package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"tap25/bpf"
	"tap25/capture/capturetest"
	"tap25/cmd/tap25/report"
)

// probed is tap25 that, on SIGUSR1, tries what it must not be able to do any more, and says how that went.
func probed() {
	asked := make(chan os.Signal, 1)
	notifyProbe(asked)
	go func() {
		for range asked {
			for name, try := range map[string]func() error{
				"load another program": func() error {
					_, err := bpf.Load(bpf.Config{Interfaces: []string{"lo"}, RingBytes: 4096})
					return err
				},
				"open a raw socket": func() error {
					_, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
					return err
				},
				"become root":    func() error { return unix.Setuid(0) },
				"write to /etc":  func() error { return os.WriteFile("/etc/tap25-probe", nil, 0o600) },
				"read a capture": func() error { _, err := os.ReadFile(os.Getenv("TAP25_TEST_OUTSIDE")); return err },
			} {
				fmt.Fprintf(os.Stderr, "probe %s: %v\n", name, try())
			}
			fmt.Fprintln(os.Stderr, "probed")
		}
	}()
	os.Exit(process())
}

// sniffing is a tap25 sniff in a process of its own, in the tap's namespace.
type sniffing struct {
	t       testing.TB
	cmd     *exec.Cmd
	out     capturetest.Buffer
	diag    capturetest.Buffer
	control string
	state   string
}

// sniff starts one and waits until it listens.
func (w *wire) sniff(args ...string) *sniffing {
	w.t.Helper()
	s := w.start(args...)
	s.awaitListening()
	return s
}

func (s *sniffing) awaitListening() {
	s.t.Helper()
	s.t.Cleanup(func() {
		if s.t.Failed() {
			s.t.Log(s.diag.String())
		}
	})
	await(s.t, "tap25 to listen", func() bool { return strings.Contains(s.diag.String(), `"message":"listening"`) })
	await(s.t, "an answer of the control socket", func() bool {
		_, err := report.Ask(s.t.Context(), s.control)
		return err == nil
	})
}

func (w *wire) start(args ...string) *sniffing {
	w.t.Helper()
	state := w.t.TempDir()
	if slices.Contains(args, "--db") {
		state = os.Getenv("XDG_STATE_HOME")
	}
	s := w.prepare(state, args...)
	s.launch(w)
	return s
}

// prepare gives one that is not started yet, on tap0 unless the arguments name interfaces.
func (w *wire) prepare(state string, args ...string) *sniffing {
	w.t.Helper()
	self, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	s := &sniffing{t: w.t, state: state, control: filepath.Join(state, "control.sock")}
	s.cmd = exec.Command(self)
	s.cmd.Args = append([]string{"tap25-probed", "sniff", "--sensor", "tap", "--control", s.control}, args...)
	if !slices.Contains(args, "-i") {
		s.cmd.Args = append(s.cmd.Args, "-i", "tap0")
	}
	if !slices.Contains(args, "--db") {
		s.cmd.Args = append(s.cmd.Args, "--json")
	} else if !slices.Contains(args, "--retention") {
		s.cmd.Args = append(s.cmd.Args, "--retention", "never")
	}
	s.cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+s.state)
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.diag
	return s
}

func (s *sniffing) launch(w *wire) {
	s.t.Helper()
	if err := w.in(w.tap, s.cmd.Start); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = s.cmd.Process.Kill(); _ = s.cmd.Wait() })
}

// end ends it by a signal and gives its rows.
func (s *sniffing) end(sig os.Signal) []map[string]any {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Wait(); err != nil {
		s.t.Fatalf("%v: %s", err, s.diag.String())
	}
	var rows []map[string]any
	for line := range strings.SplitSeq(strings.TrimSpace(s.out.String()), "\n") {
		var row map[string]any
		if line == "" {
			continue
		}
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			s.t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// essentials is what a server's log can tell of a row.
func essentials(rows []map[string]any) (list []string) {
	for _, r := range rows {
		list = append(list, fmt.Sprint(r["mail_from"], " ", r["rcpt_to"], " ", r["outcome"]))
		if r["flags"] != nil {
			list[len(list)-1] += fmt.Sprint(r["flags"])
		}
	}
	slices.Sort(list)
	return list
}

func TestSniff_RowsAreWhatTheServerTook(t *testing.T) {
	w := newWire(t)
	m := w.serve()
	capture := w.record()
	s := w.sniff("--workers", "2", "--metrics", "127.0.0.1:0")
	if err := w.send("192.0.2.25:25", "four", 60); err != nil {
		t.Fatal(err)
	}
	if err := w.noise(32000); err != nil {
		t.Fatal(err)
	}
	if err := w.send("[2001:db8::25]:25", "six", 60); err != nil {
		t.Fatal(err)
	}
	slices.Sort(m.taken)
	await(t, "all rows", func() bool { return strings.Count(s.out.String(), "\n") >= len(m.taken) })
	var r *report.Report
	await(t, "counters at rest", func() bool {
		var err error
		r, err = report.Ask(t.Context(), s.control)
		return err == nil && r.Read == r.Delivered && r.Rows == int64(len(m.taken))
	})
	if r.Seen != report.Sum(r.Dropped)+r.RingFull+r.Delivered || r.Read != report.Sum(r.Frames) || r.RingFull != 0 ||
		r.Rows != report.Sum(r.Outcomes) {
		t.Errorf("the counters do not add up: %+v", r)
	}
	if r.Dropped["other_port"] == 0 || r.Dropped["not_tcp"] < 10000 || report.Sum(r.Dropped) < 10*r.Read {
		t.Errorf("of %d frames %v were dropped by design, too little beside %d of SMTP", r.Seen, r.Dropped, r.Read)
	}
	if u := r.Unopened; len(u) == 0 || u[0].What != "udp port 80" || u[0].Frames < 10000 { // the noise
		t.Errorf("what may hold tunnels: %v", u)
	}
	if len(r.NotLive)+len(r.NotReady) > 0 {
		t.Errorf("not live and ready: %q %q", r.NotLive, r.NotReady)
	}
	rows := s.end(syscall.SIGTERM)
	if diff := cmp.Diff(m.taken, essentials(rows)); diff != "" {
		t.Errorf("server's log against rows: %s", diff)
	}
	if !strings.Contains(s.diag.String(), fmt.Sprintf("rows      %d (accepted %d)", len(rows), len(rows))) {
		t.Errorf("no summary: %s", s.diag.String())
	}
	// The frame is stamped at each end of the wire; between the two stamps the scheduler may step in.
	compareWithReplay(t, rows, capture(), 50*time.Millisecond)
}
