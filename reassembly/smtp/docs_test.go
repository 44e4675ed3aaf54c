package smtp

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDocs_ExampleRowsAreThoseOfTheirDialogues compares docs/record.md, which an auditor reads, with the fixtures that
// it names: TestDialogues holds these against the program.
func TestDocs_ExampleRowsAreThoseOfTheirDialogues(t *testing.T) {
	page, err := os.ReadFile("../../docs/record.md")
	if err != nil {
		t.Fatal(err)
	}
	rowsOf := func(dialogue string) []string {
		b, err := os.ReadFile(filepath.Join("../../testdata/dialogues", dialogue))
		if err != nil {
			t.Fatal(err)
		}
		_, rows, _ := strings.Cut(string(b), "\n----------\n")
		return strings.Split(rows, "\n")
	}
	named := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\|.*\\| `([a-z0-9-]+\\.txt)` \\| `(\\{.*\\})` \\|$").FindAllSubmatch(page, -1) {
		named[string(m[1])] = true
		if !slices.Contains(rowsOf(string(m[2])), string(m[3])) {
			t.Errorf("%s: %s has no such row", m[1], m[2])
		}
	}
	for _, name := range slices.Concat(outcomeNames[:], flagNames[:]) {
		if !named[name] {
			t.Errorf("%s has no example row", name)
		}
	}
	for line := range strings.Lines(string(page)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "{") &&
			!slices.Contains(rowsOf("simple.txt"), line) {
			t.Errorf("simple.txt has no row %.80s", line)
		}
	}
}
