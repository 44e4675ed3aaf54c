package replay

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"tap25/reassembly"
	"tap25/reassembly/hostile"
)

// A file is noted as loaded, and the last part of its rows is sealed, only if no row is missing: so a replay must know
// that it had no time to close what was open, or that a signal has cut the input off. A damaged file has no more rows.
func TestReader_ReportsWhetherRowsAreMissing(t *testing.T) {
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx, late context.Context
		err       error
		whole     bool
	}{
		"read to its end":                     {t.Context(), t.Context(), nil, true},
		"damaged":                             {t.Context(), t.Context(), errors.New("not a frame"), true},
		"read to its end, a signal meanwhile": {over, t.Context(), nil, true},
		"no time to close what is open":       {over, over, nil, false},
		"cut off by a signal":                 {over, t.Context(), os.ErrClosed, false},
		"cut off by a signal, and not closed": {over, over, os.ErrClosed, false},
	} {
		rows, discarded := 0, 0
		r := newReader(reassembly.Config{Sensor: "tap"}, 2, func(row) { rows++ })
		for _, s := range hostile.Shapes() {
			if s.Name == "mails of an octet each" { // one session, which stays open
				s.Write(50, func(at time.Time, frame []byte) { r.flows.Frame(0, at, 1, slices.Clone(frame), len(frame)) })
			}
		}
		r.flows.Wait()
		before := rows
		whole := r.end(c.ctx, c.late, c.err, func() { discarded++ })
		if before == 0 || whole != c.whole || discarded != map[bool]int{false: 1}[whole] {
			t.Errorf("%s: %d rows, whole: %v, discarded %d times", name, before, whole, discarded)
		}
	}
}
