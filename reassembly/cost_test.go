package reassembly_test

import (
	"os"
	"testing"
	"time"

	"tap25/reassembly"
	"tap25/reassembly/hostile"
	"tap25/reassembly/smtp"
)

// mostGrowth is how many times as much as N frames twice as many may cost.
const mostGrowth = 2.5

// attack is a shape's frames, made beforehand.
type attack struct {
	hostile.Made
	load   hostile.Load
	frames []timed
}

type timed struct {
	t    time.Time
	data []byte
}

func makeAttack(s *hostile.Shape, n int) *attack {
	a := &attack{load: s.Load}
	a.Made = s.Write(n, func(t time.Time, frame []byte) { a.frames = append(a.frames, timed{t, frame}) })
	return a
}

// take has a new Assembler take all frames, and returns what it has counted.
func (a *attack) take() reassembly.Stats {
	asm := reassembly.New(reassembly.Config{Emit: func(*smtp.Envelope) {}})
	for _, f := range a.frames {
		asm.Frame(f.t, 1, f.data, len(f.data))
	}
	asm.Close()
	return asm.Stats()
}

// units is what the cost is shared out by: commands where the frames are full of them, frames else.
func (a *attack) units() int {
	if a.load == hostile.Commands {
		return a.Commands
	}
	return a.Made.Frames
}

// costSizes are N and 2N frames of a shape: of full frames a quarter is enough. TAP25_TEST_BOUNDS=full (make bounds)
// takes more.
func costSizes(s *hostile.Shape, n int) [2]int {
	if os.Getenv("TAP25_TEST_BOUNDS") == "full" {
		n *= 8
	}
	if s.Load != hostile.Small {
		n /= 4
	}
	return [2]int{n, 2 * n}
}

const (
	// mostSteps bounds the steps of a frame, or of a command where frames are full of them: a look at all that is set
	// aside takes 64.
	mostSteps = 160
	// fewSteps are so few that what there is no more of than so many times the frames need not show yet how it grows.
	fewSteps = 16
)

// TestCost_TwiceTheFramesTakeTwiceTheSteps counts the iterations of the loops over what earlier frames have left.
func TestCost_TwiceTheFramesTakeTwiceTheSteps(t *testing.T) {
	for _, s := range hostile.Shapes() {
		var steps [2]int64
		var units int64
		for i, n := range costSizes(&s, 2500) {
			a := makeAttack(&s, n)
			stats := a.take()
			steps[i], units = stats.Steps+stats.SMTP.Steps, int64(a.units())
		}
		growth, each := float64(steps[1])/float64(max(steps[0], 1)), float64(steps[1])/float64(units)
		t.Logf("%-75s %5.2f times, %6.1f steps for each of %d", s.Name, growth, each, units)
		if each > mostSteps || each > fewSteps && growth > mostGrowth {
			t.Errorf("%s: twice the frames take %.2f times the steps, at most %.1f is right; %.1f for each frame or "+
				"command, of %d", s.Name, growth, mostGrowth, each, mostSteps)
		}
	}
}
