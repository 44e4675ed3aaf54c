package reassembly_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"tap25/reassembly"
	"tap25/reassembly/hostile"
	"tap25/reassembly/smtp"
)

// TestCost_RunsOfLostFramesStopNoWorker reads the shapes one after another, on the same few connections, with runs of
// frames lost as a full ring loses them. What gopacket has of a direction need not be the first of what is held then:
// taking it back by that count looped without end.
func TestCost_RunsOfLostFramesStopNoWorker(t *testing.T) {
	for seed := uint64(1); seed <= 12; seed++ {
		r := rand.New(rand.NewPCG(seed, 1))
		asm := reassembly.New(reassembly.Config{Emit: func(*smtp.Envelope) {}})
		now, losing, read := time.Unix(1_800_000_000, 0), 0, int64(0)
		for _, s := range hostile.Shapes() {
			s.Write(2000, func(_ time.Time, frame []byte) {
				now = now.Add(6 * time.Microsecond)
				if losing > 0 {
					losing--
					asm.FramesLost(1)
					return
				}
				if r.IntN(30) == 0 {
					losing = 1 + r.IntN(400)
				}
				if r.IntN(5000) == 0 {
					asm.Advance(now.Add(time.Microsecond))
				}
				asm.Frame(now, 1, frame, len(frame))
				read++
			})
		}
		asm.Close()
		s := asm.Stats()
		if s.Frames.Total() != read || s.DeliveredBytes+s.DuplicateBytes+s.IgnoredBytes != s.PayloadBytes {
			t.Errorf("seed %d: %d of %d frames; payload %d, delivered %d, duplicate %d, ignored %d", seed,
				s.Frames.Total(), read, s.PayloadBytes, s.DeliveredBytes, s.DuplicateBytes, s.IgnoredBytes)
		}
	}
}
