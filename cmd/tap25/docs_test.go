package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// block is a fenced block of a page: its language, a word after that, and its lines.
type block struct{ language, word, text string }

func blocks(t *testing.T, page string) (out []block) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", page))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?ms)^```([a-z]*) ?([a-z]*)\n(.*?)^```$").FindAllSubmatch(text, -1) {
		out = append(out, block{string(m[1]), string(m[2]), string(m[3])})
	}
	return out
}

// demoDatabase is a database with the rows of make demo.
func demoDatabase(t *testing.T) {
	t.Helper()
	server(t)
	var diag bytes.Buffer
	args := []string{"replay", "--sensor", "demo", filepath.Join("..", "..", "testdata", "demo.pcap.gz")}
	if status := run(t.Context(), args, nil, io.Discard, &diag); status != statusDone {
		t.Fatalf("status %d: %s", status, diag.String())
	}
}

// TestDocs_StatementsRun runs the SQL of the pages, as the owner or as the user whom the block names.
func TestDocs_StatementsRun(t *testing.T) {
	for _, page := range []string{"README.md", "docs/auditing.md", "docs/operating.md"} {
		t.Run(filepath.Base(page), func(t *testing.T) {
			demoDatabase(t)
			ran := 0
			for _, b := range blocks(t, page) {
				if b.language != "sql" {
					continue
				}
				file := filepath.Join(t.TempDir(), "block.sql")
				text := "\\set ON_ERROR_STOP on\n" + b.text
				if b.word != "" {
					text = "set session authorization " + b.word + ";\n" + text
				}
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				var out, diag bytes.Buffer
				if status := run(t.Context(), []string{"db", "psql", "--db", "local", "--", "-X", "-f", file}, nil,
					&out, &diag); status != statusDone {
					t.Errorf("status %d of\n%s%s", status, b.text, diag.String())
				}
				if b.word == "paula" && (!strings.Contains(out.String(), "ask_case") ||
					strings.Contains(out.String(), "(0 rows)")) {
					t.Errorf("the case gives no rows:\n%s", out.String())
				}
				ran++
			}
			if ran == 0 {
				t.Error("the page has no SQL")
			}
		})
	}
}

// TestDocs_AnswersAreThose asks what the page asks, of two taps that saw the same, and holds the answers against those
// of the page, which were counted in the servers' logs and the capture.
func TestDocs_AnswersAreThose(t *testing.T) {
	demoDatabase(t)
	var diag bytes.Buffer
	args := []string{"replay", "--sensor", "second", filepath.Join("..", "..", "testdata", "demo.pcap.gz")}
	if status := run(t.Context(), args, nil, io.Discard, &diag); status != statusDone {
		t.Fatalf("status %d: %s", status, diag.String())
	}
	page, asked := blocks(t, "docs/auditing.md"), 0
	for i, b := range page[1:] {
		if b.language != "text" {
			continue
		}
		asked++
		var out bytes.Buffer
		if status := run(t.Context(), []string{"db", "psql", "--db", "local", "--", "-X", "-P", "footer=off", "-c",
			page[i].text}, nil, &out, &diag); status != statusDone {
			t.Fatalf("status %d of\n%s%s", status, page[i].text, diag.String())
		}
		if got, want := strings.TrimRight(out.String(), "\n"), strings.TrimRight(b.text, "\n"); got != want {
			t.Errorf("%sgives\n%s\nwant\n%s", page[i].text, got, want)
		}
	}
	if asked < 11 {
		t.Errorf("%d answers", asked)
	}
}

// runs are the commands of the pages that run here as they stand; of the others, which want an interface, a service or
// a server of another's, the flags are read.
var runs = regexp.MustCompile(`^tap25 (replay [^-|]*\.pcap|replay --(json|format) [-a-z0-9_,. ]*\.pcap|hold |verify$|spool (ls|verify)|db (status|expire))`)

// TestDocs_CommandsRun runs the commands of the pages, in a directory with the files that they name.
func TestDocs_CommandsRun(t *testing.T) {
	for _, page := range []string{"README.md", "docs/replay.md", "docs/operating.md", "docs/auditing.md",
		"docs/evidence.md", "docs/export.md"} {
		t.Run(filepath.Base(page), func(t *testing.T) {
			demoDatabase(t)
			dir := t.TempDir()
			// the first octets tell what is packed
			for _, name := range []string{"mail.pcap", "day1.pcap", "day2.pcap.gz"} {
				capture, err := os.ReadFile(filepath.Join("..", "..", "testdata", "demo.pcap.gz"))
				if err == nil {
					err = os.WriteFile(filepath.Join(dir, name), capture, 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			ran, read := 0, 0
			for _, b := range blocks(t, page) {
				for line := range strings.Lines(b.text) {
					line, _, _ = strings.Cut(line, " #")
					line = strings.TrimSpace(line)
					line = strings.TrimPrefix(strings.TrimPrefix(line, "sudo "), "bin/")
					_, piped, _ := strings.Cut(line, "| ")
					if b.language != "" || !strings.HasPrefix(line, "tap25 ") && !strings.HasPrefix(piped, "tap25 ") {
						continue
					}
					command := "exec " + line
					if runs.MatchString(line) {
						ran++
					} else {
						if piped != "" {
							line = piped
						}
						command = "exec " + strings.TrimSuffix(line, " &") + " --help >/dev/null"
						read++
					}
					shell := exec.CommandContext(t.Context(), "sh", "-c", command)
					shell.Dir = dir
					if out, err := shell.CombinedOutput(); err != nil {
						t.Errorf("%s: %v\n%s", command, err, out)
					}
				}
			}
			t.Logf("%d commands were run, the flags of %d read", ran, read)
			if ran+read == 0 {
				t.Error("the page has no command")
			}
		})
	}
}

// TestDocs_LinksLeadToFiles looks for what the pages link to in the repository.
func TestDocs_LinksLeadToFiles(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join("..", "..", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob(filepath.Join("..", "..", "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	links := 0
	for _, page := range append(pages, more...) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\]\(([^)#:\s]+)\)`).FindAllSubmatch(text, -1) {
			links++
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), string(m[1]))); err != nil {
				t.Errorf("%s: %v", filepath.Base(page), err)
			}
		}
	}
	if links == 0 {
		t.Error("no page links to another")
	}
}
