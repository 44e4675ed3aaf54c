package report

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// trend is the past of the rates that status shows on a terminal, by the names of the counters; nil: there is none.
type trend map[string][]float64

const (
	mostTrend = 24 // rates of each counter
	barLength = 10 // characters
)

// columns adds a rate, and returns the columns of a counter: how much it is of a whole, as a bar, and its last rates,
// the highest of them as a full block. It returns "" if there is no past.
func (t trend) columns(name string, rate float64, n, whole int64) string {
	if t == nil {
		return ""
	}
	bar := ""
	if whole > 0 {
		full := int(float64(barLength)*float64(n)/float64(whole) + 0.5)
		if n > 0 {
			full = max(full, 1) // a loss shows, however small
		}
		full = min(full, barLength)
		bar = strings.Repeat("█", full) + strings.Repeat("·", barLength-full)
	}
	t[name] = append(t[name], max(rate, 0))
	if len(t[name]) > mostTrend {
		t[name] = t[name][1:]
	}
	highest := slices.Max(t[name])
	var line strings.Builder
	for _, r := range t[name] {
		block := ' '
		if r > 0 {
			block = []rune("▁▂▃▄▅▆▇█")[min(int(r/highest*8), 7)]
		}
		line.WriteRune(block)
	}
	return bar + "\t" + line.String() + "\t"
}

// idle is a line of a counter that is 0.
var idle = regexp.MustCompile(` 0 +0/s( |$)`)

// fit makes lines fit a terminal: one that wrapped, or rows that scrolled, would move what is drawn over them next. If
// the rows are too many, those of counters that are 0 are left out, and then the last. The cursor needs a row too.
func fit(text string, columns, rows int) string {
	lines := strings.SplitAfter(text, "\n")
	lines = lines[:len(lines)-1]
	if rows > 2 && len(lines) >= rows {
		lines = slices.DeleteFunc(lines, func(l string) bool { return idle.MatchString(strings.TrimSuffix(l, "\n")) })
		if n := len(lines) - (rows - 2); n > 1 {
			lines = append(lines[:rows-2], fmt.Sprintf("(%d more lines need a higher window)\n", n))
		}
	}
	for i, l := range lines {
		if runes := []rune(l); columns > 0 && len(runes) > columns+1 {
			lines[i] = string(runes[:columns-1]) + "…\n" // a number that is cut must not look like one that is not
		}
	}
	return strings.Join(lines, "")
}
