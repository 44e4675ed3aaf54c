package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"tap25/cmd/tap25/rowfile/rowtest"
)

// command runs tap25, and returns what it printed. The status must be this one.
func command(t *testing.T, status int, args ...string) (out, diag string) {
	t.Helper()
	var o, d bytes.Buffer
	if got := run(t.Context(), args, nil, &o, &d); got != status {
		t.Fatalf("%s: status %d, want %d\n%s%s", strings.Join(args, " "), got, status, o.String(), d.String())
	}
	return o.String(), d.String()
}

// TestDuckDB_AnswersWhatTheAuditorAsks has DuckDB answer the questions of docs/export.md from exported files.
func TestDuckDB_AnswersWhatTheAuditorAsks(t *testing.T) {
	rowtest.DuckDB(t, "SELECT 1")
	var questions []string
	for _, b := range blocks(t, "docs/export.md") {
		if b.language == "duckdb" {
			questions = append(questions, statementsOf(b.text)...)
		}
	}
	answerAsTheAuditorIs(t, rowtest.DuckDB, questions)
}

// TestClickHouse_AnswersWhatTheAuditorAsks does the same with ClickHouse.
func TestClickHouse_AnswersWhatTheAuditorAsks(t *testing.T) {
	rowtest.ClickHouse(t, "SELECT 1")
	sql, err := os.ReadFile(filepath.Join("testdata", "clickhouse.sql"))
	if err != nil {
		t.Fatal(err)
	}
	answerAsTheAuditorIs(t, rowtest.ClickHouse, statementsOf(string(sql)))
}

func statementsOf(sql string) []string { return strings.SplitAfter(strings.TrimSpace(sql), ";\n") }

// answerAsTheAuditorIs has an engine make a view of exported files and answer questions, and holds the answers against
// those of docs/auditing.md, which were counted in the servers' logs.
func answerAsTheAuditorIs(t *testing.T, ask func(testing.TB, ...string) ([]string, [][]any), statements []string) {
	t.Helper()
	view, questions, answers := statements[0], statements[1:], auditorsAnswers(t)
	if len(questions) != 11 || len(answers) != 11 {
		t.Fatalf("%d questions, %d answers", len(questions), len(answers))
	}
	t.Chdir(exportedDemo(t))
	for i, question := range questions {
		columns, rows := ask(t, view, question)
		got := []string{strings.Join(columns, "|")}
		for _, row := range rows {
			var cells []string
			for _, v := range row {
				if v == nil {
					v = ""
				}
				cells = append(cells, fmt.Sprint(v))
			}
			got = append(got, strings.Join(cells, "|"))
		}
		if got := strings.Join(got, "\n"); got != answers[i] {
			t.Errorf("%sgives\n%s\nwant\n%s", question, got, answers[i])
		}
	}
	view = strings.Replace(view, "mail/*.parquet", "lake/*/mail.parquet", 1)
	_, rows := ask(t, view, "SELECT count(*) FROM mail WHERE day = '2026-11-22'")
	if got := fmt.Sprint(rows); got != "[["+rowsOfADay+"]]" {
		t.Errorf("%s rows of a day, want %s", got, rowsOfADay)
	}
}

// rowsOfADay are the rows of 2026-11-22 in the demo.
const rowsOfADay = "273"

// TestPandas_RunsWhatThePageShows runs the Python of docs/export.md in the directory that has the exported files.
func TestPandas_RunsWhatThePageShows(t *testing.T) {
	rowtest.Python(t, nil)
	var programs []string
	for _, b := range blocks(t, "docs/export.md") {
		if b.language == "python" {
			programs = append(programs, b.text)
		}
	}
	var want string
	for line := range strings.Lines(auditorsAnswers(t)[5]) { // day, mails, recipients
		if cells := strings.Split(strings.TrimSpace(line), "|"); cells[0] != "day" {
			want += cells[0] + " " + cells[2] + "\n"
		}
	}
	if len(programs) != 1 {
		t.Fatalf("%d programs", len(programs))
	}
	t.Chdir(exportedDemo(t))
	if got := string(rowtest.Python(t, []byte(programs[0]))); got != want {
		t.Errorf("%sprints\n%s\nwant\n%s", programs[0], got, want)
	}
	rows := rowtest.Python(t, []byte(`
import pandas
print(len(pandas.read_parquet("lake", filters=[("day", "==", "2026-11-22")])))
`))
	if got := strings.TrimSpace(string(rows)); got != rowsOfADay {
		t.Errorf("%s rows of a day, want %s", got, rowsOfADay)
	}
}

// exportedDemo returns a directory with an export of the demo, mail, and with lake, which the commands of docs/export.md
// make of it.
func exportedDemo(t *testing.T) (dir string) {
	t.Helper()
	demoDatabase(t)
	dir = t.TempDir()
	command(t, statusDone, "export", "--out", filepath.Join(dir, "mail"))
	for _, b := range blocks(t, "docs/export.md") {
		if b.language == "sh" {
			cmd := exec.Command("sh", "-ec", b.text)
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}
	}
	return dir
}

