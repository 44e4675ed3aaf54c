package report

import (
	"math"
	"testing"
	"time"
)

func TestFormat_ForPeople(t *testing.T) {
	for _, c := range [][2]string{
		{Bytes(1023), "1023 B"}, {Bytes(1024), "1.0 KiB"}, {Bytes(1<<20 - 1), "1.0 MiB"}, {Bytes(10 << 30), "10.0 GiB"},
		{Bytes(math.MaxInt64), "8.0 EiB"},
		{Share(0, 0), "0 %"}, {Share(1, 1e6), "< 0.01 %"}, {Share(1, 80), "1.25 %"}, {Share(95, 100), "95 %"},
		{Span(-time.Second), "0 s"}, {Span(59 * time.Second), "59 s"}, {Span(time.Hour - 1), "59 min"},
		{Span(125 * time.Minute), "2 h 5 min"}, {Span(76 * time.Hour), "3 d 4 h"},
	} {
		if c[0] != c[1] {
			t.Errorf("%q, want %q", c[0], c[1])
		}
	}
}
