package report

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestReport_WatchedOnATerminalIsDrawnOverTheLast(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	before, now := &Report{Started: start, At: start, Seen: 100, Store: &Store{}}, &Report{Started: start, At: start.Add(2 * time.Second), Seen: 300, Store: &Store{Away: true}}
	var plain, drawn strings.Builder
	if err := errors.Join(now.show(&plain, before, false), now.show(&drawn, before, true)); err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`frames seen +300 +100/s\n`).MatchString(plain.String()) || !strings.Contains(plain.String(), "the database does not answer: rows wait") {
		t.Error(plain.String())
	}
	if !strings.HasPrefix(drawn.String(), "\x1b[H") || !strings.HasSuffix(drawn.String(), "\x1b[J") || strings.ReplaceAll(drawn.String()[3:len(drawn.String())-3], "\x1b[K", "") != plain.String() {
		t.Errorf("%q", drawn.String())
	}
}
