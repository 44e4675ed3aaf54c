package disclose

import (
	"iter"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tap25/cmd/tap25/rowfile/rowtest"
	"tap25/store"
	"tap25/store/evidence"
)

// material is what a test discloses: rows in the order of time, most of which are in trees that sensors signed.
type material struct {
	rows  []*store.CaseRow
	trees []*store.CaseTree
}

// makeMaterial makes n rows of two sensors and two days. Each tree has other rows too. Every tenth row is in no tree.
func makeMaterial(t testing.TB, n int) *material {
	t.Helper()
	r := rand.New(rand.NewPCG(1, uint64(n)))
	m := &material{}
	start := time.Date(2026, 10, 24, 22, 0, 0, 0, time.UTC) // an hour before summer time ends in Brussels
	leaves := map[string][]evidence.Hash{}
	for i := range n {
		sensor := []string{"tap a", "=tap b"}[r.IntN(2)]
		row := rowtest.Any(r, start.Add(time.Duration(i)*24*time.Hour/time.Duration(n)).Truncate(time.Microsecond), sensor)
		m.rows = append(m.rows, row)
		if i%10 != 9 {
			tree := sensor + row.Envelope.SeenAt.Format(time.DateOnly)
			leaves[tree] = append(leaves[tree], row.Leaf(), rowtest.Any(r, start, sensor).Leaf())
		}
	}
	for _, sensor := range []string{"tap a", "=tap b"} {
		key, _, err := evidence.OpenKey(filepath.Join(t.TempDir(), "sensor.key"))
		if err != nil {
			t.Fatal(err)
		}
		l := evidence.Link{Kind: evidence.Segment, Sensor: sensor, Key: key.Fingerprint(), Number: 1}
		for day := start.Truncate(24 * time.Hour); len(l.Days) < 2; day = day.Add(24 * time.Hour) {
			of := leaves[sensor+day.Format(time.DateOnly)]
			evidence.Sort(of)
			l.Days = append(l.Days, evidence.DayRows{Table: evidence.Envelopes, Day: store.DayNumber(day),
				Rows: uint64(len(of)), Root: evidence.Root(of)})
		}
		encoded := l.Append(nil)
		for _, d := range l.Days {
			of := leaves[sensor+dateOf(d.Day)]
			m.trees = append(m.trees, &store.CaseTree{Link: encoded, Signature: key.Sign(encoded), Key: key.Public(),
				Day: d.Day, Leaves: of})
		}
	}
	return m
}

func addrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func sequence[T any](of []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, x := range of {
			if !yield(x, nil) {
				return
			}
		}
	}
}

const testVersion = "tap25 of a test"

// source returns the material as what [Write] takes, with a new key.
func (m *material) source(t testing.TB) Source {
	t.Helper()
	key, _, err := evidence.OpenKey(filepath.Join(t.TempDir(), "disclosure.key"))
	if err != nil {
		t.Fatal(err)
	}
	zone, err := time.LoadLocation("Europe/Brussels")
	if err != nil {
		t.Fatal(err)
	}
	var all answer
	for _, r := range m.rows {
		all.add(r)
	}
	since, target, basis := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC), "marta@orchard.example", "order of 12 May"
	return Source{
		Manifest: Manifest{
			Case: "2026-17", Question: Question{Since: &since, Target: &target},
			Access:       Access{Number: 7, SHA256: all.sha256()},
			Rows:         all.Rows,
			Made:         Made{At: time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC), By: "paula", Version: testVersion},
			Warrants:     []Warrant{{ID: 3, LegalBasis: basis, Targets: []string{target}, Since: since}},
			Completeness: Completeness{Sentence: "A tap listened all the time.", Values: []Value{{"gaps", nil}}},
		},
		Rows: sequence(m.rows), Trees: sequence(m.trees), Key: key, Zone: zone,
	}
}

// write discloses the material in a new directory.
func (m *material) write(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "disclosure")
	if _, err := Write(t.Context(), dir, m.source(t)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func verify(t testing.TB, dir string) *Report {
	t.Helper()
	report, err := Verify(t.Context(), dir, Trust{Version: testVersion})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// names reports whether a difference names the file, and the row if it is not 0.
func (r *Report) names(file string, row int64) bool {
	return slices.ContainsFunc(r.Differences, func(d Difference) bool {
		return d.File == file && (row == 0 || d.Row == row)
	})
}

func TestWrite_WhatIsWrittenIsVerified(t *testing.T) {
	for n, unproven := range map[int]string{0: "", 1: "", 10: "1", 3000: "300", 12_000: "1,200"} {
		m := makeMaterial(t, n)
		dir := m.write(t)
		report := verify(t, dir)
		for _, d := range report.Differences {
			t.Errorf("%d rows: %s", n, d)
		}
		if want := int64(n - n/10); report.Evidence.Proven != want || report.Manifest.Rows != int64(n) {
			t.Errorf("%d rows: %d in the manifest, %d proven, want %d", n, report.Manifest.Rows,
				report.Evidence.Proven, want)
		}
		var said strings.Builder
		report.Write(&said)
		if strings.Contains(said.String(), "of "+unproven+" rows no sensor's signature") != (unproven != "") ||
			!strings.Contains(said.String(), "nothing differs") {
			t.Errorf("%d rows: %s", n, said.String())
		}
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != 7 {
			t.Errorf("%d rows: %d files, %v", n, len(entries), err)
		}
		for _, e := range entries {
			if info, err := e.Info(); err != nil || info.Mode() != 0o600 {
				t.Errorf("%s has mode %v, %v", e.Name(), info.Mode(), err)
			}
		}
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("the directory has mode %v, %v", info.Mode(), err)
		}
	}
}
