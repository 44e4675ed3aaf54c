package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"tap25/capture/capturetest"
)

// expectation is a capture with the rows that it must give.
type expectation struct{ name, capture, rows string }

// TestReplay_CapturesGiveTheRowsOfTheLogs replays each capture of testdata and compares with the rows beside it, which
// come from the servers' and clients' own logs (real) or from what was written into the capture (synthetic, cases). Of
// a row, the keys given are compared; every row must be there, and no other.
func TestReplay_CapturesGiveTheRowsOfTheLogs(t *testing.T) {
	for _, dir := range []string{"real", "synthetic", "cases/*"} {
		files, err := filepath.Glob(filepath.Join("..", "..", "testdata", dir, "*.expected.jsonl"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no expected rows in testdata/%s: %v", dir, err)
		}
		for _, rows := range files {
			base := strings.TrimSuffix(rows, ".expected.jsonl")
			captures, _ := filepath.Glob(base + ".pcap*")
			if len(captures) != 1 {
				t.Errorf("%s: %d captures, want 1", filepath.Base(base), len(captures))
				continue
			}
			checkReplay(t, expectation{filepath.Base(base), captures[0], rows})
		}
	}
}

// TestReplay_CapturesFromElsewhere does the same with captures of other projects, which are not part of this one:
// TAP25_CAPTURES names their folder.
func TestReplay_CapturesFromElsewhere(t *testing.T) {
	root := os.Getenv("TAP25_CAPTURES")
	if root == "" {
		capturetest.Missing(t, "captures", "TAP25_CAPTURES names no folder with the captures of other projects")
	}
	files, _ := filepath.Glob(filepath.Join("..", "..", "testdata", "elsewhere", "*.expected.jsonl"))
	for _, rows := range files {
		name := strings.TrimSuffix(filepath.Base(rows), ".expected.jsonl")
		captures, _ := filepath.Glob(filepath.Join(root, strings.Replace(name, "--", "/", 1)+".pcap*"))
		if len(captures) != 1 {
			t.Errorf("%s: %d captures, want 1", name, len(captures))
			continue
		}
		checkReplay(t, expectation{name, captures[0], rows})
	}
}

func checkReplay(t *testing.T, e expectation) {
	t.Run(e.name, func(t *testing.T) {
		var out, diag bytes.Buffer
		checksum := "auto"
		if _, policy, ok := strings.Cut(e.name, "--"); ok && (policy == "strict" || policy == "off") {
			checksum = policy
		}
		if status := run(t.Context(), []string{"replay", "--json", "--sensor", "tap", "--checksum", checksum,
			e.capture}, nil, &out, &diag); status != statusDone {
			t.Fatalf("status %d: %s", status, diag.String())
		}
		checkSums(t, diag.String())
		got := jsonLines(t, out.Bytes())
		b, err := os.ReadFile(e.rows)
		if err != nil {
			t.Fatal(err)
		}
		want := jsonLines(t, b)
		if len(got) != len(want) {
			t.Errorf("%d rows, want %d", len(got), len(want))
		}
		for _, w := range want {
			i := nearest(got, w)
			if i < 0 {
				t.Errorf("no row for %v", w)
				continue
			}
			for k := range w {
				if !reflect.DeepEqual(got[i][k], w[k]) {
					t.Errorf("%s is %v, want %v, in the row of %v", k, got[i][k], w[k], w)
				}
			}
			got = append(got[:i], got[i+1:]...)
		}
	})
}

// nearest finds the row that agrees with w in the most keys.
func nearest(rows []map[string]any, w map[string]any) int {
	best, most := -1, -1
	for i, r := range rows {
		n := 0
		for k := range w {
			if reflect.DeepEqual(r[k], w[k]) {
				n++
			}
		}
		if n > most {
			best, most = i, n
		}
	}
	return best
}

func jsonLines(t *testing.T, b []byte) (rows []map[string]any) {
	t.Helper()
	for line := range bytes.Lines(b) {
		row := map[string]any{}
		if err := json.Unmarshal(line, &row); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
}
