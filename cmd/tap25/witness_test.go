package main

import (
	"crypto/x509"
	"fmt"
	"strings"
	"testing"

	"tap25/store"
	"tap25/store/evidence"
	"tap25/store/stamp"
	"tap25/store/stamp/stamptest"
)

// TestWitness_TimeStampsAreChecked reads witnesses as sniff writes them, and damaged ones.
func TestWitness_TimeStampsAreChecked(t *testing.T) {
	a, other := stamptest.New(t, x509.ExtKeyUsageTimeStamping), stamptest.New(t, x509.ExtKeyUsageTimeStamping)
	lineOf := func(number uint64) string {
		return evidence.Checkpoint{Database: "d", Sensor: "tap", Place: evidence.Place{Number: number}}.String()
	}
	stampOf := func(line string) string {
		response, err := stamp.Ask(t.Context(), a.URL, []byte(line))
		if err != nil {
			t.Fatal(err)
		}
		return evidence.TimestampLine(response)
	}
	one := stampOf(lineOf(1))
	for name, c := range map[string]struct {
		lines   []string
		from    *x509.CertPool
		stamped int
		fault   string
	}{
		"as it is":            {[]string{lineOf(1), one, lineOf(2)}, a.Pool(), 1, ""},
		"nobody named":        {[]string{lineOf(1), one}, nil, 1, ""},
		"lines in between":    {[]string{lineOf(1), lineOf(2), one}, a.Pool(), 1, ""},
		"another authority's": {[]string{lineOf(1), one}, other.Pool(), 0, "line 2"},
		"of another line":     {[]string{lineOf(2), one}, a.Pool(), 0, "is of a line that is not before it"},
		"cut short":           {[]string{lineOf(1), one[:len(one)/2], lineOf(2)}, a.Pool(), 0, "is not a time stamp"},
		"no text":             {[]string{lineOf(1), "tap25-timestamp/1 %%"}, a.Pool(), 0, "is not a time stamp"},
	} {
		var cfg store.VerifyConfig
		w := witnessReader{cfg: &cfg, authorities: c.from}
		if err := w.read("-", strings.NewReader(strings.Join(c.lines, "\n")+"\n")); err != nil {
			t.Fatal(err)
		}
		stamped := 0
		for _, x := range cfg.Witnesses {
			if !x.Stamped.IsZero() {
				stamped++
			}
		}
		if got := fmt.Sprint(w.faults); stamped != c.stamped || (len(w.faults) > 0) != (c.fault != "") ||
			!strings.Contains(got, c.fault) {
			t.Errorf("%s: %d are stamped, %s", name, stamped, got)
		}
	}
}
