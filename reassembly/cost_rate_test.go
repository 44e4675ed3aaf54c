package reassembly_test

import (
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"tap25/capture/capturetest"
	"tap25/reassembly/hostile"
)

const (
	leastFrames   = 100_000 // a second of one core
	leastCommands = 300_000 // where the frames are full of them
)

// rateFrames is how many frames of a shape the rate is measured with.
func rateFrames(s *hostile.Shape) int {
	if s.Load != hostile.Small {
		return 20_000
	}
	return 200_000
}

// TestBounds_HostileTrafficIsReadFastEnough measures the CPU's time, of one core, the collection of garbage included.
// It prints the table of docs/measurements.md.
func TestBounds_HostileTrafficIsReadFastEnough(t *testing.T) {
	if os.Getenv("TAP25_TEST_BOUNDS") != "full" {
		capturetest.Skip(t, "measures time: make bounds")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for _, s := range hostile.Shapes() {
		a := makeAttack(&s, rateFrames(&s))
		runtime.GC()
		begun := cpuTime(t)
		a.take()
		took := (cpuTime(t) - begun).Seconds()
		frames, commands := float64(a.Made.Frames)/took, float64(a.Commands)/took
		t.Logf("| %s | %.0f | %.0f |", s.Name, frames, commands)
		if frames < leastFrames && (s.Load != hostile.Commands || commands < leastCommands) {
			t.Errorf("%s: %.0f frames and %.0f commands a second", s.Name, frames, commands)
		}
	}
}

func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkHostile(b *testing.B) {
	for _, s := range hostile.Shapes() {
		b.Run(s.Name, func(b *testing.B) {
			a := makeAttack(&s, rateFrames(&s)/10)
			for b.Loop() {
				a.take()
			}
			seconds := b.Elapsed().Seconds() / float64(b.N)
			b.ReportMetric(float64(a.Made.Frames)/seconds, "frames/s")
			if s.Load == hostile.Commands {
				b.ReportMetric(float64(a.Commands)/seconds, "commands/s")
			}
		})
	}
}
