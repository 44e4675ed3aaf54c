package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// loginsDatabase has the demo's rows, and logs in whom the commands name: paula, an auditor; nora, an approver; adam,
// an administrator. It returns the connection string of each.
func loginsDatabase(t *testing.T) func(user string) string {
	t.Helper()
	conn, c := server(t)
	var diag bytes.Buffer
	if status := run(t.Context(), []string{"replay", "--sensor", "demo",
		filepath.Join("..", "..", "testdata", "demo.pcap.gz")}, nil, &diag, &diag); status != statusDone {
		t.Fatalf("status %d: %s", status, diag.String())
	}
	var hba string
	if err := conn.QueryRow(t.Context(), "show hba_file").Scan(&hba); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "create role paula login in role tap25_auditor; "+
		"create role nora login in role tap25_approver; create role adam login in role tap25_admin; "+
		"create role tap1 login in role tap25_sensor"); err != nil {
		t.Fatal(err)
	}
	cfg, err := pgx.ParseConfig(c.DSN())
	if err != nil {
		t.Fatal(err)
	}
	return func(user string) string {
		// each time, since db psql writes the file anew
		if err := os.WriteFile(hba, []byte("local all all trust\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(t.Context(), "select pg_reload_conf()"); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("host=%s port=%d dbname=%s user=%s", cfg.Host, cfg.Port, cfg.Database, user)
	}
}

// TestWarrant_FromTheApplicationToItsEnd goes the whole way with the commands, each as the login that may.
func TestWarrant_FromTheApplicationToItsEnd(t *testing.T) {
	dsn := loginsDatabase(t)
	as := func(want int, user string, args ...string) (out, diag string) {
		t.Helper()
		var o, d bytes.Buffer
		if status := run(t.Context(), append(args, "--db", dsn(user)), nil, &o, &d); status != want {
			t.Fatalf("%s: status %d, want %d: %s", args[:2], status, want, d.String())
		}
		return o.String(), d.String()
	}
	add := []string{"warrant", "add", "--case", "2026-17", "--basis", "order of 12 May", "--auditor", "paula",
		"--from", "2026-11-01", "--to", "2026-12-01", "--until", "2099-01-01"}
	for _, wrong := range [][]string{{"warrant"}, add, {"warrant", "add", "b.example"}, {"warrant", "approve"},
		{"warrant", "approve", "x"}, {"warrant", "end", "1"}, {"warrant", "refuse", "1"},
		append(add[:len(add):len(add)], "--to", "2026-10-01", "b.example"),
		append(add[:len(add):len(add)], "--until", "tomorrow", "b.example")} {
		as(statusUsage, "adam", wrong...)
	}
	if _, diag := as(statusFailed, "adam", append(add[:len(add):len(add)], "marta")...); !strings.Contains(diag,
		"target 1: a domain has a dot") {
		t.Errorf("a mailbox without a domain is refused with %s", diag)
	}
	out, diag := as(statusDone, "adam", append(add[:len(add):len(add)], "--auditor", "adam", "Marta@orchard.example",
		"10.0.0.5 in vlan 12")...)
	id := regexp.MustCompile(`^warrant (\d+) is applied for`).FindStringSubmatch(out)
	if id == nil || !strings.Contains(diag, `warning: the role "adam" is no member of tap25_auditor`) {
		t.Fatalf("warrant add says %s%s", out, diag)
	}
	const line = `(?m)^\d+ +"2026-17" +%s +adam,paula +"10\.0\.0\.5 in vlan 12, Marta@orchard\.example" +2026-11-01T00:00:00Z +` +
		`2026-12-01T00:00:00Z +\S+ +adam +%s +"order of 12 May"$`
	ls := func(user, state, by string, flags ...string) {
		t.Helper()
		out, _ := as(statusDone, user, append([]string{"warrant", "ls"}, flags...)...)
		if !regexp.MustCompile(fmt.Sprintf(line, state, by)).MatchString(out) {
			t.Errorf("warrant ls says %s; want %s", out, state)
		}
	}
	ls("nora", "applied", "-")
	if _, diag := as(statusFailed, "adam", "warrant", "approve", id[1]); !strings.Contains(diag, "may not do that") {
		t.Errorf("an administrator approves: %s", diag)
	}
	said := func(want, user string, args ...string) {
		t.Helper()
		if out, _ := as(statusDone, user, args...); !strings.Contains(out, want) {
			t.Errorf("%v says %q, want %q", args, out, want)
		}
	}
	said("warrant "+id[1]+" is approved", "nora", "warrant", "approve", id[1], "--note", "order read")
	ls("adam", "valid", "nora")
	if got := psqlAs(t, "paula", "select open_case('2026-17', 'complaint')", "select ask_case('2026-17') > 0",
		"select count(*) > 0 from case_list('2026-17')"); got != "SET\nt\nt\nt\n" {
		t.Errorf("the auditor is shown %q", got)
	}
	said("warrant "+id[1]+" has ended", "nora", "warrant", "end", id[1], "--reason", "withdrawn")
	as(statusFailed, "nora", "warrant", "end", id[1], "--reason", "withdrawn")
	ls("adam", "ended", "nora", "--all")
	if out, _ := as(statusDone, "adam", "warrant", "ls"); strings.Count(out, "\n") != 1 {
		t.Errorf("an ended warrant is listed: %s", out)
	}
	out, _ = as(statusDone, "paula", append(add[:len(add):len(add)], "orchard.example")...)
	said("is refused", "nora", "warrant", "refuse", strings.Fields(out)[1], "--reason", "no order")
}
