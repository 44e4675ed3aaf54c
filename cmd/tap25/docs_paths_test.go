package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// pages are the pages of the documentation, from the root of the repository.
func pages(t *testing.T) (out []string) {
	t.Helper()
	for _, pattern := range []string{"*.md", "docs/*.md", "testdata/*.md", "testdata/*/*.md"} {
		found, err := filepath.Glob(filepath.Join("..", "..", pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("no page is at %s: %v", pattern, err)
		}
		out = append(out, found...)
	}
	return out
}

// eachMatch calls f with each match of re in the pages.
func eachMatch(t *testing.T, re *regexp.Regexp, f func(page string, m [][]byte)) {
	t.Helper()
	for _, page := range pages(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range re.FindAllSubmatch(text, -1) {
			f(page, m)
		}
	}
}

// code is what stands between backticks and looks like a file of the repository: with a directory, or with a suffix.
var code = regexp.MustCompile("`([\\w.*-]+(?:/[\\w.*-]+)*/?)`")

// TestDocs_NamedFilesExist looks for the files that the pages name in backticks: from the root or the page, or anywhere
// by the end of their path.
func TestDocs_NamedFilesExist(t *testing.T) {
	root := filepath.Join("..", "..")
	top, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	err = filepath.WalkDir(root, func(at string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && (d.Name() == ".git" || at == filepath.Join(root, "bin")) {
			return filepath.SkipDir
		}
		all = append(all, at)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	looked := 0
	suffix := regexp.MustCompile(`\w\.(go|c|h|md|sh|sql|py|txt|golden)$`)
	eachMatch(t, code, func(page string, m [][]byte) {
		name := string(m[1])
		first, _, deep := strings.Cut(name, "/")
		ours := slices.ContainsFunc(top, func(d fs.DirEntry) bool { return d.Name() == first && first != "bin" })
		if strings.Contains(name, "NAME") || !suffix.MatchString(name) && !(deep && ours) {
			return
		}
		looked++
		inRoot, _ := filepath.Glob(filepath.Join(root, name))
		beside, _ := filepath.Glob(filepath.Join(filepath.Dir(page), name))
		anywhere := slices.ContainsFunc(all, func(at string) bool {
			return strings.HasSuffix(at, "/"+strings.TrimSuffix(name, "/"))
		})
		if len(inRoot)+len(beside) == 0 && !anywhere {
			t.Errorf("%s names %s, which does not exist", filepath.Base(page), name)
		}
	})
	if looked < 100 {
		t.Errorf("only %d names of files were looked for", looked)
	}
}

// TestDocs_NamedSectionsExist looks for the sections that the pages name after a link, as [page](page.md), "Section".
func TestDocs_NamedSectionsExist(t *testing.T) {
	sections := 0
	eachMatch(t, regexp.MustCompile(`\]\(([^)#:\s]+\.md)\),\s"([^"]+)"`), func(page string, m [][]byte) {
		sections++
		other, err := os.ReadFile(filepath.Join(filepath.Dir(page), string(m[1])))
		if err != nil || !strings.Contains(string(other), "\n## "+string(m[2])+"\n") {
			t.Errorf("%s names the section %q of %s, which does not exist", filepath.Base(page), m[2], m[1])
		}
	})
	if sections == 0 {
		t.Error("no page names a section")
	}
}

// TestDocs_NamedTestsExist looks for the tests that the pages name in backticks; an ellipsis stands for any ending.
func TestDocs_NamedTestsExist(t *testing.T) {
	var all []string
	err := filepath.WalkDir(filepath.Join("..", ".."), func(at string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(at, "_test.go") {
			return err
		}
		text, err := os.ReadFile(at)
		for _, m := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)\(`).FindAllSubmatch(text, -1) {
			all = append(all, string(m[1]))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	looked := 0
	eachMatch(t, regexp.MustCompile("`((?:Test|Fuzz|Benchmark)\\w+)(…)?`"), func(page string, m [][]byte) {
		looked++
		name, open := string(m[1]), len(m[2]) > 0
		if !slices.ContainsFunc(all, func(f string) bool {
			return f == name || open && strings.HasPrefix(f, name)
		}) {
			t.Errorf("%s names the test %s, which does not exist", filepath.Base(page), name)
		}
	})
	if looked < 50 {
		t.Errorf("only %d names of tests were looked for", looked)
	}
}

// rule is a rule of .depguard.json.
type rule struct {
	Files, Allow []string
	ListMode     string
}

// goPackage is what go list reports of a package.
type goPackage struct {
	ImportPath string
	Imports    []string
}

// strictRules gives the allow list of each directory that has a strict rule.
func strictRules(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", ".depguard.json"))
	if err != nil {
		t.Fatal(err)
	}
	var rules map[string]rule
	if err := json.Unmarshal(text, &rules); err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for _, r := range rules {
		for _, file := range r.Files {
			if dir, is := strings.CutSuffix(strings.TrimPrefix(file, "**/"), "/*.go"); is && r.ListMode == "strict" {
				out[dir] = slices.DeleteFunc(slices.Clone(r.Allow), func(a string) bool { return a == "$gostd" })
			}
		}
	}
	return out
}

// TestDesign_TableOfImportsIsTheRules compares three things for each package: what it imports, what .depguard.json
// lets it import, and what the table in DESIGN.md says.
func TestDesign_TableOfImportsIsTheRules(t *testing.T) {
	// With the profile of cmd/tap25, go list would name the packages that it imports as variants of themselves.
	list := exec.CommandContext(t.Context(), "go", "list", "-pgo=off", "-json=ImportPath,Imports", "./...")
	list.Dir = filepath.Join("..", "..")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	design, err := os.ReadFile(filepath.Join("..", "..", "DESIGN.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z0-9/]+)` \\| [^|]+ \\|([^|]*)\\|([^|]*)\\|$").FindAllStringSubmatch(string(design), -1) {
		for _, imported := range strings.FieldsFunc(m[2]+","+m[3], func(r rune) bool { return r == ',' }) {
			if imported = strings.Trim(imported, " `"); imported != "" {
				rows[m[1]] = append(rows[m[1]], imported)
			}
		}
		rows[m[1]] = append(rows[m[1]], "")
	}
	rules := strictRules(t)
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p goPackage
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		dir := strings.TrimPrefix(p.ImportPath, "tap25/")
		allow, is := rules[dir]
		row, listed := rows[dir]
		if !is || !listed {
			t.Errorf("%s: it has a strict rule: %v, a row in DESIGN.md: %v", dir, is, listed)
			continue
		}
		compareImports(t, dir, p.Imports, allow, slices.DeleteFunc(row, func(s string) bool { return s == "" }))
	}
}

// compareImports compares what a package imports with its rule, and the rule with its row of the table. A row has the
// path of a package of ours, and a part of the path of another's.
func compareImports(t *testing.T, dir string, imports, allow, row []string) {
	t.Helper()
	for _, a := range allow {
		whole, exact := strings.CutSuffix(a, "$")
		if !slices.ContainsFunc(imports, func(i string) bool {
			return i == whole || !exact && strings.HasPrefix(i, a)
		}) {
			t.Errorf("%s may import %s and does not", dir, a)
		}
		ours, is := strings.CutPrefix(whole, "tap25/")
		named := slices.ContainsFunc(row, func(r string) bool {
			return is && (r == ours || !exact && r == ours+"/*") || !is && strings.Contains(whole, r)
		})
		if !named {
			t.Errorf("%s may import %s, which its row in DESIGN.md does not name: %q", dir, a, row)
		}
	}
	if len(allow) != len(row) {
		t.Errorf("%s may import %q, its row in DESIGN.md names %q", dir, allow, row)
	}
}
