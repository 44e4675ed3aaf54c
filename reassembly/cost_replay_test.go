package reassembly_test

import (
	"os"
	"runtime"
	"strconv"
	"testing"

	"tap25/capture/capturetest"
	"tap25/reassembly"
	"tap25/reassembly/hostile"
	"tap25/reassembly/hostile/callgrind"
	"tap25/reassembly/smtp"
)

const (
	// replayInstructions is what a frame of ordinary mail takes with the compiler replayGo, rows as JSON and sessions
	// included. A change that makes it more, or less, sets it anew, and gives the reason.
	replayInstructions = 3940
	replayGo           = "go1.26.8"
	// replayTolerance is by how many hundredths it may differ: processors have other fast paths in memmove and its like.
	replayTolerance = 5
)

// TestCost_OrdinaryMailTakesTheInstructionsThatItTook fails if a replay has become slower. It counts the instructions
// for N frames and for 2N, and divides the difference by N: what a replay needs to begin does not count.
func TestCost_OrdinaryMailTakesTheInstructionsThatItTook(t *testing.T) {
	const frames = 4000
	if os.Getenv(counting) != "" {
		for n := 1; n <= 2; n++ {
			countReplay(n * frames)
		}
		return
	}
	if runtime.Version() != replayGo {
		capturetest.Missing(t, replayGo, "the stored number of instructions is that of code of this compiler")
	}
	counts, said := countInstructions(t, "ordinary")
	if len(counts) != 2 {
		t.Fatalf("not counted: %s", said)
	}
	each := (counts[1] - counts[0]) / frames
	if t.Logf("%d instructions a frame", each); max(each-replayInstructions, replayInstructions-each)*100 >
		replayInstructions*replayTolerance {
		t.Errorf("a frame of ordinary mail takes %d instructions; it took %d", each, replayInstructions)
	}
}

// countReplay is what runs under callgrind.
func countReplay(n int) {
	shape := hostile.Ordinary()
	a := makeAttack(&shape, n)
	var line []byte
	runtime.GC()
	callgrind.Zero()
	f := reassembly.NewFlows(reassembly.Config{}, 1, func(_ int, e *smtp.Envelope) { line = e.AppendJSON(line[:0]) })
	for _, x := range a.frames[:n] {
		f.Frame(0, x.t, 1, x.data, len(x.data))
	}
	callgrind.Dump()
}

// TestCost_OpenConnectionsDoNotMakeAFrameDearer reads as many segments of few open connections as of many, in turn.
// Many connections have more senders than senders.latest holds, so another map is asked for each segment: 6 % more.
func TestCost_OpenConnectionsDoNotMakeAFrameDearer(t *testing.T) {
	const few, frames, most = 1000, 10_000, 1.1
	many := 20_000
	if os.Getenv("TAP25_TEST_BOUNDS") == "full" {
		many = 1_000_000
	}
	if text := os.Getenv(counting); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		countSegments(n, frames)
		return
	}
	var each [2]int64
	for i, n := range []int{few, many} {
		counts, said := countInstructions(t, strconv.Itoa(n), "--instr-atstart=no")
		if len(counts) != 1 || counts[0] < frames {
			t.Fatalf("not counted: %v, %s", counts, said)
		}
		each[i] = counts[0] / frames
		t.Logf("%d instructions a frame with %d open connections", each[i], n)
	}
	if growth := float64(each[1]) / float64(each[0]); growth > most {
		t.Errorf("with %d open connections a frame takes %.2f times the instructions that it takes with %d", many,
			growth, few)
	}
}

// countSegments is what runs under callgrind.
func countSegments(n, frames int) {
	asm, segments, now := openConnections(n)
	read := func() {
		for i := range frames {
			s := segments[i*7919%n] // all over the memory
			asm.Frame(now, 1, s, len(s))
		}
	}
	read() // the first time takes more, and few connections would have it less often
	runtime.GC()
	callgrind.Start()
	read()
	callgrind.Dump()
}
