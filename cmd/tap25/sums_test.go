package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// counted is a line of the summary: a total and what it is made of.
type counted struct {
	total int64
	parts map[string]int64
}

var summaryLine = regexp.MustCompile(`(?m)^(packets|payload|fragments|sessions|lost|rows|coverage|period|outside|repeated|unspooled|found|spooled|database|anomalies) +(?:([\d,]+)(?: [a-z ]+)?)?(?: ?\(?([a-z][^()\n]* [\d,]+)\)?)?$`)

// summaryOf reads the summary of a replay.
func summaryOf(diag string) map[string]counted {
	lines := map[string]counted{}
	for _, m := range summaryLine.FindAllStringSubmatch(diag, -1) {
		c := counted{parts: map[string]int64{}}
		c.total = ungrouped(m[2])
		for part := range strings.SplitSeq(m[3], ", ") {
			if at := strings.LastIndexByte(part, ' '); at > 0 {
				c.parts[part[:at]] = ungrouped(part[at+1:])
			}
		}
		lines[m[1]] = c
	}
	return lines
}

// ungrouped reads a number as the summary writes it; 0 of any other text, such as one with commas elsewhere.
func ungrouped(text string) int64 {
	if !regexp.MustCompile(`^\d{1,3}(,\d{3})*$`).MatchString(text) {
		return 0
	}
	n, _ := strconv.ParseInt(strings.ReplaceAll(text, ",", ""), 10, 64)
	return n
}

// wrongSums holds the counters of a replay's summary against each other: every frame has one verdict, every payload
// octet was delivered, a duplicate or ignored, every fragment came to one end, every row has an outcome, and was lost
// or spooled, as coverage is; each that was spooled is loaded, waits, was set aside, or is left for the next replay; each that was
// loaded was added or there.
func wrongSums(lines map[string]counted) (wrong []string) {
	for _, name := range []string{"packets", "payload", "fragments", "rows"} {
		c, ok := lines[name]
		if !ok && name != "fragments" {
			wrong = append(wrong, "no line of "+name)
		}
		if sum := c.sum(); sum != c.total {
			wrong = append(wrong, fmt.Sprintf("%s: %d, but its parts add up to %d: %v", name, c.total, sum, c.parts))
		}
	}
	if c := lines["outside"]; c.sum() != c.total {
		wrong = append(wrong, fmt.Sprintf("outside: %d, but its parts add up to %d: %v", c.total, c.sum(), c.parts))
	}
	spooled, ok := lines["spooled"]
	if !ok {
		return wrong
	}
	lost := lines["unspooled"].total + lines["repeated"].total + lines["outside"].total + lines["period"].total
	covered := lines["coverage"]
	if spooled.total+lost != lines["rows"].total+covered.total {
		wrong = append(wrong, fmt.Sprintf("%d rows and %d of coverage, but %d spooled and %d lost, repeated, out "+
			"of scope or of the period", lines["rows"].total, covered.total, spooled.total, lost))
	}
	if found := lines["found"].total; spooled.total+found != spooled.sum() {
		wrong = append(wrong, fmt.Sprintf("%d rows spooled, %d found, but %v", spooled.total, found, spooled.parts))
	}
	if db := lines["database"]; db.total+db.sum()+covered.sum() != spooled.parts["loaded"] {
		wrong = append(wrong, fmt.Sprintf("%d loaded, but %d rows added, %v, coverage %v",
			spooled.parts["loaded"], db.total, db.parts, covered.parts))
	}
	return wrong
}

func (c counted) sum() (n int64) {
	for _, part := range c.parts {
		n += part
	}
	return n
}

// checkSums fails where the counters of a replay do not add up.
func checkSums(t testing.TB, diag string) map[string]counted {
	t.Helper()
	lines := summaryOf(diag)
	for _, w := range wrongSums(lines) {
		t.Errorf("%s\n%s", w, diag)
	}
	return lines
}

func TestSums_NoticeWhatIsMissing(t *testing.T) {
	const sound = "packets   5,432 (tcp port 5,430, not ip 2)\npayload   9 bytes (in order 4, ignored 5)\nlost      0 " +
		"bytes\nsessions  1\n" +
		"rows      16 (accepted 16)\nperiod    4 rows outside the period\noutside   3 rows out of scope (no rule 2, left out 1)\nunspooled 1 rows " +
		"lost\nfound     2 rows of an earlier run\ncoverage  2 records (loaded 1)\n" +
		"spooled   10 (loaded 4, waiting 6, set aside 2)\ndatabase  1 rows " +
		"added (already there 2)\n"
	if wrong := wrongSums(summaryOf(sound)); wrong != nil {
		t.Errorf("sound, but %q", wrong)
	}
	for _, damage := range []string{"5,432", "port 5,430", "order 4", "accepted 16", "there 2", "database  1", "rows      16", "period    4",
		"outside   3", "no rule 2", "unspooled 1", "found     2", "coverage  2", "loaded 1", "spooled   10", "aside 2"} {
		damaged := strings.Replace(sound, damage, damage[:len(damage)-1]+"9", 1)
		if wrong := wrongSums(summaryOf(damaged)); len(wrong) == 0 {
			t.Errorf("%s taken for sound", damage)
		}
	}
}
