package disclose

import (
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"

	"tap25/store/numeral"
)

// figure is a value of completeness() as the page shows it, to a reader who knows no SQL.
type figure struct {
	Label string
	Lines []string
}

// figureForms are the columns of completeness(): what they mean, and how a value is written.
var figureForms = map[string]struct {
	label string
	lines func(string) []string // nil: not such a value
}{
	"begins":             {"Judged from", moment},
	"ends":               {"Judged to before", moment},
	"sensors":            {"Observation points", listed},
	"listened":           {"Share of this time that was observed", share(0)},
	"gaps":               {"Not observed", gaps},
	"frames":             {"Network frames seen", number},
	"frames_lost":        {"Share of the frames that was lost", share(1)},
	"octets_lost":        {"Octets of connections lost", number},
	"sessions":           {"Connections seen that carry mail", number},
	"sessions_encrypted": {"Of these, encrypted", number},
	"sessions_cut":       {"Of these, incomplete by loss", number},
	"rows":               {"Entries recorded in this time, of everyone", number},
	"rows_lost":          {"Entries lost after they were recorded", number},
	"clock_synchronised": {"Clock was always synchronised", nil},
	"clock_offset":       {"Greatest known offset of the clock", nil},
	"clock_error":        {"Greatest error of the clock that is possible", nil},
	"scopes":             {"Rules of what was recorded", listed},
}

// Figures returns the values of the completeness in words. One of an unknown form is shown as it is.
func (p *pageData) Figures() (all []figure) {
	for _, v := range p.Completeness.Values {
		form := figureForms[v.Name]
		f := figure{Label: form.label}
		if f.Label == "" {
			f.Label = visible(v.Name)
		}
		switch {
		case v.Value == nil:
			f.Lines = []string{"not known"}
		case form.lines != nil:
			f.Lines = form.lines(*v.Value)
		}
		if f.Lines == nil {
			f.Lines = []string{visible(*v.Value)}
		}
		all = append(all, f)
	}
	return all
}

// moment is always in UTC: the manifest has the offsets of the zone for other times alone.
func moment(text string) []string {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil
	}
	return []string{t.UTC().Format(time.DateTime) + " UTC"}
}

func number(text string) []string {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil
	}
	return []string{numeral.Grouped(n)}
}

func listed(text string) []string {
	var names []string
	if json.Unmarshal([]byte(text), &names) != nil {
		return nil
	}
	return []string{joinTexts(names)}
}

// share writes a share in percent, with four decimals that are rounded down or up: what is incomplete never looks
// complete.
func share(up int64) func(string) []string {
	return func(text string) []string {
		r, ok := new(big.Rat).SetString(text)
		if !ok || len(text) > 100 || r.Sign() < 0 {
			return nil
		}
		n, rest := new(big.Int).QuoRem(new(big.Int).Mul(r.Num(), big.NewInt(1e6)), r.Denom(), new(big.Int))
		if rest.Sign() > 0 {
			n.Add(n, big.NewInt(up))
		}
		whole, part := new(big.Int).QuoRem(n, big.NewInt(1e4), new(big.Int))
		return []string{strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%d.%04d", whole, part), "0"), ".") + " %"}
	}
}

// maxGaps is the most gaps that the page shows.
const maxGaps = 100

var gapForm = regexp.MustCompile(`^\["([^"]*)","([^"]*)"\)$`)

// gaps reads a multirange of PostgreSQL.
func gaps(text string) (lines []string) {
	if text == "{}" {
		return []string{"none: this time was observed without a gap"}
	}
	all := strings.Split(strings.TrimSuffix(strings.TrimPrefix(text, "{"), "}"), ",[")
	for i, gap := range all {
		if i == maxGaps {
			return append(lines, fmt.Sprintf("and %d more: manifest.json has them all", len(all)-i))
		}
		if i > 0 {
			gap = "[" + gap
		}
		m := gapForm.FindStringSubmatch(gap)
		if m == nil {
			return nil
		}
		const form = "2006-01-02 15:04:05Z07"
		from, err := time.Parse(form, m[1])
		to, toErr := time.Parse(form, m[2])
		if err != nil || toErr != nil {
			return nil
		}
		lines = append(lines, fmt.Sprintf("from %s UTC to before %s UTC", from.UTC().Format(time.DateTime),
			to.UTC().Format(time.DateTime)))
	}
	return lines
}
