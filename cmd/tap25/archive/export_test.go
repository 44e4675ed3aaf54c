package archive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"tap25/store"
	"tap25/store/storetest"
)

func dropRoles(db *store.DB, names string) {
	db.Conn().Exec(context.Background(), "drop owned by "+names+"; drop role "+names)
}

// TestExport_OnlyTheOwnerExportsAllMail asks with a login of each role. An auditor gets what a case opens.
func TestExport_OnlyTheOwnerExportsAllMail(t *testing.T) {
	db := openDB(t)
	fill(t, db, 100, oddTimes...)
	name := db.Conn().Config().Database
	suffix := strings.TrimPrefix(name, "test_")
	paula, anna, adam, tap := "paula_"+suffix, "anna_"+suffix, "adam_"+suffix, "tap_"+suffix
	for user, role := range map[string]string{paula: "auditor", anna: "approver", adam: "admin", tap: "sensor"} {
		execute(t, db, "create role "+user+" login in role tap25_"+role)
	}
	t.Cleanup(func() { dropRoles(db, strings.Join([]string{paula, anna, adam, tap}, ", ")) })
	execute(t, connect(t, name, adam), "select tap25.apply_for_warrant('17', 'order', '{"+paula+
		"}', '{192.0.2.0/24}', '2026-10-24 12:00Z', '2026-10-26', '2099-01-01')")
	execute(t, connect(t, name, anna), "select tap25.approve_warrant(1, 'read')")
	execute(t, connect(t, name, paula), "select tap25.open_case('17', 'complaint')")
	s := Settings{Form: Parquet, Key: newKey(t), Version: testVersion}
	for _, user := range []string{paula, anna, adam, tap} {
		s.Dir = filepath.Join(t.TempDir(), "all")
		if _, err := Mail(t.Context(), connect(t, name, user), store.MailQuestion{}, s); !errors.Is(err, ErrNotOwner) {
			t.Errorf("%s: %v", user, err)
		}
		if _, err := os.Lstat(s.Dir); err == nil {
			t.Errorf("%s: there is a directory", user)
		}
	}
	for _, form := range Forms() {
		s.Dir, s.Form = filepath.Join(t.TempDir(), "case"), form
		m, err := Case(t.Context(), connect(t, name, paula), store.CaseQuestion{Case: "17"}, s)
		if err != nil {
			t.Fatal(err)
		}
		var rows int64
		var digest string
		err = db.Conn().QueryRow(t.Context(),
			"select rows, sha256 from tap25.accesses where action = 'read' and id = $1", m.Access.Number).
			Scan(&rows, &digest)
		if err != nil || rows != m.Rows || rows == 0 || digest != m.Access.SHA256 || len(m.Files) != 2 {
			t.Errorf("%s: %d rows in %d files, recorded %d, %v", form, m.Rows, len(m.Files), rows, err)
		}
		if _, _, err := importAll(t, db, s.Dir); err == nil {
			t.Errorf("%s: a case was imported", form)
		}
	}
	s.Dir = filepath.Join(t.TempDir(), "case")
	if _, err := Case(t.Context(), connect(t, name, adam), store.CaseQuestion{Case: "17"}, s); err == nil {
		t.Error("an administrator exported a case")
	}
	if _, err := os.Lstat(s.Dir); err == nil {
		t.Error("a directory stays after an error")
	}
}

// TestExport_LinesAreThoseOfTheRecord compares the JSON lines with the rows that the database has.
func TestExport_LinesAreThoseOfTheRecord(t *testing.T) {
	db := openDB(t)
	fill(t, db, 100, oddTimes...)
	for form, wantLines := range map[string]int{"json": 0, "csv": 1} {
		s := Settings{Dir: filepath.Join(t.TempDir(), form), Form: form, Key: newKey(t), Version: testVersion}
		m, err := Mail(t.Context(), db, store.MailQuestion{}, s)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range m.Files {
			text := unpacked(t, filepath.Join(s.Dir, f.Name))
			if n := bytes.Count(text, []byte("\n")); n != int(f.Rows)+wantLines {
				t.Errorf("%s has %d lines and %d rows", f.Name, n, f.Rows)
			}
			if form != "json" {
				continue
			}
			day := strings.TrimSuffix(strings.TrimPrefix(f.Name, "mail-"), ".jsonl.zst")
			for line := range bytes.Lines(text) {
				var row struct {
					SeenAt string `json:"seen_at"`
					Sensor string `json:"sensor"`
				}
				err := json.Unmarshal(line, &row)
				if err != nil || !strings.HasPrefix(row.SeenAt, day) || row.Sensor == "" {
					t.Fatalf("%s has a row of %s, %v", f.Name, row.SeenAt, err)
				}
			}
		}
	}
}

