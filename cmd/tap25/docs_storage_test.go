package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The page that 'make storage' writes has the headings and commands of its generator, whatever the number of rows, and
// tables that the scripts make.
func TestDocs_MeasuredPageIsWhatItsGeneratorWrites(t *testing.T) {
	generator := exec.Command("bash", filepath.Join("..", "..", "bench", "page.sh"))
	generator.Env = append(os.Environ(), "FORM=1")
	form, err := generator.Output()
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "storage-measured.md"))
	if err != nil {
		t.Fatal(err)
	}
	number := regexp.MustCompile(`\d+`)
	frame := func(text []byte) (lines []string) {
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "#") || strings.HasPrefix(line, "`") {
				lines = append(lines, number.ReplaceAllString(line, "N"))
			}
		}
		return lines
	}
	if diff := cmp.Diff(frame(form), frame(page)); diff != "" {
		t.Errorf("run 'make storage':\n%s", diff)
	}
	var scripts strings.Builder
	names, err := filepath.Glob(filepath.Join("..", "..", "bench", "*.sh"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		scripts.Write(text)
	}
	before, tables := "", 0
	for line := range strings.Lines(string(page)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "| --- |") {
			if tables++; !strings.Contains(scripts.String(), before) {
				t.Errorf("no script makes the table %s", before)
			}
		}
		before = line
	}
	if want := 6; tables < want {
		t.Errorf("%d tables, want %d", tables, want)
	}
}