// auditorsAnswers returns the answers of docs/auditing.md, with their cells between bars.
func auditorsAnswers(t *testing.T) (answers []string) {
	t.Helper()
	for _, b := range blocks(t, "docs/auditing.md") {
		if b.language == "text" {
			answers = append(answers, cellsOf(b.text))
		}
	}
	return answers
}

// cellsOf returns an answer of psql with its cells between bars.
func cellsOf(answer string) string {
	var lines []string
	for line := range strings.Lines(answer) {
		if strings.HasPrefix(line, "---") || strings.TrimSpace(line) == "" {
			continue
		}
		var cells []string
		for cell := range strings.SplitSeq(line, "|") {
			cells = append(cells, strings.TrimSpace(cell))
		}
		lines = append(lines, strings.Join(cells, "|"))
	}
	return strings.Join(lines, "\n")
}

// TestExport_AndImportOnTheCommandLine exports the demo in each form, and imports it into another database.
func TestExport_AndImportOnTheCommandLine(t *testing.T) {
	conn, cluster := server(t)
	command(t, statusDone, "replay", "--sensor", "demo", filepath.Join("..", "..", "testdata", "demo.pcap.gz"))
	if _, err := conn.Exec(t.Context(), "create database second"); err != nil {
		t.Fatal(err)
	}
	second := strings.Replace(cluster.DSN(), "dbname=postgres", "dbname=second", 1)
	command(t, statusDone, "db", "migrate", "--db", second)
	base := t.TempDir()
	mail := filepath.Join(base, "mail")
	out, _ := command(t, statusDone, "export", "--out", mail)
	if !strings.Contains(out, "764 rows") || !strings.Contains(out, "listened for") {
		t.Errorf("export: %s", out)
	}
	var openings int
	err := conn.QueryRow(t.Context(), "select count(*) from accesses where action = 'opened as owner'").Scan(&openings)
	if err != nil || openings != 1 {
		t.Errorf("%d openings are on record, %v", openings, err)
	}
	out, _ = command(t, statusDone, "import", "--db", second, mail)
	if !strings.Contains(out, "3 files: 764 rows added, 0 already there") {
		t.Errorf("import: %s", out)
	}
	out, _ = command(t, statusDone, "import", "--db", second, mail, filepath.Join(mail, "mail-2026-11-22.parquet"))
	if !strings.Contains(out, "4 files: 0 rows added, 1,037 already there") {
		t.Errorf("import again: %s", out)
	}
	all := "copy (select * from tap25.mail m order by m::text) to stdout"
	if got, want := copied(t, second, all), copied(t, cluster.DSN(), all); got != want || len(want) < 764*100 {
		t.Errorf("%d octets of rows, want %d", len(got), len(want))
	}
	command(t, statusDone, "verify", "--db", second)
	for _, form := range []string{"csv", "json"} {
		dir := filepath.Join(base, form)
		command(t, statusDone, "export", "--format", form, "--since", "2026-11-22", "--before", "2026-11-23",
			"--out", dir)
		if files, err := os.ReadDir(dir); err != nil || len(files) != 3 {
			t.Errorf("%s: %d files, %v", form, len(files), err)
		}
		_, diag := command(t, statusFailed, "import", "--db", second, dir)
		if !strings.Contains(diag, "only an export of mail as Parquet") {
			t.Errorf("import of %s: %s", form, diag)
		}
	}
	_, diag := command(t, statusFailed, "export", "--out", mail)
	if !strings.Contains(diag, "name another directory") {
		t.Errorf("export again: %s", diag)
	}
	for _, args := range [][]string{{"export"}, {"export", "--out", base, "--format", "orc"}, {"import"},
		{"export", "--out", base, "--since", "2026-11-23", "--before", "2026-11-22"},
		{"export", "--out", base, "--case", "17", "--sensor", "demo"}} {
		command(t, statusUsage, args...)
	}
}

func copied(t *testing.T, dsn, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var out strings.Builder
	if _, err := conn.PgConn().CopyTo(t.Context(), &out, sql); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestExport_AnAuditorExportsACase exports what a case opens, and is refused all else.
func TestExport_AnAuditorExportsACase(t *testing.T) {
	dsn := demoCase(t)
	dir := filepath.Join(t.TempDir(), "case")
	_, diag := command(t, statusFailed, "export", "--db", dsn, "--out", dir)
	if !strings.Contains(diag, "only the owner") || !strings.Contains(diag, "--case") {
		t.Errorf("an auditor exports all mail: %s", diag)
	}
	command(t, statusDone, "export", "--db", dsn, "--case", "2026-17", "--out", dir)
	if _, err := os.Stat(filepath.Join(dir, "_manifest.json.sig")); err != nil {
		t.Error(err)
	}
	_, diag = command(t, statusFailed, "import", dir)
	if !strings.Contains(diag, "only an export of mail as Parquet") {
		t.Errorf("import of a case: %s", diag)
	}
}
