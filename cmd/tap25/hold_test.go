package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestHold_KeepsMailThatExpires holds one address of the demo capture, and lets all of it expire.
func TestHold_KeepsMailThatExpires(t *testing.T) {
	stateHome(t)
	t.Setenv("DATABASE_URL", "")
	tap25 := func(want int, args ...string) (out, diag string) {
		t.Helper()
		var o, d bytes.Buffer
		if status := run(t.Context(), args, nil, &o, &d); status != want {
			t.Fatalf("%s: status %d, want %d: %s", args[:2], status, want, d.String())
		}
		return o.String(), d.String()
	}
	ask := func(sql string) string {
		t.Helper()
		out, _ := tap25(statusDone, "db", "psql", "--", "-XAtc", sql)
		return strings.TrimSpace(out)
	}
	tap25(statusDone, "db", "up")
	t.Cleanup(func() { tap25(statusDone, "db", "down") })
	tap25(statusDone, "replay", "--sensor", "tap", filepath.Join("..", "..", "testdata", "demo.pcap.gz"))
	// Two years and more go by: the days become older, not the clock younger.
	ask(`do $$ begin
		create temp table moved as select * from tap25_internal.envelopes;
		update moved set seen_at = seen_at - interval '1000 days';
		perform tap25_internal.begin_load('tap', array_agg(distinct (seen_at at time zone 'UTC')::date)) from moved;
		insert into tap25_internal.envelopes select * from moved; end $$`)
	want := ask("select count(*) from mail where 'marta@orchard.example' in (lower(mail_from), lower(rcpt_to)) and " +
		"seen_at < '2025-01-01'")
	if want == "0" || ask("select count(*) from mail") != "1528" {
		t.Fatalf("the rows are not there twice, or no mail of the address: %s", want)
	}

	for _, args := range [][]string{{"hold", "add", "a@b.example"}, {"hold", "add", "a b", "--reason", "x"},
		{"hold", "add", "b.example", "--reason", "x", "--from", "yesterday"},
		{"hold", "add", "b.example", "--reason", "x", "--from", "2026-02-01", "--to", "2026-01-01"},
		{"hold", "drop", "x"},
		{"hold", "add", "b.example", "--reason", "x", "--network", "vlan 12"},
		{"hold", "add", "10.0.0.5", "--reason", "x", "--network", "vlan12"},
		{"hold", "add", "10.0.0.5", "--reason", "x", "--network", ""},
		{"db", "expire", "--retention", "2w"}, {"db", "expire", "--change-retention"}} {
		tap25(statusUsage, args...)
	}
	out, _ := tap25(statusDone, "hold", "add", "Marta@ORCHARD.example", "--from", "2020-01-01", "--to", "2025-01-01",
		"--reason", "case 17")
	if out != "hold 1\nit concerns "+want+" rows now\n" {
		t.Errorf("hold add says %q", out)
	}
	if _, diag := tap25(statusFailed, "hold", "add", "marta", "--reason", "x"); !strings.Contains(diag, "dot") {
		t.Errorf("a word as a domain: %s", diag)
	}
	if out, _ := tap25(statusDone, "hold", "ls"); !regexp.MustCompile(`(?m)^1 .*2020-01-01T00:00:00Z +2025-01-01T00:00:00Z +- .* 0 +"case 17"$`).MatchString(out) {
		t.Errorf("hold ls says %s", out)
	}
	if out, _ := tap25(statusDone, "db", "expire", "--retention", "2y", "--dry-run"); !strings.Contains(out,
		"would drop 764 rows") ||
		ask("select count(*) from mail") != "1528" {
		t.Errorf("dry run says %s", out)
	}
	if out, _ := tap25(statusDone, "db", "expire", "--retention", "24mo"); !strings.Contains(out, "dropped 764 rows") ||
		!strings.Contains(out, " of them held") {
		t.Errorf("expire says %s", out)
	}
	if got := ask("select count(*) from mail where seen_at < '2025-01-01'"); got != want {
		t.Errorf("%s rows are left of the old days, want %s", got, want)
	}
	if _, diag := tap25(statusFailed, "db", "expire", "--retention", "1y"); !strings.Contains(diag,
		"1y is shorter than the one stored in the database, 2 years, which ") {
		t.Errorf("a shorter retention is refused with %s", diag)
	}
	statusJSON, _ := tap25(statusDone, "db", "status", "--json")
	var s struct {
		Rows, Held, Misdated, Partitions int
		ExpiredDays                      int `json:"expired_days"`
		Lag                              *float64
	}
	if err := json.Unmarshal([]byte(statusJSON), &s); err != nil || s.Rows != 764 || s.ExpiredDays < 1 || s.Held == 0 {
		t.Errorf("status is %s, %v", statusJSON, err)
	}
	if out, _ := tap25(statusDone, "db", "status"); !regexp.MustCompile(`(?m)^rows +764$`).MatchString(out) ||
		!regexp.MustCompile(`(?m)^oldest +2026-`).MatchString(out) ||
		!regexp.MustCompile(`(?m)^retention +2 years$`).MatchString(out) {
		t.Errorf("status says %s", out)
	}
	if out, _ := tap25(statusDone, "hold", "add", "10.0.0.5", "--network", "vlan 12", "--reason",
		"case 18"); out != "hold 2\nit concerns 0 rows now\n" {
		t.Errorf("hold add says %q", out)
	}
	if out, _ := tap25(statusDone, "hold", "ls"); !regexp.MustCompile(`(?m)^2 +"10\.0\.0\.5 in vlan 12" .* 0 +"case 18"$`).MatchString(out) {
		t.Errorf("hold ls says %s", out)
	}
	if out, _ := tap25(statusDone, "hold", "drop", "2"); !strings.HasPrefix(out, "hold 2 has ended") {
		t.Errorf("hold drop says %q", out)
	}
	tap25(statusDone, "hold", "drop", "1")
	tap25(statusFailed, "hold", "drop", "1")
	if out, _ := tap25(statusDone, "db", "expire"); !strings.Contains(out, "dropped held") ||
		ask("select count(*) from mail") != "764" {
		t.Errorf("expire behind the hold says %s", out)
	}
	if out, _ := tap25(statusDone, "db", "expire", "--retention", "23mo", "--change-retention"); !strings.Contains(out,
		"dropped 0 rows") || ask("select count(*) from retentions") != "2" {
		t.Errorf("another retention is stored with %s", out)
	}
	// Days that are over are finished once nothing has come for a while.
	if out, _ := tap25(statusDone, "db", "expire"); strings.Contains(out, "finished") {
		t.Errorf("just behind the load, expire says %s", out)
	}
	ask("update tap25_internal.days set loaded_at = now() - interval '11 minutes'")
	for _, finished := range []bool{true, false} {
		out, _ := tap25(statusDone, "db", "expire")
		if regexp.MustCompile(`(?m)^finished 2026-\d\d-\d\d: summarized, rows frozen$`).MatchString(out) != finished {
			t.Errorf("finished %v is wrong: expire says %s", finished, out)
		}
	}
}

// TestHold_CountsMailForWhoMayReadIt adds a hold as an administrator, who may not know how much mail an address has.
func TestHold_CountsMailForWhoMayReadIt(t *testing.T) {
	dsn := loginsDatabase(t)
	if out := asked(t, "hold", "add", "marta@orchard.example", "--reason", "x", "--db", dsn("adam")); out != "hold 1\n" {
		t.Errorf("hold add says %q", out)
	}
}
