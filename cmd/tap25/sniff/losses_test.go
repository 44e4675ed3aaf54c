package sniff

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
)

// lossesOf feeds a counter of each second and returns the lines of the log, each with the second it came in, and in
// which seconds the tap was degraded.
func lossesOf(t *testing.T, seconds int, at func(second int64) (seen, full int64)) (lines []string, degraded map[int]bool) {
	t.Helper()
	start := time.Unix(1_800_000_000, 0)
	l := losses{counts: []frameCounts{{at: start}}}
	degraded = map[int]bool{}
	for s := range seconds {
		var out strings.Builder
		log := zerolog.New(&out)
		seen, full := at(int64(s))
		l.note(&log, frameCounts{start.Add(time.Duration(s) * time.Second), seen, full})
		degraded[s] = len(l.degraded()) > 0
		for line := range strings.Lines(out.String()) {
			var e map[string]any
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatal(err)
			}
			lines = append(lines, fmt.Sprint(s, " ", e["level"], " ", e["frames_lost"], " ", e["frames_seen"], " ",
				e["share"]))
		}
	}
	return lines, degraded
}

// A thousand frames a second come. From second 100 to 250, a quarter of them is lost.
func TestLosses_AreLoggedAtOnceEachMinuteAndAtTheirEnd(t *testing.T) {
	lines, degraded := lossesOf(t, 400, func(s int64) (seen, full int64) {
		return 1000 * s, 250 * (min(max(s, 100), 250) - 100)
	})
	want := []string{
		"101 warn 250 60000 0.42 %", "161 warn 15000 60000 25 %", "221 warn 15000 60000 25 %",
		"281 warn 7250 60000 12 %", // those of seconds 221 to 250
		"311 info 37500 <nil> <nil>",
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Error(diff)
	}
	for s, is := range degraded {
		if is != (s > 100 && s < 311) {
			t.Errorf("second %d: degraded %v", s, is)
		}
	}
}

func TestLosses_OneFrameIsOneLineAndItsEnd(t *testing.T) {
	lines, _ := lossesOf(t, 200, func(s int64) (seen, full int64) {
		if s >= 5 {
			full = 1
		}
		return 10_000 * s, full
	})
	if diff := cmp.Diff([]string{"5 warn 1 50000 < 0.01 %", "66 info 1 <nil> <nil>"}, lines); diff != "" {
		t.Error(diff)
	}
}

func TestLosses_NoneIsNoLine(t *testing.T) {
	if lines, _ := lossesOf(t, 200, func(s int64) (seen, full int64) { return 1000 * s, 0 }); lines != nil {
		t.Error(lines)
	}
}
