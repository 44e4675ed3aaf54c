package main

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"tap25/cmd/tap25/doctor"
)

// doctorFinds returns what doctor finds without listening, by the place and name of each check.
func doctorFinds(t *testing.T, args ...string) map[string]doctor.Check {
	t.Helper()
	var out, diag bytes.Buffer
	args = append([]string{"doctor", "--json", "--seconds", "0"}, args...)
	run(t.Context(), args, nil, &out, &diag)
	var found examined
	if err := json.Unmarshal(out.Bytes(), &found); err != nil {
		t.Fatalf("%v: %s", err, diag.String())
	}
	checks := map[string]doctor.Check{}
	for _, c := range found.Checks {
		checks[c.On+" "+c.Name] = c
	}
	return checks
}

// wantStates compares the states of checks; "" is that of a check that is not made.
func wantStates(t *testing.T, what string, found map[string]doctor.Check, want map[string]string) {
	t.Helper()
	for name, state := range want {
		if found[name].State != state {
			t.Errorf("%s: %s: %+v, want %q", what, name, found[name], state)
		}
	}
}

func TestDoctor_JudgesADatabaseOfItsOwn(t *testing.T) {
	conn, cluster := server(t)
	exec := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec("create database mail")
	dsn := strings.Replace(cluster.DSN(), "dbname=postgres", "dbname=mail", 1)
	wantStates(t, "empty", doctorFinds(t, "-i", "lo", "--db", dsn),
		map[string]string{"database connection": doctor.OK, "database schema": doctor.Problem, "database jit": doctor.OK,
			"database locks": doctor.OK, "database WAL": doctor.OK, "database role": ""})
	asked(t, "db", "migrate", "--db", dsn)
	exec("create role tap1 login in role tap25_sensor; create role stranger login; alter database mail set jit = on; " +
		"grant connect on database mail to stranger")
	wantStates(t, "the owner", doctorFinds(t, "-i", "lo", "--db", dsn, "--retention", "2y"),
		map[string]string{"database schema": doctor.OK, "database role": doctor.Note, "database jit": doctor.Note,
			"database retention": doctor.OK, "settings retention": doctor.OK})
	as := func(role string) string { return dsn + " options='-c role=" + role + "'" }
	wantStates(t, "a sensor", doctorFinds(t, "-i", "lo", "--db", as("tap1"), "--retention", "2y"),
		map[string]string{"database role": doctor.OK, "database retention": doctor.Note})
	wantStates(t, "a stranger", doctorFinds(t, "-i", "lo", "--db", as("tap25_auditor")),
		map[string]string{"database role": doctor.Problem})
	asked(t, "db", "expire", "--db", dsn, "--retention", "2y")
	for retention, state := range map[string]string{"24mo": doctor.OK, "1y": doctor.Note, "never": doctor.Note} {
		wantStates(t, retention, doctorFinds(t, "-i", "lo", "--db", dsn, "--retention", retention),
			map[string]string{"database retention": state})
	}
	wantStates(t, "no such server", doctorFinds(t, "-i", "lo", "--db", "host=/nonexistent dbname=mail"),
		map[string]string{"database connection": doctor.Problem})
}

func TestDoctor_KnowsWhenTheDiskOfThePrivateClusterIsFull(t *testing.T) {
	conn, _ := server(t)
	found := doctorFinds(t, "-i", "lo")
	wantStates(t, "empty", found, map[string]string{"database connection": doctor.OK, "database schema": doctor.OK,
		"spool writable": doctor.OK, "database locks": ""})
	if says := found["disk spool"].Says; strings.Contains(says, "a day") {
		t.Errorf("without rows: %s", says)
	}
	if _, err := conn.Exec(t.Context(), `insert into tap25_internal.days (day, sensor, rows)
		select (now() at time zone 'UTC')::date - n, 'tap', 1000 * n from generate_series(1, 3) n`); err != nil {
		t.Fatal(err)
	}
	var growth float64 // MiB: 2,000 of 6,000 rows
	const query = "select pg_database_size('postgres') / 6000.0 * 2000 / 1048576"
	if err := conn.QueryRow(t.Context(), query).Scan(&growth); err != nil {
		t.Fatal(err)
	}
	says := doctorFinds(t, "-i", "lo")["disk spool"].Says
	var told float64
	if m := regexp.MustCompile(`for spool and database; .* ([\d.]+) MiB a day come`).FindStringSubmatch(says); m != nil {
		told, _ = strconv.ParseFloat(m[1], 64)
	}
	if math.Abs(told-growth) > 0.1 { // one decimal, and the database may grow meanwhile
		t.Errorf("%s, want %.1f MiB", says, growth)
	}
}

func TestDoctor_JudgesTheConfigurationFile(t *testing.T) {
	_, _ = server(t)
	good := configFile(t, "interface: lo\nretention: 24mo\n")
	wantStates(t, "good", doctorFinds(t, "--config", good),
		map[string]string{"settings file": doctor.OK, "settings retention": doctor.OK, "lo link": doctor.OK})
	for name, text := range map[string]string{
		"unknown key": "interface: lo\ninterfaces: lo\n",
		"no YAML":     "interface: [lo\n",
		"bad value":   "interface: lo\nretention: soon\n",
	} {
		found := doctorFinds(t, "--config", configFile(t, text))
		wantStates(t, name, found,
			map[string]string{"settings file": doctor.Problem, "lo link": "", "database connection": ""})
		wantStates(t, name, doctorFinds(t, "-i", "lo", "--config", configFile(t, text)),
			map[string]string{"settings file": doctor.Problem, "lo link": doctor.OK})
	}
	exposed := configFile(t, "interface: lo\nretention: never\ndb: postgres://tap1:secret@127.0.0.1:1/mail\n")
	if err := os.Chmod(exposed, 0o644); err != nil {
		t.Fatal(err)
	}
	wantStates(t, "password", doctorFinds(t, "--config", exposed),
		map[string]string{"settings file": doctor.Problem, "database connection": doctor.Problem})
	if status := run(t.Context(), []string{"doctor", "-i", "lo", "--xdp", "no", "--config", good}, nil, io.Discard,
		io.Discard); status != statusUsage {
		t.Errorf("a mistake in the flags: status %d", status)
	}
	dir := t.TempDir()
	rows := filepath.Join(dir, "spool")
	if err := os.Mkdir(rows, 0o755); err != nil {
		t.Fatal(err)
	}
	found := doctorFinds(t, "--config", good, "--witness", filepath.Join(dir, "no", "witness"), "--spool", rows)
	wantStates(t, "witness", found,
		map[string]string{"evidence witness": doctor.Problem, "spool writable": doctor.OK})
}
