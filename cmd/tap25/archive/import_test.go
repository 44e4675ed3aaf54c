package archive

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tap25/reassembly/smtp"
	"tap25/store"
)

// TestImport_BringsBackEveryColumnOnce exports random rows, with every text that strangers send and at odd times, and
// imports them into an empty database: by the server's own COPY, the rows are the same.
func TestImport_BringsBackEveryColumnOnce(t *testing.T) {
	from, to := openDB(t), openDB(t)
	fill(t, from, 400, oddTimes...)
	dir, m := exportAll(t, from)
	want := mailOf(t, from, "")
	if m.Rows != int64(len(want)) || len(m.Files) != 10 {
		t.Errorf("%d rows in %d files, want %d in 10", m.Rows, len(m.Files), len(want))
	}
	added, held, err := importAll(t, to, dir)
	if err != nil || added != m.Rows || held != 0 {
		t.Fatalf("%d added, %d held, %v", added, held, err)
	}
	sameRows(t, mailOf(t, to, ""), want)
	if added, held, err = importAll(t, to, dir); err != nil || added != 0 || held != m.Rows {
		t.Errorf("again: %d added, %d held, %v", added, held, err)
	}
	alone := filepath.Join(dir, m.Files[0].Name)
	if added, held, err = importAll(t, to, alone); err != nil || added != 0 || held != m.Files[0].Rows {
		t.Errorf("a file alone: %d added, %d held, %v", added, held, err)
	}
	sameRows(t, mailOf(t, to, ""), want)
	report, err := to.Verify(t.Context(), store.VerifyConfig{})
	if err != nil || len(report.Findings) > 0 {
		t.Errorf("%v, %+v", err, report.Findings)
	}
	var named bool
	err = to.Conn().QueryRow(t.Context(), "select bool_or(segment = $1) from tap25.links",
		key(m.Files[0].SHA256, 0)).Scan(&named)
	if err != nil || !named {
		t.Errorf("no link names the file: %v", err)
	}
}

func TestImport_GoesOnAfterAnInterruption(t *testing.T) {
	from, to := openDB(t), openDB(t)
	fill(t, from, 100, oddTimes...)
	dir, m := exportAll(t, from)
	execute(t, to, "create function stop() returns trigger language plpgsql as 'begin "+
		"if (select count(*) from tap25_internal.loads) > 7 then raise ''stop''; end if; return new; end'",
		"create trigger stop before insert on tap25_internal.loads for each row execute function stop()")
	if added, _, err := importAll(t, to, dir); err == nil || added == 0 || added == m.Rows {
		t.Fatalf("%d rows, %v", added, err)
	}
	execute(t, to, "drop trigger stop on tap25_internal.loads")
	if added, held, err := importAll(t, to, dir); err != nil || added+held != m.Rows || held == 0 {
		t.Errorf("%d added, %d held, %v", added, held, err)
	}
	sameRows(t, mailOf(t, to, ""), mailOf(t, from, ""))
}

// TestImport_AddsWhatOverlappingFilesHaveOnce imports exports of which each has rows that another has, or that were
// packed or held meanwhile, in any order: the rows are those of the database that exported.
func TestImport_AddsWhatOverlappingFilesHaveOnce(t *testing.T) {
	from := openDB(t)
	fill(t, from, 100, "1970-01-01T00:00:00Z") // a day that has no partition, too
	want := mailOf(t, from, "")
	noon := time.Date(2026, 10, 24, 12, 0, 0, 0, time.UTC)
	var dirs []string
	for _, q := range []store.MailQuestion{{Before: &noon}, {Sensors: []string{"tap a"}}, {Since: &noon}, {}} {
		dirs = append(dirs, filepath.Join(t.TempDir(), "mail"))
		if _, err := Mail(t.Context(), from, q, Settings{Dir: dirs[len(dirs)-1], Form: Parquet, Key: newKey(t),
			Version: testVersion}); err != nil {
			t.Fatal(err)
		}
	}
	for _, order := range [][]int{{0, 1, 2, 3}, {1, 3}} {
		to := openDB(t)
		for _, n := range order {
			if _, _, err := importAll(t, to, dirs[n]); err != nil {
				t.Fatal(err)
			}
			if _, err := to.PackDays(t.Context(), store.PackConfig{Quiet: -1}); err != nil {
				t.Fatal(err)
			}
		}
		sameRows(t, mailOf(t, to, ""), want)
		report, err := to.Verify(t.Context(), store.VerifyConfig{})
		if err != nil || len(report.Findings) > 0 {
			t.Errorf("%v, %+v", err, report.Findings)
		}
	}
}

