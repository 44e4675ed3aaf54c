package hostile_test

import (
	"hash/fnv"
	"testing"
	"time"

	"tap25/reassembly/hostile"
)

func TestShapes_AreAsLongAsAskedForAndTheSameEachTime(t *testing.T) {
	names := map[string]bool{}
	for _, s := range hostile.Shapes() {
		if names[s.Name] {
			t.Errorf("two shapes are called %q", s.Name)
		}
		names[s.Name] = true
		make := func() (hostile.Made, uint64) {
			sum, last := fnv.New64a(), time.Time{}
			made := s.Write(3000, func(at time.Time, frame []byte) {
				if len(frame) > 1514 || at.Before(last) {
					t.Fatalf("%s: a frame of %d octets, %v after the one before", s.Name, len(frame), at.Sub(last))
				}
				last = at
				_, _ = sum.Write(frame)
			})
			return made, sum.Sum64()
		}
		made, sum := make()
		if again, sumAgain := make(); again != made || sumAgain != sum {
			t.Errorf("%s: other frames the second time", s.Name)
		}
		if made.Frames < 3000 || made.Frames > 6000 {
			t.Errorf("%s: %d frames for 3000", s.Name, made.Frames)
		}
		if s.Load == hostile.Commands && made.Commands < 10*made.Frames {
			t.Errorf("%s: %d commands in %d frames are not full ones", s.Name, made.Commands, made.Frames)
		}
	}
	if len(names) < 25 {
		t.Errorf("%d shapes", len(names))
	}
}
