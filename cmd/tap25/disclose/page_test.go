package disclose

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"tap25/cmd/tap25/rowfile/rowtest"
	"tap25/reassembly/smtp"
	"tap25/store"
	"tap25/store/evidence"
)

// pageOf returns the page and the manifest of a disclosure of these rows.
func pageOf(t *testing.T, rows []*store.CaseRow) (string, *Manifest) {
	t.Helper()
	m := material{rows: rows}
	dir := m.write(t)
	report := verify(t, dir)
	if !report.OK() {
		t.Fatal(report.Differences)
	}
	return string(read(t, dir, pageFile)), report.Manifest
}

func plainRow() *store.CaseRow {
	from, to := "karim@harbor.example", "marta@orchard.example"
	return &store.CaseRow{Sensors: []string{"tap"}, Copies: 1, Envelope: smtp.Envelope{
		SeenAt: time.Date(2026, 7, 1, 22, 30, 5, 0, time.UTC), Sensor: "tap", MailFrom: &from, RcptTo: &to,
		Client: addrPort("192.0.2.1:40000"), Server: addrPort("198.51.100.25:25"),
		MailCode: 250, RcptCode: 250, DataCode: 250, Outcome: smtp.Accepted,
	}}
}

func TestPage_TellsAJudge(t *testing.T) {
	page, _ := pageOf(t, []*store.CaseRow{plainRow()})
	for _, want := range []string{
		"1 entry was found", "karim@harbor.example", "marta@orchard.example", "192.0.2.1", "198.51.100.25",
		"2026-07-01 22:30:05<br>2026-07-02 00:30:05 CEST", "order of 12 May", "A tap listened all the time.",
		"accepted (1)", "accepted the mail for this recipient", "tap25 verify",
		"2026-10-01 00:00:00 UTC (2026-10-01 02:00:00 CEST)",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not have %q", want)
		}
	}
	for _, not := range []string{"refused", "smuggl", "encrypted", "first 1000"} {
		if strings.Contains(page, not) {
			t.Errorf("the page has %q", not)
		}
	}
}

func TestPage_NoRows(t *testing.T) {
	page, _ := pageOf(t, nil)
	if !strings.Contains(page, "No mail was found") || strings.Contains(page, "<tbody>") {
		t.Error("the page does not say that there is no mail")
	}
}

func TestPage_ManyRows(t *testing.T) {
	var a answer
	r := plainRow()
	for range 100_000 {
		r.Envelope.SeenAt = r.Envelope.SeenAt.Add(time.Minute)
		a.add(r)
	}
	m := (&material{}).source(t).Manifest
	m.PublicKey = string(evidence.PublicPEM((&material{}).source(t).Key.Public()))
	var page strings.Builder
	if err := writePage(&page, &m, &a); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(page.String(), "<tr><td>"); n != maxShown || page.Len() > 1<<20 {
		t.Errorf("%d rows in %d bytes", n, page.Len())
	}
	if !strings.Contains(page.String(), "first 1,000 entries only") ||
		!strings.Contains(page.String(), "accepted (100,000)") {
		t.Error("the page does not say what is missing")
	}
}

// TestPage_StandsAlone looks for anything that a browser would fetch or run, in a page of hostile texts.
func TestPage_StandsAlone(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var rows []*store.CaseRow
	for range 500 {
		rows = append(rows, rowtest.Any(r, time.Unix(0, 0), "<img src=x onerror=alert(1)>"))
	}
	page, _ := pageOf(t, rows)
	page = regexp.MustCompile(`(?s)<style>.*?</style>`).ReplaceAllString(page, "")
	for _, tag := range regexp.MustCompile(`<[^>]*>`).FindAllString(page, -1) {
		name := strings.Trim(strings.Fields(strings.Trim(tag, "<>/"))[0], "/")
		known := " !DOCTYPE html head meta title body h1 h2 p table colgroup col thead tbody tr th td br code strong "
		if !strings.Contains(known, " "+name+" ") || strings.Contains(tag, "on") && strings.Contains(tag, "=alert") {
			t.Errorf("the page has the tag %s", tag)
		}
		for _, attribute := range []string{" src=", " href=", "url("} {
			if strings.Contains(tag, attribute) {
				t.Errorf("the page has %s", tag)
			}
		}
	}
	for _, hidden := range "\u202e\u0001\u2028\ufeff" {
		if strings.ContainsRune(page, hidden) {
			t.Errorf("the page has %U", hidden)
		}
	}
}

func TestPage_EveryWordHasItsMeaning(t *testing.T) {
	for _, name := range smtp.Outcomes() {
		if outcomeMeanings[name] == "" {
			t.Errorf("the outcome %s has none", name)
		}
	}
	for _, name := range smtp.FlagNames() {
		if flagMeanings[name] == "" {
			t.Errorf("the flag %s has none", name)
		}
	}
	var a answer
	if len(a.Outcomes) != len(smtp.Outcomes()) || len(a.Flags) != len(smtp.FlagNames()) {
		t.Error("the page does not count all")
	}
}

// TestWrite_AllOrNothing fails a disclosure half way.
func TestWrite_AllOrNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "disclosure")
	m := makeMaterial(t, 10)
	s := m.source(t)
	s.Rows = func(yield func(*store.CaseRow, error) bool) {
		_ = yield(m.rows[0], nil) && yield(nil, fmt.Errorf("the database went away"))
	}
	if _, err := Write(t.Context(), dir, s); err == nil {
		t.Error("no error")
	}
	s = m.source(t)
	s.Manifest.Access.SHA256 = evidence.HashOf(nil).String()
	if _, err := Write(t.Context(), dir, s); err == nil {
		t.Error("other rows than the database recorded are disclosed")
	}
	if left, _ := filepath.Glob(filepath.Dir(dir) + "/*"); len(left) > 0 {
		t.Errorf("%d files are left", len(left))
	}
	if _, err := Write(t.Context(), dir, m.source(t)); err != nil {
		t.Error(err)
	}
	whole := read(t, dir, manifestFile)
	if _, err := Write(t.Context(), dir, m.source(t)); err == nil || !bytes.Equal(whole, read(t, dir, manifestFile)) {
		t.Errorf("a directory that is not empty is written to: %v", err)
	}
}
