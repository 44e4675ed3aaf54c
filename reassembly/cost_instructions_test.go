package reassembly_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tap25/reassembly/hostile"
)

const (
	// mostGrowth is how many times the cost of N frames those of 2N may cost.
	mostGrowth = 2.5

	// mostInstructions bounds what a frame costs, on the average of a shape, and mostCommandInstructions what a command costs
	// in frames that are full of them: at three thousand million instructions a second these are 100,000 frames
	// and 300,000 commands.
	mostInstructions        = 30_000
	mostCommandInstructions = 10_000

	// countedFrames is N of the count of instructions; of full frames a quarter is enough.
	countedFrames = 1000
)

func counted(s *hostile.Shape) [2]int {
	n := countedFrames
	if s.Load != hostile.Small {
		n /= 4
	}
	return [2]int{n, 2 * n}
}

func mostFor(s *hostile.Shape) int64 {
	if s.Load == hostile.Commands {
		return mostCommandInstructions
	}
	return mostInstructions
}

// counting has the test binary that callgrind runs count, beginning at this shape.
const counting = "TAP25_TEST_COUNTING"

// TestCost_TwiceTheFramesTakeTwiceTheInstructions has this binary run itself under callgrind, which counts the instructions
// between two functions: the same on any machine, however busy, but for some per cent of the runtime's.
func TestCost_TwiceTheFramesTakeTwiceTheInstructions(t *testing.T) {
	if from := os.Getenv(counting); from != "" {
		countFrom(t, from)
		return
	}
	if testing.Short() {
		t.Skip("takes the whole of its time under valgrind")
	}
	valgrind, err := exec.LookPath("valgrind")
	if err != nil {
		if slices.Contains(strings.Split(os.Getenv("TAP25_TEST_REQUIRE"), ","), "valgrind") {
			t.Fatal(err)
		}
		t.Skip("needs valgrind (make install-test)")
	}
	shapes := hostile.Shapes()
	var counts []int64
	for try := 0; len(counts) < 2*len(shapes) && try < 3; try++ {
		var said string
		more, said := countInstructions(t, valgrind, shapes[len(counts)/2].Name)
		counts = append(counts, more...)
		t.Logf("%d of %d counted: %s", len(counts)/2, len(shapes), said)
	}
	for i := range counts {
		s := &shapes[i/2]
		if i%2 == 0 {
			continue
		}
		a := makeAttack(s, counted(s)[1])
		growth, each := float64(counts[i])/float64(counts[i-1]), counts[i]/int64(a.units(s))
		t.Logf("%-60s %5.2f times, %7d instructions each of %d", s.Name, growth, each, a.units(s))
		if most := mostFor(s); growth > mostGrowth || each > most {
			t.Errorf("%s: twice the frames take %.2f times the instructions, %d for each frame or command; at most %.1f and %d", s.Name, growth, each, mostGrowth, most)
		}
	}
	if len(counts) < 2*len(shapes) {
		t.Errorf("%s: not counted", shapes[len(counts)/2].Name)
	}
}

// countInstructions gives what N and 2N frames of each shape have cost, from the one named on.
func countInstructions(t *testing.T, valgrind, from string) (counts []int64, said string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), valgrind, "--tool=callgrind", "--callgrind-out-file="+filepath.Join(dir, "out"),
		"--zero-before=tap25/reassembly_test.countingBegins", "--dump-before=tap25/reassembly_test.countingEnds", self, "-test.run", "^"+t.Name()+"$", "-test.timeout", "10m")
	// One thread at a time, no signals: valgrind does not bear those by which the runtime interrupts itself.
	cmd.Env = append(os.Environ(), counting+"="+from, "GOMAXPROCS=1", "GODEBUG=asyncpreemptoff=1", "GOGC=off")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	for n := 1; ; n++ {
		text, readErr := os.ReadFile(filepath.Join(dir, fmt.Sprintf("out.%d", n)))
		sum := regexp.MustCompile(`(?m)^summary: (\d+)$`).FindSubmatch(text)
		if readErr != nil || sum == nil {
			break
		}
		count, _ := strconv.ParseInt(string(sum[1]), 10, 64)
		counts = append(counts, count)
	}
	if len(counts)%2 != 0 {
		counts = counts[:len(counts)-1]
	}
	lines := bufio.NewScanner(&out)
	for lines.Scan() {
		if !strings.HasPrefix(lines.Text(), "==") {
			said = lines.Text()
		}
	}
	return counts, fmt.Sprint(said, " ", err)
}

// countFrom is what runs under callgrind.
func countFrom(t *testing.T, from string) {
	debug.SetGCPercent(-1)
	shapes := hostile.Shapes()
	i := slices.IndexFunc(shapes, func(s hostile.Shape) bool { return s.Name == from })
	for ; i < len(shapes); i++ {
		s := &shapes[i]
		for _, n := range counted(s) {
			a := makeAttack(s, n)
			runtime.GC() // outside of what is counted
			countingBegins()
			a.take()
			countingEnds()
		}
	}
	_ = t
}

// The functions at which callgrind begins and ends to count.

//go:noinline
func countingBegins() { marks++ }

//go:noinline
func countingEnds() { marks++ }

var marks int
