package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"tap25/cmd/tap25/report"
)

// TestSniff_HangupTakesUpAScope changes the scope of a running tap: what was in force when a row was finished decides,
// and a file that is broken changes nothing.
func TestSniff_HangupTakesUpAScope(t *testing.T) {
	w := newWire(t)
	m := w.serve()
	path := scopeFile(t, "domains: [b.example]\n")
	s := w.sniff("--scope", path, "--json", "--metrics", "127.0.0.1:9425")
	outside := int64(0)
	send := func(prefix string, dropped int64) {
		t.Helper()
		if err := w.send("192.0.2.25:25", prefix, 1); err != nil {
			t.Fatal(err)
		}
		outside += dropped
		await(t, "the rows of "+prefix, func() bool {
			r, err := report.Ask(t.Context(), s.control)
			return err == nil && r.Rows == int64(len(m.taken)) && report.Sum(r.OutOfScope) == outside
		})
	}
	change := func(text, says string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		before := strings.Count(s.diag.String(), says)
		if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		await(t, says, func() bool { return strings.Count(s.diag.String(), says) > before })
	}
	send("first", 0)
	change("domains: [a.example]\nkeep_other_side: true\n", "settings read again")
	send("second", 0)
	change("domains: [a.example]\nleave_out: [192.0.2.0/24]\n", "settings read again")
	send("third", 2)
	change("domain: [b.example]\n", "cannot read the settings again")
	send("fourth", 2)
	r, err := report.Ask(t.Context(), s.control)
	if err != nil || r.OutOfScope["left out"] != 4 || len(r.Scope) != 64 {
		t.Errorf("%v, %v, %q", err, r.OutOfScope, r.Scope)
	}
	if _, page := w.get("/metrics"); !strings.Contains(page, `tap25_rows_out_of_scope_total{rule="left_out"} 4`) {
		t.Error("the metrics lack the rows out of scope")
	}
	if status := asked(t, "status", "--control", s.control); !strings.Contains(status, "rows = out of scope") ||
		!strings.Contains(status, "scope: SHA-256 "+r.Scope) {
		t.Errorf("status: %s", status)
	}
	want := []string{"<nil> b0@b.example accepted", "<nil> c0@b.example accepted",
		"second0@a.example b0@b.example accepted",
		"second0@a.example c0@b.example accepted"}
	if rows := essentials(s.end(syscall.SIGTERM)); !slices.Equal(rows, slices.Sorted(slices.Values(want))) {
		t.Errorf("rows %q", rows)
	}
	if !strings.Contains(s.diag.String(), "outside   4 rows out of scope (left out 4)") {
		t.Errorf("the summary: %s", s.diag.String())
	}
	for _, text := range []string{"b.example", "a.example", "192.0.2.0"} {
		if strings.Contains(s.diag.String(), text) {
			t.Errorf("the log has an entry of the scope, or an address")
		}
	}
}

func TestSniffSettings_Scope(t *testing.T) {
	for text, want := range map[string]string{"domains: [.be]\n": "", "domain: [.be]\n": "unknown key"} {
		path := configFile(t, "interface: eth1\nscope: "+scopeFile(t, text)+"\n")
		s, err := settingsOf(t, "--config", path)
		if want == "" && (err != nil || s.Scope == nil || !s.Scope.Address("a@b.be").Keep) {
			t.Errorf("%v, %+v", err, s)
		}
		if want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	_, err := settingsOf(t, "-i", "eth1", "--scope", "/nowhere/scope.yaml")
	if err == nil || !strings.Contains(err.Error(), "read scope") {
		t.Errorf("a file that is not there: %v", err)
	}
}

// TestSniff_RecordsEachScope changes the scope of a tap with a database, and starts it again without one.
func TestSniff_RecordsEachScope(t *testing.T) {
	w := newWire(t)
	stateHome(t)
	path := filepath.Join(openDir(t), "scope.yaml") // which the owner of the cluster may read
	if err := os.WriteFile(path, []byte("domains: [.be]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { run(context.Background(), []string{"db", "down"}, nil, io.Discard, io.Discard) })
	asked(t, "db", "up")
	recorded := func() string {
		return asked(t, "db", "psql", "--", "-XAtc",
			"select coalesce(rules, 'all'), sha256 is null, set_by = session_user, "+
				"since < now() and since > now() - interval '1 day' from scopes where sensor = 'tap' and program = "+
				"'sniff' order by since")
	}
	for i, want := range []string{"domains: [.be]\n|f|t|t\n", "domains: [.nl]\n|f|t|t\n", "all|t|t|t\n"} {
		args := []string{"--db", "local"}
		if i < 2 {
			args = append(args, "--scope", path)
		}
		s := w.sniff(args...)
		await(t, "the scope on record", func() bool { return strings.HasSuffix(recorded(), want) })
		if i == 0 {
			if err := os.WriteFile(path, []byte("domains: [.nl]\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
			await(t, "the changed scope on record", func() bool {
				return strings.HasSuffix(recorded(), "domains: [.nl]\n|f|t|t\n")
			})
		}
		s.end(syscall.SIGTERM)
	}
	if got := recorded(); strings.Count(got, "|t\n") != 3 {
		t.Errorf("on record: %s", got)
	}
}
