package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"tap25/cmd/tap25/doctor"
	"tap25/cmd/tap25/report"
)

// examined is the result of tap25 doctor --json.
type examined struct {
	Problems int
	Checks   []doctor.Check
}

// state gives that of a check, "" where there is none.
func (e *examined) state(on, name string) string {
	for _, c := range e.Checks {
		if c.On == on && c.Name == name {
			return c.State
		}
	}
	return ""
}

// examination is a tap25 doctor that runs in a namespace.
type examination struct {
	t         testing.TB
	cmd       *exec.Cmd
	out, diag bytes.Buffer
}

func (w *wire) doctor(ns string, args ...string) *examination {
	w.t.Helper()
	self, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	e := &examination{t: w.t, cmd: exec.Command(self)}
	e.cmd.Args = append([]string{"tap25", "doctor", "--json"}, args...)
	e.cmd.Stdout, e.cmd.Stderr = &e.out, &e.diag
	if err := w.in(ns, e.cmd.Start); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = e.cmd.Process.Kill(); _ = e.cmd.Wait() })
	return e
}

// result waits for the end, and holds the exit status against the problems found.
func (e *examination) result() *examined {
	e.t.Helper()
	err := e.cmd.Wait()
	r := &examined{}
	if jsonErr := json.Unmarshal(e.out.Bytes(), r); jsonErr != nil {
		e.t.Fatalf("%v, %v: %s", err, jsonErr, e.diag.String())
	}
	if status := e.cmd.ProcessState.ExitCode(); status != min(r.Problems, 1) {
		e.t.Errorf("exit status %d with %d problems: %s", status, r.Problems, e.diag.String())
	}
	for _, word := range []string{"192.0.2", "2001:db8", "a.example", "b.example"} {
		if strings.Contains(e.out.String()+e.diag.String(), word) {
			e.t.Errorf("it printed %s", word)
		}
	}
	return r
}

// link is the state of an interface.
type link struct {
	attached bool // an XDP program
	carrier  bool
	packets  int64 // received
}

// linkIn asks for an interface in a namespace.
func (w *wire) linkIn(ns, name string) link {
	w.t.Helper()
	out, err := exec.Command("ip", "-n", ns, "-j", "-d", "-s", "link", "show", "dev", name).Output()
	if err != nil {
		return link{} // it is gone
	}
	var shown []struct {
		Flags []string
		XDP   any
		Stats struct{ RX struct{ Packets int64 } } `json:"stats64"`
	}
	if err := json.Unmarshal(out, &shown); err != nil || len(shown) != 1 {
		w.t.Fatalf("%v: %s", err, out)
	}
	return link{shown[0].XDP != nil, slices.Contains(shown[0].Flags, "LOWER_UP"), shown[0].Stats.RX.Packets}
}

