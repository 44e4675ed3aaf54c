package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"tap25/store/storetest"
)

// TestRegions_AreAddedListedAndRemoved has the cluster as a region of its own.
func TestRegions_AreAddedListedAndRemoved(t *testing.T) {
	_, c := server(t)
	host, user := storetest.Address(t, c)
	question := []string{"db", "psql", "--", "-XAtc",
		"select region, answer, note from mail_national_to('a@a.example')"}
	var out, diag bytes.Buffer
	if status := run(t.Context(), question, nil, &out, &diag); status == statusDone ||
		!strings.Contains(diag.String(), "tap25 db regions add") {
		t.Errorf("without a region: status %d, %s", status, diag.String())
	}
	if got := asked(t, "db", "regions", "ls"); got != "REGION  ANSWER  SERVER\n" {
		t.Errorf("before it, there is\n%s", got)
	}
	for _, name := range []string{"a b", ".a", strings.Repeat("ö", 64)} {
		_, diag := command(t, statusFailed, "db", "regions", "add", name, "--url", "postgres:///x?host=/y")
		if !strings.Contains(diag, fmt.Sprintf("%q is no name of a region", name)) {
			t.Errorf("the name %q: %s", name, diag)
		}
	}
	asked(t, "db", "regions", "add", "here", "--url", "postgres:///postgres?host="+host)
	asked(t, "db", "regions", "add", "north", "--url", "postgres://"+user+"@/postgres?host=/nowhere")
	if got := asked(t, question...); got != "here|whole|0 rows\nnorth|no answer|no connection\n" &&
		got != "north|no answer|no connection\nhere|whole|0 rows\n" {
		t.Errorf("it answers\n%s", got)
	}
	listed := asked(t, "db", "regions", "ls", "--patience", "9s")
	for _, want := range []string{"here    yes            dbname='postgres' host='" + host + "'",
		"north   no connection  dbname='postgres' host='/nowhere' user='" + user + "'"} {
		if !strings.Contains(listed, want) {
			t.Errorf("it lists\n%swithout %s", listed, want)
		}
	}
	asked(t, "db", "regions", "rm", "north")
	if listed := asked(t, "db", "regions", "ls"); strings.Contains(listed, "north") {
		t.Errorf("it lists what was removed:\n%s", listed)
	}
	for _, args := range [][]string{{"db", "regions"}, {"db", "regions", "add", "x"},
		{"db", "regions", "add", "x", "--url", "postgres://a:secret@db/mail"}} {
		if status := run(t.Context(), args, nil, &out, &diag); status != statusUsage {
			t.Errorf("%v: status %d", args, status)
		}
	}
	for _, url := range []string{"host=db", "postgres://db"} {
		if status := run(t.Context(), []string{"db", "regions", "add", "x", "--url", url}, nil, &out,
			&diag); status != statusFailed {
			t.Errorf("%s: status %d", url, status)
		}
	}
}
