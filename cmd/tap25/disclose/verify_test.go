package disclose

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"tap25/cmd/tap25/rowfile"
	"tap25/store"
	"tap25/store/evidence"
)

func read(t testing.TB, dir, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func put(t testing.TB, dir, name string, text []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestVerify_EveryChangedOctetIsNamed(t *testing.T) {
	m := makeMaterial(t, 12)
	m.rows = m.rows[:4]
	dir := m.write(t)
	for name, step := range map[string]int{rowsJSON: 11, rowsCSV: 5, rowsParquet: 97, proofsFile: 13, pageFile: 31, manifestFile: 13,
		signatureFile: 1} {
		whole := read(t, dir, name)
		for at := 0; at < len(whole); at += step {
			changed := bytes.Clone(whole)
			changed[at] ^= 1 << (at % 8)
			put(t, dir, name, changed)
			report := verify(t, dir)
			if want := name; name == manifestFile && !report.names(name, 0) {
				want = signatureFile // which does not fit any more
				if !report.names(want, 0) {
					t.Errorf("%s, octet %d: %v", name, at, report.Differences)
				}
			} else if !report.names(want, 0) {
				t.Errorf("%s, octet %d: %v", name, at, report.Differences)
			}
			row := int64(bytes.Count(whole[:at], []byte("\n")))
			if name == rowsJSON && !report.names(rowsJSON, row+1) && !report.names(proofsFile, row+1) &&
				!report.names(rowsCSV, row+1) {
				t.Errorf("%s, octet %d: row %d is not named: %v", name, at, row+1, report.Differences)
			}
			if name == rowsCSV && row > 0 && !report.names(rowsCSV, row) {
				t.Errorf("%s, octet %d: row %d is not named: %v", name, at, row, report.Differences)
			}
		}
		for _, changed := range [][]byte{nil, whole[:len(whole)-1], append(bytes.Clone(whole), '\n'),
			append(bytes.Clone(whole), whole...)} {
			put(t, dir, name, changed)
			if report := verify(t, dir); !report.names(name, 0) {
				t.Errorf("%s with %d octets: %v", name, len(changed), report.Differences)
			}
		}
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if report := verify(t, dir); !report.names(name, 0) {
			t.Errorf("without %s: %v", name, report.Differences)
		}
		put(t, dir, name, whole)
	}
	if report := verify(t, dir); !report.OK() {
		t.Error(report.Differences)
	}
}

// liar is who makes a directory of true rows say something else, with all hashes and a signature that fit.
func liar(t *testing.T, change func(s *Source), after func(dir string)) *Report {
	t.Helper()
	s := makeMaterial(t, 20).source(t)
	change(&s)
	dir := filepath.Join(t.TempDir(), "disclosure")
	m, err := Write(t.Context(), dir, s)
	if err != nil {
		t.Fatal(err)
	}
	after(dir)
	for i, f := range m.Files {
		text := read(t, dir, f.Name)
		hash := evidence.HashOf(text)
		m.Files[i].Bytes, m.Files[i].SHA256 = int64(len(text)), hash.String()
	}
	text, err := m.append(nil)
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir, manifestFile, text)
	put(t, dir, signatureFile, s.Key.Sign(text))
	return verify(t, dir)
}

func TestVerify_WhoDisclosesCannotLie(t *testing.T) {
	edit := func(t *testing.T, name string, do func([]string) []string) func(string) {
		return func(dir string) {
			lines := slices.Collect(strings.Lines(string(read(t, dir, name))))
			put(t, dir, name, []byte(strings.Join(do(lines), "")))
		}
	}
	// rows changes rows before all is written: CSV, page and manifest say the same.
	rows := func(do func([]*store.CaseRow) []*store.CaseRow) func(s *Source) {
		return func(s *Source) {
			var list []*store.CaseRow
			for r := range s.Rows {
				list = append(list, r)
			}
			list = do(list)
			var all answer
			for _, r := range list {
				all.add(r)
			}
			s.Rows, s.Manifest.Rows, s.Manifest.Access.SHA256 = sequence(list), all.Rows, all.sha256()
		}
	}
	isProof := func(number string) func(string) bool {
		return func(line string) bool { return strings.HasPrefix(line, `{"row":{"number":`+number+`,`) }
	}
	nothing := func(*Source) {}
	for name, c := range map[string]struct {
		change func(*Source)
		after  func(string)
		file   string
		row    int64
	}{
		"the page says more": {nothing, edit(t, pageFile, func(l []string) []string {
			return append(l, "<p>guilty</p>\n")
		}), pageFile, 0},
		"the page says less": {nothing, edit(t, pageFile, func(l []string) []string {
			return slices.Delete(l, 40, 41)
		}), pageFile, 0},
		"a row is missing in CSV": {nothing, edit(t, rowsCSV, func(l []string) []string {
			return slices.Delete(l, 3, 4)
		}), rowsCSV, 3},
		"CSV has other columns": {nothing, edit(t, rowsCSV, func(l []string) []string {
			l[0] = strings.Replace(l[0], "mail_from,rcpt_to", "rcpt_to,mail_from", 1)
			return l
		}), rowsCSV, 0},
		"a key of JSON comes twice": {nothing, edit(t, rowsJSON, func(l []string) []string {
			l[4] = strings.Replace(l[4], `{"`, `{"mail_from":"a@a.example","`, 1)
			return l
		}), rowsJSON, 5},
		"JSON has a space": {nothing, edit(t, rowsJSON, func(l []string) []string {
			l[4] = strings.Replace(l[4], `,"`, `, "`, 1)
			return l
		}), rowsJSON, 5},
		"a proof is missing": {nothing, edit(t, proofsFile, func(l []string) []string {
			return slices.DeleteFunc(l, isProof("6"))
		}), proofsFile, 6},
		"a proof comes twice": {nothing, edit(t, proofsFile, func(l []string) []string {
			i := slices.IndexFunc(l, isProof("6"))
			return slices.Insert(l, i, l[i])
		}), proofsFile, 0},
		"the links are missing": {nothing, edit(t, proofsFile, func(l []string) []string {
			return slices.DeleteFunc(l, func(s string) bool { return strings.HasPrefix(s, `{"link"`) })
		}), proofsFile, 1},
		"a proof is said not to exist": {nothing, edit(t, proofsFile, func(l []string) []string {
			i := slices.IndexFunc(l, isProof("6"))
			l[i] = string(appendProof(nil, &proofLine{Row: &rowProof{Number: 6, Unproven: notSigned}}))
			return l
		}), manifestFile, 0},
		"a reason is invented": {nothing, edit(t, proofsFile, func(l []string) []string {
			i := slices.IndexFunc(l, isProof("10"))
			l[i] = string(appendProof(nil, &proofLine{Row: &rowProof{Number: 10, Unproven: "it is true all the same"}}))
			return l
		}), proofsFile, 10},
		"a row was changed": {rows(func(l []*store.CaseRow) []*store.CaseRow {
			other := *l[2]
			other.Envelope.MailNo++
			return slices.Replace(l, 2, 3, &other)
		}), edit(t, proofsFile, func(l []string) []string { // with the proof of another row
			i, j := slices.IndexFunc(l, isProof("3")), slices.IndexFunc(l, isProof("4"))
			l[i] = strings.Replace(l[j], `"number":4,`, `"number":3,`, 1)
			return l
		}), proofsFile, 3},
	} {
		t.Run(name, func(t *testing.T) {
			if report := liar(t, c.change, c.after); !report.names(c.file, c.row) {
				t.Errorf("%v", report.Differences)
			}
		})
	}
}

func TestVerify_ANamedKeyIsTheOnlyOne(t *testing.T) {
	m := makeMaterial(t, 20)
	s := m.source(t)
	dir := filepath.Join(t.TempDir(), "disclosure")
	if _, err := Write(t.Context(), dir, s); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, key := range []ed25519.PublicKey{s.Key.Public(), m.trees[0].Key, m.trees[2].Key} {
		all = append(all, evidence.Fingerprint(key).String())
	}
	for left := range all {
		report, err := Verify(t.Context(), dir, Trust{Keys: slices.Delete(slices.Clone(all), left, left+1),
			Version: testVersion})
		want := []string{manifestFile, proofsFile, proofsFile}[left]
		if err != nil || len(report.Differences) != 1 || !report.names(want, 0) {
			t.Errorf("without key %d: %v, %v", left, report.Differences, err)
		}
	}
	if report, err := Verify(t.Context(), dir, Trust{Keys: all, Version: testVersion}); err != nil || !report.OK() {
		t.Errorf("%v, %v", report.Differences, err)
	}
}

func TestVerify_AnotherVersionsPageIsNotMadeAnew(t *testing.T) {
	dir := makeMaterial(t, 2).write(t)
	report, err := Verify(t.Context(), dir, Trust{Version: "tap25 of another test"})
	if err != nil || !report.OK() || len(report.Notes) != 1 {
		t.Errorf("%v, %v, %v", report, report.Differences, err)
	}
}

// TestVerify_HostileFiles gives the verifier what is no file, and what is no end of a file.
func TestVerify_HostileFiles(t *testing.T) {
	whole := makeMaterial(t, 20).write(t)
	names := []string{rowsJSON, rowsCSV, rowsParquet, proofsFile, pageFile, manifestFile, signatureFile}
	for name, make := range map[string]func(path string) error{
		"a directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"a pipe":      func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a link away": func(path string) error { return os.Symlink("/dev/zero", path) },
		"a link up":   func(path string) error { return os.Symlink("../"+filepath.Base(path), path) },
		"a link that stays": func(path string) error {
			return errorsOf(os.Rename(path+".whole", path+".other"), os.Symlink(filepath.Base(path)+".other", path))
		},
		"a terabyte of zeros": func(path string) error {
			return errorsOf(os.WriteFile(path, nil, 0o600), os.Truncate(path, 1<<40))
		},
		"a line without end": func(path string) error { return repeat(path, "a", maxLine+1) },
		"empty lines":        func(path string) error { return repeat(path, "\n", 1000) },
		"deep JSON":          func(path string) error { return repeat(path, "[", 1<<20) },
	} {
		t.Run(name, func(t *testing.T) {
			for _, file := range names {
				dir := t.TempDir()
				if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(dir, file)
				if err := errorsOf(os.Rename(path, path+".whole"), make(path)); err != nil {
					t.Fatal(err)
				}
				if report := verify(t, dir); !report.names(file, 0) {
					t.Errorf("%s: %v", file, report.Differences)
				} else if len(report.Notes) == 0 {
					t.Errorf("%s: the other file is not noted", file)
				}
			}
		})
	}
}

func repeat(path, s string, n int) error {
	return os.WriteFile(path, bytes.Repeat([]byte(s), n), 0o600)
}

func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// TestVerify_HostileManifest gives the verifier manifests that are signed.
func TestVerify_HostileManifest(t *testing.T) {
	s := makeMaterial(t, 5).source(t)
	dir := filepath.Join(t.TempDir(), "disclosure")
	if _, err := Write(t.Context(), dir, s); err != nil {
		t.Fatal(err)
	}
	whole := string(read(t, dir, manifestFile))
	for name, text := range map[string]string{
		"a file elsewhere":  strings.Replace(whole, `"name": "rows.csv"`, `"name": "../../etc/passwd"`, 1),
		"a file twice":      strings.Replace(whole, `"name": "rows.csv"`, `"name": "rows.jsonl"`, 1),
		"a key twice":       strings.Replace(whole, `"rows": 5,`, `"rows": 5,`+"\n"+`  "rows": 5,`, 1),
		"a case of letters": strings.Replace(whole, `"rows": 5,`, `"Rows": 5,`, 1),
		"an unknown key":    strings.Replace(whole, `"rows": 5,`, `"rows": 5,`+"\n"+`  "innocent": true,`, 1),
		"another digest":    regexp.MustCompile(`"sha256": ".`).ReplaceAllString(whole, `"sha256": "x`),
		"no rows":           strings.Replace(whole, `"rows": 5,`, `"rows": -5,`, 1),
		"a negative size":   strings.Replace(whole, `"bytes": `, `"bytes": -`, 1),
		"a huge size":       strings.Replace(whole, `"bytes": `, `"bytes": 90000`, 1),
		"a number too big":  strings.Replace(whole, `"rows": 5,`, `"rows": 99999999999999999999,`, 1),
		"a new format":      strings.Replace(whole, `"format": 1`, `"format": 2`, 1),
		"a NUL":             whole + "\x00",
		"no key":            strings.Replace(whole, "PUBLIC KEY", "PUBLIC", 2),
		"nothing":           "",
		"an offset":         strings.Replace(whole, `"seconds": 7200`, `"seconds": 9223372036854775807`, 1),
	} {
		if text == whole {
			t.Errorf("%s: the manifest is the same", name)
		}
		put(t, dir, manifestFile, []byte(text))
		put(t, dir, signatureFile, s.Key.Sign([]byte(text)))
		if report := verify(t, dir); report.OK() {
			t.Errorf("%s: nothing differs", name)
		}
	}
}

func TestVerify_EndsWhenItIsTold(t *testing.T) {
	dir := makeMaterial(t, 2000).write(t)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := Verify(ctx, dir, Trust{}); err == nil {
		t.Error("no error")
	}
}

func TestVerify_NoDirectory(t *testing.T) {
	if _, err := Verify(t.Context(), filepath.Join(t.TempDir(), "none"), Trust{}); err == nil {
		t.Error("no error")
	}
}

// FuzzVerify gives the verifier any octets for one file, with a manifest that fits them.
func FuzzVerify(f *testing.F) {
	m := makeMaterial(f, 3)
	s := m.source(f)
	dir := filepath.Join(f.TempDir(), "disclosure")
	made, err := Write(f.Context(), dir, s)
	if err != nil {
		f.Fatal(err)
	}
	for i, file := range made.Files {
		f.Add(i, read(f, dir, file.Name))
	}
	f.Add(4, read(f, dir, manifestFile))
	f.Fuzz(func(t *testing.T, which int, text []byte) {
		dir := t.TempDir()
		copied := *made
		copied.Files = slices.Clone(made.Files)
		text = bytes.Clone(text)
		if which >= 0 && which < 4 {
			hash := evidence.HashOf(text)
			copied.Files[which].Bytes, copied.Files[which].SHA256 = int64(len(text)), hash.String()
			put(t, dir, copied.Files[which].Name, text)
			text, _ = copied.append(nil)
		}
		put(t, dir, manifestFile, text)
		put(t, dir, signatureFile, s.Key.Sign(text))
		verify(t, dir).Write(&bytes.Buffer{})
	})
}

// FuzzLines reads any line as a row and as a proof.
func FuzzLines(f *testing.F) {
	m := makeMaterial(f, 3)
	for _, name := range []string{rowsJSON, proofsFile} {
		for line := range bytes.Lines(read(f, m.write(f), name)) {
			f.Add(line)
		}
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		if r, err := rowfile.ParseJSON(line); err == nil {
			r.Leaf()
			if again := rowfile.AppendJSON(nil, r); !bytes.Equal(again, line) || !json.Valid(again) {
				t.Error("a row has two forms")
			}
		}
		if p, err := parseProof(line); err == nil && p.Link != nil {
			if _, l, err := openLink(p.Link, 0); err == nil {
				new(window).add(evidence.Hash{}, l)
			}
		}
	})
}

// A directory that 'tap25 export' has made is told apart from a disclosure that was changed.
func TestVerify_TellsAnExportFromADisclosure(t *testing.T) {
	_, err := parseManifest([]byte(`{"format": 1, "form": "parquet", "rows": 1}`))
	if err == nil || !strings.Contains(err.Error(), "is of an export") {
		t.Errorf("the manifest of an export: %v", err)
	}
}
