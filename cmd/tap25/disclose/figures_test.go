package disclose

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestPage_FiguresInWords: the values are as PostgreSQL writes them in JSON.
func TestPage_FiguresInWords(t *testing.T) {
	for _, c := range []struct {
		name, value string
		want        []string
	}{
		{"begins", "2026-11-01T00:00:00+00:00", []string{"2026-11-01 00:00:00 UTC"}},
		{"ends", "2026-11-28T19:11:02.412045+01:00", []string{"2026-11-28 18:11:02 UTC"}},
		{"sensors", `["demo", "x\u202ey"]`, []string{`demo, x\u202ey`}},
		{"listened", "0.08721393387135008010", []string{"8.7213 %"}},
		{"listened", "0.99999999999", []string{"99.9999 %"}},
		{"listened", "1.00000000", []string{"100 %"}},
		{"frames_lost", "0.00000000000000000000", []string{"0 %"}},
		{"frames_lost", "0.00000000000000000001", []string{"0.0001 %"}},
		{"frames_lost", "0.29", []string{"29 %"}},
		{"gaps", "{}", []string{"none: this time was observed without a gap"}},
		{"gaps", `{["2026-11-01 00:00:00+00","2026-11-21 06:06:00.112061+00"),["2026-11-23 16:12:01+00",` +
			`"2026-11-28 18:00:00+00")}`, []string{"from 2026-11-01 00:00:00 UTC to before 2026-11-21 06:06:00 UTC",
			"from 2026-11-23 16:12:01 UTC to before 2026-11-28 18:00:00 UTC"}},
		{"scopes", `["all"]`, []string{"all"}},
		{"rows", "764", []string{"764"}},
		{"frames", "1234567", []string{"1,234,567"}},
		{"frames", "1e6", []string{"1e6"}},
		// of an unknown form, as it is
		{"gaps", `{["x","y")}`, []string{`{["x","y")}`}},
		{"listened", "NaN", []string{"NaN"}},
		{"listened", strings.Repeat("9", 101), []string{strings.Repeat("9", 101)}},
		{"sensors", "1", []string{"1"}},
		{"new <b>", "\u202e", []string{`\u202e`}},
	} {
		p := pageData{Manifest: &Manifest{Completeness: Completeness{Values: []Value{{c.name, &c.value}}}}}
		if got := p.Figures()[0].Lines; !slices.Equal(got, c.want) {
			t.Errorf("%s %.40q: %q, want %q", c.name, c.value, got, c.want)
		}
	}
	many := "{" + strings.TrimSuffix(strings.Repeat(`["2026-11-01 00:00:00+00","2026-11-01 00:01:00+00"),`, maxGaps+3),
		",") + "}"
	if lines := gaps(many); len(lines) != maxGaps+1 || !strings.HasPrefix(lines[maxGaps], "and 3 more") {
		t.Error(fmt.Sprint(len(lines)), "lines")
	}
	p := pageData{Manifest: &Manifest{Completeness: Completeness{Values: []Value{{"clock_error", nil}}}}}
	if f := p.Figures()[0]; f.Lines[0] != "not known" || f.Label != "Greatest error of the clock that is possible" {
		t.Errorf("%+v", f)
	}
}
