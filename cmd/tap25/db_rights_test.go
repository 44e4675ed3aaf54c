package main

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"tap25/cmd/tap25/doctor"
)

// psqlAs asks with tap25 db psql as a user: the private cluster lets its owner in alone, who becomes the other.
func psqlAs(t *testing.T, user string, commands ...string) string {
	t.Helper()
	args := []string{"db", "psql", "--db", "local", "--", "-XAt", "-c", "set session authorization " + user}
	for _, c := range commands {
		args = append(args, "-c", c)
	}
	var out, diag bytes.Buffer
	if status := run(t.Context(), args, nil, &out, &diag); status != statusDone {
		t.Fatalf("%s: status %d: %s", user, status, diag.String())
	}
	return out.String()
}

func TestPsql_EachRoleFindsWhatIsMeantForIt(t *testing.T) {
	conn, _ := server(t)
	if _, err := conn.Exec(t.Context(), "create role paula login in role tap25_auditor; create role adam login in "+
		"role tap25_admin; create role nora login in role tap25_approver; create role tap1 login in role tap25_sensor"); err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{"paula", "adam", "tap1"} {
		functions := regexp.MustCompile(`(?m)^tap25\|.*\|func$`).FindAllString(psqlAs(t, user, `\df`), -1)
		if len(functions) < 8 || len(functions) > 50 {
			t.Errorf("\\df shows %s %d functions, want what is meant for people:\n%s", user, len(functions),
				strings.Join(functions, "\n"))
		}
		if others := psqlAs(t, user, `\df public.*`); strings.Contains(others, "func") {
			t.Errorf("in public are functions: %s", others)
		}
	}
	if got := psqlAs(t, "paula", `\d+ mail`, `\df+ case_mail`); !strings.Contains(got, "Which tap saw it.") ||
		!strings.Contains(got, "For auditors") {
		t.Errorf("an auditor finds no comments: %s", got)
	}
	if got := psqlAs(t, "adam", "select from accesses where case_id is not null", "select apply_for_warrant('c', 'order', "+
		"'{paula}', '{a@b.example}', '2020-01-01', '2030-01-01', '2100-01-01')"); got != "SET\n1\n" {
		t.Errorf("an admin's statements: %q", got)
	}
	if got := psqlAs(t, "nora", "select state from warrants", "select approve_warrant(1)"); got != "SET\napplied\n\n" {
		t.Errorf("an approver's statements: %q", got)
	}
	if got := psqlAs(t, "paula", "select open_case('c', 'test')", "select ask_case('c') > 0",
		"select count(*) from case_mail('c') where outcome <> 'accepted'"); got != "SET\nt\nt\n0\n" {
		t.Errorf("an auditor's questions: %q", got)
	}
}

// TestCommands_SayWhoMay runs commands as logins that may not: each is told who may, and is shown no figures.
func TestCommands_SayWhoMay(t *testing.T) {
	conn, c := server(t)
	host, _, _ := strings.Cut(strings.TrimPrefix(c.DSN(), "host="), " ")
	for user, role := range map[string]string{"paula": "tap25_auditor", "adam": "tap25_admin"} {
		mayLogIn(t, conn, user, "trust", "in role "+role)
	}
	for _, tc := range []struct{ user, command, may string }{
		{"paula", "db pack", "sensors (tap25_sensor) pack days"},
		{"paula", "db expire --retention 2y", "administrators (tap25_admin) drop days"},
		{"paula", "import .", "a sensor's login (tap25_sensor)"},
		{"paula", "hold ls", "administrators keep holds"},
		{"adam", "verify", "only the owner of the database may"},
		{"adam", "db regions ls", "only the owner of the database may"},
		{"adam", "db expire", "the database stores no retention"},
	} {
		args := append(strings.Fields(tc.command), "--db", "host="+host+" user="+tc.user+" dbname=postgres")
		out, diag := command(t, statusFailed, args...)
		if out != "" || !strings.Contains(diag, tc.may) {
			t.Errorf("%s: %s: %q and %q, want %q", tc.user, tc.command, out, diag, tc.may)
		}
	}
}