// inject sends frames from the mirror's end of the tap's wire.
func (w *wire) inject(frames [][]byte) {
	w.t.Helper()
	err := w.in(w.hub, func() error {
		ifi, err := net.InterfaceByName("port")
		if err != nil {
			return err
		}
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer func() { _ = unix.Close(fd) }()
		for _, f := range frames {
			err = errors.Join(err, unix.Sendto(fd, f, 0, &unix.SockaddrLinklayer{Ifindex: ifi.Index, Protocol: 0x0008}))
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// TestDoctor_HearsWhatComes listens on the tap while traffic of each kind comes.
func TestDoctor_HearsWhatComes(t *testing.T) {
	w := newWire(t)
	w.ip("-n " + w.hub + " link set port nomaster") // only what is injected
	frames := dialogueFrames(25, strings.Split(dialogue, "\n"))
	var toServer, toClient, web [][]byte
	for _, f := range frames {
		if f[34] == 0 && f[35] == 25 { // the source port
			toClient = append(toClient, f)
		} else {
			toServer = append(toServer, f)
		}
		other := bytes.Clone(f)
		other[35], other[37] = 80, 80
		web = append(web, other)
	}
	for name, c := range map[string]struct {
		frames [][]byte
		want   map[string]string // of the checks on the traffic
	}{
		"both directions": {frames, map[string]string{"mail": doctor.OK, "directions": doctor.OK, "losses": doctor.OK}},
		"to the server":   {toServer, map[string]string{"mail": doctor.OK, "directions": doctor.Problem}},
		"to the client":   {toClient, map[string]string{"mail": doctor.OK, "directions": doctor.Problem}},
		"other ports":     {web, map[string]string{"mail": doctor.Problem, "directions": ""}},
		"a segment lost": {append(append([][]byte{}, frames[:8]...), frames[9:]...),
			map[string]string{"directions": doctor.OK, "losses": doctor.Problem}},
	} {
		t.Run(name, func(t *testing.T) {
			e := w.doctor(w.tap, "-i", "tap0", "--seconds", "600")
			await(t, "it to attach", func() bool { return w.linkIn(w.tap, "tap0").attached })
			before := w.linkIn(w.tap, "tap0").packets
			w.inject(c.frames)
			await(t, "the frames", func() bool {
				return w.linkIn(w.tap, "tap0").packets-before >= int64(len(c.frames))
			})
			if err := e.cmd.Process.Signal(os.Interrupt); err != nil { // listened long enough
				t.Fatal(err)
			}
			r := e.result()
			for check, want := range c.want {
				if got := r.state("traffic", check); got != want {
					t.Errorf("%s: %q, want %q in %+v", check, got, want, r.Checks)
				}
			}
			if got := r.state("tap0", "XDP"); got != doctor.OK {
				t.Errorf("XDP: %s", got)
			}
			if f := w.linkIn(w.tap, "tap0"); f.attached {
				t.Error("it left a program attached")
			}
		})
	}
}

func TestDoctor_NoTrafficAndNothingToListenOn(t *testing.T) {
	w := newWire(t)
	w.ip("-n " + w.hub + " link set port nomaster")
	for ns, link := range map[string]string{w.tap: "tap0", w.hub: "port"} { // no solicitations of their own
		if err := w.in(ns, func() error {
			return os.WriteFile("/proc/sys/net/ipv6/conf/"+link+"/disable_ipv6", []byte("1"), 0)
		}); err != nil {
			t.Fatal(err)
		}
	}
	if r := w.doctor(w.tap, "-i", "tap0", "--seconds", "0.2").result(); r.state("traffic", "frames") != doctor.Problem {
		t.Errorf("silence: %+v", r.Checks)
	}
	if r := w.doctor(w.tap, "-i", "tap0", "--seconds", "0").result(); r.state("tap0", "XDP") != doctor.Unknown ||
		r.state("tap0", "link") != doctor.OK {
		t.Errorf("without listening: %+v", r.Checks)
	}
	if r := w.doctor(w.tap, "-i", "nosuch0").result(); r.state("nosuch0", "link") != doctor.Problem || r.Problems == 0 ||
		!strings.Contains(fmt.Sprint(r.Checks), "no such interface; there are lo, tap0") {
		t.Errorf("no interface: %+v", r.Checks)
	}
	w.ip("-n " + w.tap + " link set tap0 down")
	if r := w.doctor(w.tap, "-i", "tap0", "--seconds", "0.2").result(); r.state("tap0", "link") != doctor.Problem {
		t.Errorf("down: %+v", r.Checks)
	}
}

// TestDoctor_LeavesTheHostsTrafficAlone examines the interface of a server that goes on taking mail, with and without a
// word of it on the command line, and is killed at last.
func TestDoctor_LeavesTheHostsTrafficAlone(t *testing.T) {
	w := newWire(t)
	m := w.serve()
	for _, inline := range []bool{true, false} {
		args := []string{"-i", "eth0", "--seconds", "600"}
		if inline {
			args = append(args, "--inline")
		}
		e := w.doctor(w.server, args...)
		await(t, "it to attach", func() bool { return w.linkIn(w.server, "eth0").attached })
		if err := w.send("192.0.2.25:25", "a", 3); err != nil {
			t.Fatal(err)
		}
		if err := e.cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		want := map[bool]string{true: "", false: doctor.Problem}[inline]
		if r := e.result(); r.state("eth0", "address") != want || r.state("traffic", "mail") != doctor.OK {
			t.Errorf("%+v", r.Checks)
		}
	}
	if len(m.taken) != 12 {
		t.Errorf("%d recipients, want 12", len(m.taken))
	}
	e := w.doctor(w.server, "-i", "eth0", "--inline", "--seconds", "600")
	await(t, "it to attach", func() bool { return w.linkIn(w.server, "eth0").attached })
	if err := e.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = e.cmd.Wait()
	await(t, "it to be detached", func() bool { return !w.linkIn(w.server, "eth0").attached })
}

func TestDoctor_AsksTheSniffThatRuns(t *testing.T) {
	w := newWire(t)
	w.serve()
	s := w.sniff()
	relay, answers := relayTo(t, s.control)
	e := w.doctor(w.tap, "-i", "tap0", "--control", relay, "--seconds", "600")
	await(t, "its first question to be answered", func() bool { return answers.Load() == 1 })
	if err := w.send("192.0.2.25:25", "a", 1); err != nil {
		t.Fatal(err)
	}
	await(t, "the sniff to count it", func() bool {
		r, err := report.Ask(t.Context(), s.control)
		return err == nil && r.Rows == 2
	})
	if err := e.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if r := e.result(); r.state("tap0", "XDP") != doctor.OK || r.state("traffic", "listen") != "" {
		t.Errorf("%+v", r.Checks)
	}
	if r := w.doctor(w.tap, "-i", "tap0", "--control", s.control, "--seconds", "0").result(); r.state("tap0",
		"XDP") != doctor.OK || r.state("traffic", "frames") != "" {
		t.Errorf("without listening: %+v", r.Checks)
	}
	if r := w.doctor(w.tap, "-i", "tap0", "--control", s.control+"x").result(); r.state("tap0",
		"XDP") != doctor.Problem || r.state("traffic", "listen") != doctor.Problem {
		t.Errorf("another's program: %+v", r.Checks)
	}
	if f := w.linkIn(w.tap, "tap0"); !f.attached {
		t.Error("the sniff's program is gone")
	}
}

// relayTo gives a control socket that answers as another does, and how often it did.
func relayTo(t *testing.T, path string) (relay string, answers *atomic.Int64) {
	relay = filepath.Join(t.TempDir(), "relay.sock")
	l, err := net.Listen("unix", relay)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	answers = &atomic.Int64{}
	go func() {
		for {
			asked, err := l.Accept()
			if err != nil {
				return
			}
			if answer, err := net.Dial("unix", path); err == nil {
				io.Copy(asked, answer)
				answer.Close()
				answers.Add(1)
			}
			asked.Close()
		}
	}()
	return relay, answers
}