// TestImport_TwoAtOnce imports the same files by two connections at once: each row comes once.
func TestImport_TwoAtOnce(t *testing.T) {
	from, to := openDB(t), openDB(t)
	fill(t, from, 100, oddTimes...)
	dir, m := exportAll(t, from)
	other := connect(t, to.Conn().Config().Database, "")
	ended := make(chan int64)
	go func() {
		added, _, err := importAll(t, other, dir)
		if err != nil {
			t.Error(err)
		}
		ended <- added
	}()
	added, _, err := importAll(t, to, dir)
	if n := added + <-ended; err != nil || n != m.Rows {
		t.Errorf("%d rows are added of %d, %v", n, m.Rows, err)
	}
	sameRows(t, mailOf(t, to, ""), mailOf(t, from, ""))
}

// A part ends with a mail, since equal rows of a mail may be many, but is no longer than some parts.
func TestPart_EndsWithAMail(t *testing.T) {
	e := smtp.Envelope{SeenAt: time.Unix(1, 0), SessionID: 7, MailNo: 1}
	next := e
	next.MailNo = 2
	for _, c := range []struct {
		count, octets int
		same, other   bool
	}{{partRows - 1, 1, false, false}, {partRows, 1, false, true}, {1, partOctets, false, true},
		{longest * partRows, 1, true, true}, {1, longest * partOctets, true, true}} {
		p := part{last: &e, count: c.count, octets: c.octets}
		if same, other := p.fullBefore(&e), p.fullBefore(&next); same != c.same || other != c.other {
			t.Errorf("%+v: %v, %v", c, same, other)
		}
	}
}

// TestImport_IntoTheSameDatabase drops a day, and brings it back; no other. Rows that a hold has kept come once.
func TestImport_IntoTheSameDatabase(t *testing.T) {
	db := openDB(t)
	fill(t, db, 100)
	want := mailOf(t, db, "")
	dir, _ := exportAll(t, db)
	file := filepath.Join(dir, "mail-2026-10-24.parquet")
	if added, held, err := importAll(t, db, file); err != nil || added > 0 || held == 0 {
		t.Errorf("%d rows are added, and %d there, %v", added, held, err)
	}
	execute(t, db, "select tap25.set_retention('1 day')", `insert into tap25.holds (domain, until, reason)
		select split_part(rcpt_to, '@', -1), '2099-01-01', 'case 1' from tap25.mail
		where rcpt_to like '%@%.%' and seen_at between '2026-10-24' and '2026-10-25' limit 1`)
	for range 2 { // the second drops what was imported
		execute(t, db, "select tap25_internal.expire_day(d, 'test') from unnest('{2026-10-23,2026-10-24}'::date[]) d",
			"select tap25_internal.mark_dropped_loads()")
		added, kept, err := importAll(t, db, file)
		if err != nil || added == 0 || kept == 0 {
			t.Fatalf("%d rows beside %d, %v", added, kept, err)
		}
		if _, held, err := importAll(t, db, file); err != nil || held != added+kept {
			t.Errorf("again: %d of %d are there, %v", held, added+kept, err)
		}
	}
	if _, _, err := importAll(t, db, filepath.Join(dir, "mail-2026-10-23.parquet")); err != nil {
		t.Fatal(err)
	}
	sameRows(t, mailOf(t, db, ""), want)
}