// doctorOnDatabase returns what doctor finds of a database.
func doctorOnDatabase(t *testing.T, dsn string) (schemas, logins doctor.Check) {
	t.Helper()
	found := doctorFinds(t, "-i", "lo", "--db", dsn)
	return found["database schemas"], found["database logins"]
}

func TestMigrate_ChoosesTheWidthOfIndexes(t *testing.T) {
	conn, cluster := server(t)
	if _, err := conn.Exec(t.Context(), "create database mail"); err != nil {
		t.Fatal(err)
	}
	dsn := strings.Replace(cluster.DSN(), "dbname=postgres", "dbname=mail", 1)
	for _, c := range []struct{ rows, says, shows string }{
		{"", "", "16 bits of an address, for 1,000,000 rows a day"},
		{"20000000", "the indexes of addresses of new days have 24 bits of a hash\n",
			"24 bits of an address, for 20,000,000 rows a day"},
		{"", "", "24 bits of an address, for 20,000,000 rows a day"},
	} {
		args := []string{"db", "migrate", "--db", dsn}
		if c.rows != "" {
			args = append(args, "--rows-a-day", c.rows)
		}
		if out := asked(t, args...); !strings.HasSuffix(out, c.says) {
			t.Errorf("migrate says %q, want %q at its end", out, c.says)
		}
		for _, shows := range []string{c.shows, ", - a row)", "0 days with 0 rows, - bytes a row; - a row in other"} {
			if out := asked(t, "db", "status", "--db", dsn); !strings.Contains(out, shows) {
				t.Errorf("status lacks %q: %s", shows, out)
			}
		}
	}
	if status := run(t.Context(), []string{"db", "migrate", "--db", dsn, "--rows-a-day", "0"}, nil, io.Discard,
		io.Discard); status != statusUsage {
		t.Errorf("0 rows a day: status %d, want %d", status, statusUsage)
	}
}

func TestMigrate_SaysWhatChangesForOthers(t *testing.T) {
	conn, cluster := server(t)
	if _, err := conn.Exec(t.Context(), "create database mail"); err != nil {
		t.Fatal(err)
	}
	dsn := strings.Replace(cluster.DSN(), "dbname=postgres", "dbname=mail", 1)
	files, err := filepath.Glob("../../store/migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	migrate := func(want int, does string) string {
		t.Helper()
		var out, diag bytes.Buffer
		if status := run(t.Context(), []string{"db", "migrate", "--db", dsn}, nil, &out, &diag); status != want {
			t.Fatalf("status %d, want %d: %s", status, want, diag.String())
		}
		if does != "" {
			does = fmt.Sprintf(does, len(files)) + "\n"
		}
		if out.String() != does {
			t.Errorf("it prints %q, want %q", out.String(), does)
		}
		return diag.String()
	}
	if said := migrate(statusDone, "made the schema, version %d"); !strings.Contains(said, `GRANT CONNECT ON DATABASE "mail" TO`) {
		t.Errorf("the first time it says %q", said)
	}
	if said := migrate(statusDone, "the schema has version %d already"); said != "" {
		t.Errorf("the second time it says %q", said)
	}
	db, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(t.Context())
	if schemas, logins := doctorOnDatabase(t, dsn); schemas.State != doctor.OK || logins.State != doctor.OK {
		t.Errorf("doctor finds %+v, %+v", schemas, logins)
	}
	if _, err := db.Exec(t.Context(),
		"grant create on schema public to tap25_auditor; grant connect on database mail to public"); err != nil {
		t.Fatal(err)
	}
	if schemas, logins := doctorOnDatabase(t, dsn); logins.State != doctor.Note ||
		!slices.Equal(schemas.Fix, []string{`REVOKE CREATE ON SCHEMA "public" FROM "tap25_auditor";`}) {
		t.Errorf("doctor finds %+v, %+v", schemas, logins)
	}
	if said := migrate(statusFailed, ""); !strings.Contains(said,
		`REVOKE CREATE ON SCHEMA "public" FROM "tap25_auditor";`) {
		t.Errorf("with others in public it says %q", said)
	}
	var out bytes.Buffer
	if status := run(t.Context(), []string{"db", "status", "--db", dsn}, nil, &out, io.Discard); status != statusDone ||
		!strings.Contains(out.String(), "tap25_auditor in public") {
		t.Errorf("db status is %d: %s", status, out.String())
	}
}
