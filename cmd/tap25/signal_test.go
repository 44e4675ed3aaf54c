package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"tap25/capture/capturetest"
	"tap25/cmd/tap25/report"
	"tap25/reassembly/hostile"
)

// shapeNamed gives one of the hostile shapes.
func shapeNamed(t testing.TB, name string) *hostile.Shape {
	t.Helper()
	for _, s := range hostile.Shapes() {
		if s.Name == name {
			return &s
		}
	}
	t.Fatalf("no shape %q", name)
	return nil
}

// writeShape writes n frames of a shape as a capture, until w takes no more.
func writeShape(w io.Writer, s *hostile.Shape, n int) (hostile.Made, error) {
	p := pcapgo.NewWriter(w)
	err := p.WriteFileHeader(1<<18, layers.LinkTypeEthernet)
	made := s.Write(n, func(at time.Time, frame []byte) {
		if err == nil {
			err = p.WritePacket(gopacket.CaptureInfo{Timestamp: at, Length: len(frame), CaptureLength: len(frame)},
				frame)
		}
	})
	return made, err
}

// counting counts what was written.
type counting struct {
	w io.Writer
	n atomic.Int64
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n.Add(int64(n))
	return n, err
}

// patient is how long the end after a signal is waited for: far longer than it takes on any machine.
const patient = time.Minute

// textOf names a file that receives the standard error of a program. A pipe will not do: after a signal, the program
// waits only a tenth of a second for its reader, which a busy machine may delay.
type textOf string

func (path textOf) String() string {
	text, _ := os.ReadFile(string(path))
	return string(text)
}

// endBySignal sends a signal as soon as begun says so, and waits for the end.
func endBySignal(t *testing.T, cmd *exec.Cmd, diag fmt.Stringer, sig os.Signal, begun func() bool) {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	awaitFor(t, patient, "it to be at work", begun)
	if err := cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(patient):
		_ = cmd.Process.Signal(syscall.SIGQUIT)
		<-ended
		t.Fatalf("it goes on: %s", diag.String())
	}
	if code := cmd.ProcessState.ExitCode(); code != statusInterrupted ||
		!strings.Contains(diag.String(), "interrupted") {
		t.Errorf("status %d: %s", code, diag.String())
	}
	checkSums(t, diag.String())
}

// TestReplay_ASignalEndsHostileTraffic has captures without an end come by a pipe, of shapes that once cost more with
// each frame.
func TestReplay_ASignalEndsHostileTraffic(t *testing.T) {
	for _, name := range []string{"holes in both directions between commands", "holes in flights, in both directions",
		"connections with a hole, a second a frame"} {
		for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
			t.Run(name+", "+sig.String(), func(t *testing.T) {
				r, w, err := os.Pipe()
				if err != nil {
					t.Fatal(err)
				}
				diag := textOf(filepath.Join(t.TempDir(), "diag"))
				stderr, err := os.Create(string(diag))
				if err != nil {
					t.Fatal(err)
				}
				defer stderr.Close()
				cmd := exec.Command("tap25", "replay", "--json", "--sensor", "tap", "-")
				cmd.Stdin, cmd.Stderr = r, stderr
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				r.Close()
				written := &counting{w: w}
				go func() {
					_, _ = writeShape(written, shapeNamed(t, name), 50_000_000)
					w.Close()
				}()
				endBySignal(t, cmd, diag, sig, func() bool { return written.n.Load() > 2<<20 })
			})
		}
	}
}

// TestSniff_ASignalEndsItUnderAttack sends it while frames come as fast as they go, and rows of them leave.
func TestSniff_ASignalEndsItUnderAttack(t *testing.T) {
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			w := newWire(t)
			s := w.prepare(t.TempDir(), "--workers", "2")
			s.cmd.Stdout = &chosen{word: []byte("nothing of this"), to: &s.out}
			s.launch(w)
			s.awaitListening()
			send := w.sender(w.client)
			var over atomic.Bool
			var attack sync.WaitGroup
			attack.Go(func() {
				for !over.Load() {
					shapeNamed(t, "transactions broken off by RSET").Write(100, func(_ time.Time, frame []byte) {
						_ = send(frame)
					})
				}
			})
			defer attack.Wait()
			defer over.Store(true)
			await(t, "rows", func() bool {
				r, err := report.Ask(t.Context(), s.control)
				return err == nil && r.Rows > 1000
			})
			if err := s.cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- s.cmd.Wait() }()
			select {
			case err := <-ended:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(patient):
				t.Fatal("it goes on")
			}
			if w.linkIn(w.tap, "tap0").attached {
				t.Error("it is still attached")
			}
		})
	}
}

// TestReplay_ASignalFlagsWhatIsOpen has a session on port 2525 that stops after a RCPT, and then a whole one on port
// 25, whose rows show that both were read. With the signal, the first may have gone on; with the end of a file, it has not.
func TestReplay_ASignalFlagsWhatIsOpen(t *testing.T) {
	lines := strings.Split(dialogue, "\n")
	frames := append(dialogueFrames(2525, lines)[:11], dialogueFrames(25, lines)...)
	path := filepath.Join(t.TempDir(), "open.pcap")
	if err := writePcap(path, time.Unix(1_700_000_000, 0), frames); err != nil {
		t.Fatal(err)
	}
	octets, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"replay", "--json", "--sensor", "tap", "--port", "25", "--port", "2525"}
	outcomes := func(rows string) string {
		var list []string
		for _, r := range jsonLines(t, []byte(rows)) {
			list = append(list, fmt.Sprint(r["server_port"], " ", r["rcpt_to"], " ", r["outcome"], " ", r["flags"]))
		}
		slices.Sort(list)
		return strings.Join(list, "\n")
	}
	const whole = "25 bob@b.example accepted <nil>\n25 carol@b.example refused <nil>\n"
	if got, want := outcomes(asked(t, append(args, path)...)), whole+"2525 bob@b.example unknown <nil>\n"+
		"2525 carol@b.example unknown <nil>"; got != want {
		t.Errorf("of the file:\n%s\nwant\n%s", got, want)
	}
	cmd := exec.Command("tap25", append(args, "-")...)
	var rows, diag capturetest.Buffer
	cmd.Stdout, cmd.Stderr = &rows, &diag
	pipe, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := pipe.Write(octets); err != nil {
		t.Fatal(err)
	}
	endBySignal(t, cmd, &diag, os.Interrupt, func() bool { return strings.Count(rows.String(), "\n") == 2 })
	if got, want := outcomes(rows.String()), whole+"2525 bob@b.example unknown [gap]\n"+
		"2525 carol@b.example unknown [gap]"; got != want {
		t.Errorf("of the pipe:\n%s\nwant\n%s", got, want)
	}
}
