package reassembly_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"testing"

	"tap25/capture/capturetest"
	"tap25/reassembly/hostile"
	"tap25/reassembly/hostile/callgrind"
)

// At three thousand million instructions a second these are 100,000 frames, and 300,000 commands where the frames are
// full of them. Octets of lines are read in a loop so tight that four instructions go at a time (docs/measurements.md).
const (
	mostFrameInstructions   = 30_000
	mostCommandInstructions = 10_000
	mostLinesInstructions   = 100_000 // of a full frame
)

// fewInstructions are so few for a frame or command that a table which has grown once more shows in the growth. If that
// were what grows with the length, the full test, of eight times as many frames, would still find it.
const fewInstructions = 1_000

// instructionFrames is N of this test.
const instructionFrames = 500

func mostInstructions(s *hostile.Shape) int64 {
	switch s.Load {
	case hostile.Commands:
		return mostCommandInstructions
	case hostile.Lines:
		return mostLinesInstructions
	}
	return mostFrameInstructions
}

// counting has the test binary count, beginning with the shape that it names; set where callgrind runs it.
const counting = "TAP25_TEST_COUNTING"

// TestCost_TwiceTheFramesTakeTwiceTheInstructions has this binary run itself under callgrind, which counts the
// instructions. Their number is the same on a busy machine, but for some per cent that the runtime's threads take.
func TestCost_TwiceTheFramesTakeTwiceTheInstructions(t *testing.T) {
	if from := os.Getenv(counting); from != "" {
		countFrom(from)
		return
	}
	shapes, counts := hostile.Shapes(), []int64{}
	for try := 0; len(counts) < 2*len(shapes) && try < 3; try++ {
		more, said := countInstructions(t, shapes[len(counts)/2].Name)
		counts = append(counts, more[:len(more)&^1]...)
		t.Logf("%d of %d shapes counted: %s", len(counts)/2, len(shapes), said)
	}
	if len(counts) < 2*len(shapes) {
		t.Errorf("%s: not counted", shapes[len(counts)/2].Name)
	}
	for i := range len(counts) / 2 {
		s, n := &shapes[i], counts[2*i+1]
		units := makeAttack(s, costSizes(s, instructionFrames)[1]).units()
		growth, each := float64(n)/float64(counts[2*i]), n/int64(units)
		t.Logf("%-75s %5.2f times, %7d instructions for each of %d", s.Name, growth, each, units)
		if most := mostInstructions(s); each > fewInstructions && growth > mostGrowth || each > most {
			t.Errorf("%s: twice the frames take %.2f times the instructions, at most %.1f is right; %d for each "+
				"frame or command, of %d", s.Name, growth, mostGrowth, each, most)
		}
	}
}

// countInstructions has this test run under valgrind, with these arguments, and gives what it has counted: what N and 2N
// frames of each shape have cost, from the one named on, or what else the test counts.
func countInstructions(t *testing.T, from string, args ...string) (counts []int64, said string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	args = append(args, "--tool=callgrind", "--callgrind-out-file="+filepath.Join(dir, "out"), self, "-test.run",
		"^"+t.Name()+"$")
	cmd := exec.CommandContext(t.Context(), requireValgrind(t), args...)
	// One thread at a time, without the signals by which the runtime interrupts itself: valgrind 3.19 does not bear
	// them.
	cmd.Env = append(os.Environ(), counting+"="+from, "GOMAXPROCS=1", "GODEBUG=asyncpreemptoff=1", "GOGC=off")
	out, err := cmd.CombinedOutput()
	for n := 1; ; n++ {
		text, readErr := os.ReadFile(filepath.Join(dir, fmt.Sprintf("out.%d", n)))
		sum := regexp.MustCompile(`(?m)^summary: (\d+)$`).FindSubmatch(text)
		if readErr != nil || sum == nil {
			break
		}
		count, _ := strconv.ParseInt(string(sum[1]), 10, 64)
		counts = append(counts, count)
	}
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	return counts, fmt.Sprintf("%s, %v", lines[len(lines)-1], err)
}

func requireValgrind(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("valgrind")
	if err != nil {
		capturetest.Missing(t, "valgrind", "make install-test installs it")
	}
	if !callgrind.Supported {
		capturetest.Missing(t, "valgrind", "tap25's tests ask it on amd64 alone")
	}
	return path
}

// countFrom is what runs under callgrind.
func countFrom(from string) {
	shapes := hostile.Shapes()
	i := slices.IndexFunc(shapes, func(s hostile.Shape) bool { return s.Name == from })
	for ; i < len(shapes); i++ {
		for _, n := range costSizes(&shapes[i], instructionFrames) {
			a := makeAttack(&shapes[i], n)
			runtime.GC() // now, not while it counts
			callgrind.Zero()
			a.take()
			callgrind.Dump()
		}
	}
}
