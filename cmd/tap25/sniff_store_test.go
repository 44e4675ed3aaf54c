package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"tap25/cmd/tap25/report"
	"tap25/store"
	"tap25/store/storetest"
)

// asked runs tap25 in this process and gives what it prints.
func asked(t testing.TB, args ...string) string {
	t.Helper()
	var out, diag bytes.Buffer
	if status := run(t.Context(), args, nil, &out, &diag); status != statusDone {
		t.Fatalf("%s: status %d: %s", args[:2], status, diag.String())
	}
	return out.String()
}

// rowsLoaded is how many rows are loaded, of this run and of what it has found, if all its coverage is.
func rowsLoaded(r *report.Report) int64 { return r.Store.Loaded - r.Store.Coverage }

// TestSniff_LoadsIntoTheDatabase listens, as root and without rights afterwards, loads while it runs, and the rest at
// its end, into a private cluster that it has started.
func TestSniff_LoadsIntoTheDatabase(t *testing.T) {
	w := newWire(t)
	storetest.StateHome(t)
	m := w.serve()
	s := w.sniff("--db", "local", "--retention", "never")
	if err := w.send("192.0.2.25:25", "one", 20); err != nil {
		t.Fatal(err)
	}
	await(t, "rows in the database", func() bool {
		r, err := report.Ask(t.Context(), s.control)
		return err == nil && r.Store != nil && rowsLoaded(r) == int64(len(m.taken))
	})
	if err := w.send("[2001:db8::25]:25", "two", 20); err != nil {
		t.Fatal(err)
	}
	s.end(syscall.SIGTERM)
	rows := strings.Split(strings.TrimSpace(asked(t, "db", "psql", "--", "-Atc",
		"select mail_from || ' ' || rcpt_to || ' ' || outcome || coalesce(flags::text, '') from mail")), "\n")
	slices.Sort(rows)
	slices.Sort(m.taken)
	if fmt.Sprint(rows) != fmt.Sprint(m.taken) {
		t.Errorf("%d rows in the database, %d taken by the server; or not the same", len(rows), len(m.taken))
	}
}

// A private cluster that was made before may not start, such as on a full disk, or need long to recover. The tap
// listens without it, and loads when it is back.
func TestSniff_ListensThoughThePrivateClusterDoesNotStart(t *testing.T) {
	w := newWire(t)
	stateHome(t)
	d, err := store.NewDatabase(store.Local)
	if err != nil {
		t.Fatal(err)
	}
	settings := filepath.Join(d.Cluster.DataDir(), "postgresql.auto.conf")
	sound, err := os.ReadFile(settings)
	if err == nil {
		err = os.WriteFile(settings, []byte("no setting\n"), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	m := w.serve()
	s := w.sniff("--db", "local", "--retention", "never")
	if err := w.send("192.0.2.25:25", "one", 3); err != nil {
		t.Fatal(err)
	}
	await(t, "rows in the spool", func() bool {
		r, err := report.Ask(t.Context(), s.control)
		return err == nil && r.Store.Waiting >= int64(len(m.taken))
	})
	if err := os.WriteFile(settings, sound, 0o600); err != nil {
		t.Fatal(err)
	}
	await(t, "rows in the database", func() bool {
		r, err := report.Ask(t.Context(), s.control)
		return err == nil && rowsLoaded(r) == int64(len(m.taken))
	})
	s.end(syscall.SIGTERM)
}

// TestSniff_DropsWhatIsOlderThanTheRetention finds a day in the database that is years old.
func TestSniff_DropsWhatIsOlderThanTheRetention(t *testing.T) {
	w := newWire(t)
	stateHome(t)
	captures := t.TempDir()
	if err := makeCaptures(captures); err != nil {
		t.Fatal(err)
	}
	asked(t, "replay", captures+"/mail.pcap") // of 2023
	if rows := asked(t, "db", "psql", "--", "-Atc", "select count(*) from mail"); rows != "2\n" {
		t.Fatalf("%s rows to begin with", rows)
	}
	s := w.sniff("--db", "local", "--retention", "2y")
	await(t, "word of it", func() bool {
		return strings.Contains(s.diag.String(), "dropped rows that are older than the retention")
	})
	if said := asked(t, "status", "--control", s.control); !strings.Contains(said, "\ngrowth: not known in the first ten "+
		"minutes\nretention: 2y\n") {
		t.Errorf("status says %s", said)
	}
	s.end(syscall.SIGTERM)
	if left := asked(t, "db", "psql", "--", "-Atc",
		"select (select count(*) from mail), (select count(*) from expired), (select sum(rows) from expired)"); left != "0|1|2\n" {
		t.Errorf("rows left, days expired, their rows: %s", left)
	}
}