func TestImport_RefusesWhatTheManifestDoesNotDescribe(t *testing.T) {
	from, to := openDB(t), openDB(t)
	fill(t, from, 20, oddTimes...)
	dir, m := exportAll(t, from)
	text, err := os.ReadFile(filepath.Join(dir, manifestFile))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, m.Files[3].Name)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	put := func(path string, text []byte) {
		t.Helper()
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct{ manifest, file []byte }{
		"another row count":   {bytes.Replace(text, []byte(`"rows": `), []byte(`"rows": 1`), 1), whole},
		"another form":        {bytes.Replace(text, []byte(`"parquet"`), []byte(`"csv"`), 1), whole},
		"a file of elsewhere": {bytes.Replace(text, []byte(`"mail-1969`), []byte(`"../mail-1969`), 1), whole},
		"no manifest":         {[]byte("{}"), whole},
		"an octet more":       {text, append(bytes.Clone(whole), 0)},
		"an octet changed":    {text, append(bytes.Clone(whole[:len(whole)-1]), whole[len(whole)-1]^1)},
	} {
		put(filepath.Join(dir, manifestFile), c.manifest)
		put(file, c.file)
		if added, _, err := importAll(t, to, file); err == nil || added > 0 {
			t.Errorf("%s: %d rows, %v", name, added, err)
		}
	}
	put(filepath.Join(dir, manifestFile), text)
	put(file, whole)
	if err := os.Rename(file, file+".moved"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file+".moved", file); err != nil {
		t.Fatal(err)
	}
	if added, _, err := importAll(t, to, file); err == nil || added > 0 {
		t.Errorf("a link: %d rows, %v", added, err)
	}
	if n := len(mailOf(t, to, "")); n > 0 {
		t.Errorf("%d rows were loaded", n)
	}
}

// TestImport_OfADirectoryOfBeforeTheUnderscore imports what an older tap25 has exported, whose manifest has another
// name. It is checked as today's is.
func TestImport_OfADirectoryOfBeforeTheUnderscore(t *testing.T) {
	from, to := openDB(t), openDB(t)
	fill(t, from, 20)
	dir, m := exportAll(t, from)
	rename := func(old, new string) {
		t.Helper()
		if err := os.Rename(filepath.Join(dir, old), filepath.Join(dir, new)); err != nil {
			t.Fatal(err)
		}
	}
	rename(manifestFile, "unfinished.json")
	if added, _, err := importAll(t, to, dir); err == nil || !strings.Contains(err.Error(), "interrupted") || added > 0 {
		t.Errorf("an interrupted export: %d rows, %v", added, err)
	}
	rename("unfinished.json", "manifest.json")
	rename(signatureFile, "manifest.json.sig")
	if added, _, err := importAll(t, to, dir); err != nil || added != m.Rows {
		t.Errorf("%d rows of %d, %v", added, m.Rows, err)
	}
}

// TestImport_ASensorImportsItsOwnRows imports as a sensor's login, which may load under its own name alone.
func TestImport_ASensorImportsItsOwnRows(t *testing.T) {
	from, to := openDB(t), openDB(t)
	fill(t, from, 20, oddTimes...)
	name := to.Conn().Config().Database
	login := "tap_" + strings.TrimPrefix(name, "test_")
	execute(t, to, "create role "+login+" login in role tap25_sensor")
	t.Cleanup(func() { dropRoles(to, login) })
	sensor := connect(t, name, login)
	own := filepath.Join(t.TempDir(), "own")
	m, err := Mail(t.Context(), from, store.MailQuestion{Sensors: []string{"tap a"}},
		Settings{Dir: own, Form: Parquet, Key: newKey(t), Version: testVersion})
	if err != nil {
		t.Fatal(err)
	}
	if added, _, err := importAll(t, sensor, own); err != nil || added != m.Rows {
		t.Fatalf("%d rows of %d, %v", added, m.Rows, err)
	}
	want := mailOf(t, from, "where sensor = 'tap a'")
	sameRows(t, mailOf(t, to, ""), want)
	all, _ := exportAll(t, from)
	if _, _, err := importAll(t, sensor, all); err == nil {
		t.Error("a sensor imports rows of others")
	}
	sameRows(t, mailOf(t, to, "where sensor = 'tap a'"), want)
	if n := len(mailOf(t, to, "where sensor <> 'tap a'")); n > 0 {
		t.Errorf("%d rows of others", n)
	}
}
