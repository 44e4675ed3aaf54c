package reassembly_test

import (
	"testing"

	"tap25/reassembly"
	"tap25/reassembly/hostile"
	"tap25/reassembly/smtp"
)

// TestCost_LossesDoNotFeedThemselves has a full ring lose frames: what those that come through cost must not grow with
// it, or more would be lost for it.
func TestCost_LossesDoNotFeedThemselves(t *testing.T) {
	for _, s := range hostile.Shapes() {
		n := 2000
		if s.Load != hostile.Small {
			n /= 4
		}
		a := makeAttack(&s, n)
		for _, lost := range []int{1, 5, 9} { // of ten
			asm := reassembly.New(reassembly.Config{Emit: func(*smtp.Envelope) {}})
			units := 0
			for i, f := range a.frames {
				if i*7%10 < lost {
					asm.FramesLost(1)
					continue
				}
				units++
				asm.Frame(f.t, 1, f.data, len(f.data))
			}
			asm.Close()
			stats := asm.Stats()
			if s.Load == hostile.Commands {
				units = units * a.Commands / a.Made.Frames
			}
			if each := float64(stats.Steps+stats.SMTP.Steps) / float64(units); each > mostSteps {
				t.Errorf("%s: %.1f steps for each frame or command where %d of 10 are lost", s.Name, each, lost)
			}
		}
	}
}
