package reassembly_test

import (
	"testing"

	"tap25/reassembly/hostile"
)

func TestCost_Steps(t *testing.T) {
	for _, s := range hostile.Shapes() {
		n := 4000
		if s.Load != hostile.Small {
			n /= 4
		}
		a, b := makeAttack(&s, n), makeAttack(&s, 2*n)
		x, y := a.take(), b.take()
		sx, sy := x.Steps+x.SMTP.Steps, y.Steps+y.SMTP.Steps
		t.Logf("%-60s %5.2f times %6.1f each %6.1f a frame", s.Name, float64(sy)/float64(sx), float64(sy)/float64(b.units(&s)), float64(sy)/float64(b.Made.Frames))
	}
}