func unpacked(t *testing.T, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestExport_GoesOnAfterAnInterruption ends an export after its third file. The next one writes the others alone.
func TestExport_GoesOnAfterAnInterruption(t *testing.T) {
	db := openDB(t)
	fill(t, db, 100, oddTimes...)
	dir := filepath.Join(t.TempDir(), "mail")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var wrote []string
	s := Settings{Dir: dir, Form: Parquet, Key: newKey(t), Version: testVersion, Wrote: func(f File) {
		if wrote = append(wrote, f.Name); len(wrote) == 3 {
			stop()
		}
	}}
	if _, err := Mail(ctx, db, store.MailQuestion{}, s); err == nil || !strings.Contains(err.Error(), "goes on") {
		t.Fatal(err)
	}
	for _, e := range entries(t, dir) {
		if strings.HasSuffix(e, temporary) || e == manifestFile {
			t.Errorf("%s is there", e)
		}
	}
	if _, _, err := importAll(t, db, dir); err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("import: %v", err)
	}
	db = connect(t, db.Conn().Config().Database, "") // the interruption has ended the other connection
	since := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	if _, err := Mail(t.Context(), db, store.MailQuestion{Since: &since}, s); err == nil ||
		!strings.Contains(err.Error(), "cannot go on") {
		t.Errorf("another question: %v", err)
	}
	// as a crash leaves them
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, temporaryOf("mail-2026-10-24.parquet"))); err != nil {
		t.Fatal(err)
	}
	m, err := Mail(t.Context(), db, store.MailQuestion{}, s)
	if err != nil {
		t.Fatal(err)
	}
	if len(wrote) != len(m.Files) || len(m.Files) != 10 || m.Rows != int64(len(mailOf(t, db, ""))) {
		t.Errorf("%d files were written, the manifest has %d and %d rows", len(wrote), len(m.Files), m.Rows)
	}
	if n := len(entries(t, dir)); n != 12 {
		t.Errorf("%d files", n)
	}
	to := openDB(t)
	if _, _, err := importAll(t, to, dir); err != nil {
		t.Fatal(err)
	}
	sameRows(t, mailOf(t, to, ""), mailOf(t, db, ""))
}

// TestExport_ADirectoryOfMailHasOnlyDaysForEngines lists the directory after each file, and after a crash within one.
// Spark, Trino and pandas read each file of a directory as Parquet, but for names that begin with "_" or ".".
func TestExport_ADirectoryOfMailHasOnlyDaysForEngines(t *testing.T) {
	db := openDB(t)
	fill(t, db, 100)
	s := Settings{Dir: filepath.Join(t.TempDir(), "mail"), Form: Parquet, Key: newKey(t), Version: testVersion}
	check := func() {
		for _, name := range entries(t, s.Dir) {
			if name[0] != '_' && !nameForm.MatchString(name) {
				t.Errorf("%s is there", name)
			}
		}
	}
	s.Wrote = func(File) { check() }
	if _, err := Mail(t.Context(), db, store.MailQuestion{}, s); err != nil {
		t.Fatal(err)
	}
	check()
	root, err := os.OpenRoot(s.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	d := &directory{root: root}
	if _, err := d.create("mail-2026-10-26.parquet"); err != nil {
		t.Fatal(err)
	}
	check()
}

func entries(t *testing.T, dir string) (names []string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		names = append(names, e.Name())
		if info, err := e.Info(); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s has mode %v, %v", e.Name(), info.Mode(), err)
		}
	}
	return names
}

// TestExport_WritesOnlyIntoADirectoryOfItsOwn names directories that others may write to, that are links, or that have
// something else in them.
func TestExport_WritesOnlyIntoADirectoryOfItsOwn(t *testing.T) {
	db := connect(t, storetest.Database(t), "")
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	base := t.TempDir()
	open, full, link, file := filepath.Join(base, "open"), filepath.Join(base, "full"), filepath.Join(base, "link"),
		filepath.Join(base, "file")
	err := errors.Join(os.Mkdir(open, 0o755), os.Mkdir(full, 0o700), os.WriteFile(filepath.Join(full, "x"), nil, 0o600),
		os.Mkdir(filepath.Join(base, "target"), 0o700), os.Symlink("target", link), os.WriteFile(file, nil, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{open, full, link, file, filepath.Join(base, "none", "below")} {
		s := Settings{Dir: dir, Form: Parquet, Key: newKey(t), Version: testVersion}
		if _, err := Mail(t.Context(), db, store.MailQuestion{}, s); err == nil {
			t.Errorf("%s was taken", filepath.Base(dir))
		}
	}
	if n := len(entries(t, filepath.Join(base, "target"))); n > 0 {
		t.Errorf("%d files behind the link", n)
	}
}
