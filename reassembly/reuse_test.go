package reassembly_test

import (
	"testing"
	"time"

	"tap25/reassembly"
	"tap25/reassembly/hostile"
	"tap25/reassembly/smtp"
)

// TestFlows_RowsAreMadeAgain reads sessions of a mail each, batch by batch. The memory of a row must be used again after
// emit has returned.
func TestFlows_RowsAreMadeAgain(t *testing.T) {
	const frames, most = 100_000, 2000
	for _, workers := range []int{1, 2} {
		rows, distinct := 0, map[*smtp.Envelope]bool{}
		f := reassembly.NewFlows(reassembly.Config{}, workers, func(_ int, e *smtp.Envelope) {
			rows++
			distinct[e] = true
		})
		shape := hostile.Named("connections of a mail each")
		memory, used := f.Memory(nil), 0
		shape.Write(frames, func(at time.Time, frame []byte) {
			if used+len(frame) > len(memory) {
				memory, used = f.Memory(memory), 0
			}
			data := memory[used : used+copy(memory[used:], frame)]
			used += len(data)
			f.Frame(0, at, 1, data, len(data))
		})
		if f.CloseWithin(t.Context()); rows < 2*most || len(distinct) > most {
			t.Errorf("%d workers: %d rows in %d places, at most %d are right", workers, rows, len(distinct), most)
		}
	}
}
