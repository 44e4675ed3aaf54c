package disclose

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// uncell reads a text of a cell as docs/disclosure.md says.
func uncell(t *testing.T, s string) string {
	t.Helper()
	if s == "<>" {
		return ""
	}
	quoted := `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` // what is left are the escapes of JSON
	var text string
	if err := json.Unmarshal([]byte(quoted), &text); err != nil {
		t.Fatalf("a cell has an escape that is none: %v", err)
	}
	return text
}

// asCell returns a value of rows.jsonl as the cell of rows.csv says it.
func asCell(t *testing.T, name string, value any, c string) any {
	t.Helper()
	switch v := value.(type) {
	case nil:
		return map[bool]any{true: nil, false: c}[c == ""]
	case bool, json.Number:
		if c != fmt.Sprint(v) {
			return c
		}
		return v
	case []any:
		list := []any{}
		for part := range strings.SplitSeq(c, " ") {
			list = append(list, uncell(t, part))
		}
		return list
	}
	return uncell(t, c)
}

func TestCSV_SaysWhatTheJSONSays(t *testing.T) {
	dir := makeMaterial(t, 2000).write(t)
	text, err := os.ReadFile(filepath.Join(dir, rowsCSV))
	if err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(strings.NewReader(string(text))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	rows, err := os.ReadFile(filepath.Join(dir, rowsJSON))
	if err != nil {
		t.Fatal(err)
	}
	number := 0
	for line := range strings.Lines(string(rows)) {
		number++
		var row map[string]any
		d := json.NewDecoder(strings.NewReader(line))
		d.UseNumber()
		if err := d.Decode(&row); err != nil {
			t.Fatal(err)
		}
		if len(row) != len(lines[0]) {
			t.Fatalf("%d columns, and %d names in JSON", len(lines[0]), len(row))
		}
		for i, name := range lines[0] {
			got := asCell(t, name, row[name], lines[number][i])
			if diff := cmp.Diff(row[name], got); diff != "" {
				t.Fatalf("row %d, column %s: (-JSON +CSV)\n%s", number, name, diff)
			}
		}
	}
	if number != 2000 || len(lines) != 2001 {
		t.Errorf("%d rows, %d lines", number, len(lines))
	}
}

// formula matches what a spreadsheet may take for one, wherever it may begin a cell: also if it is told to split cells
// at another character than the comma, or takes quotes for text.
var formula = regexp.MustCompile(`(^|[,;:|"'\s\x{a0}])[=+\-@＝＋－＠]`)

func TestCSV_NoCellCanBeAFormula(t *testing.T) {
	dir := makeMaterial(t, 1000).write(t)
	text, err := os.ReadFile(filepath.Join(dir, rowsCSV))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		line = regexp.MustCompile(`,-\d+,`).ReplaceAllString(line, ",,") // session_id is a number
		if m := formula.FindString(strings.TrimSuffix(line, "\r\n")); m != "" {
			t.Fatalf("a line has %q", m)
		}
	}
}
