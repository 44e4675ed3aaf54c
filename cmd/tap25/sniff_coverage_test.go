package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"tap25/cmd/tap25/report"
	"tap25/store/cluster"
)

// asksSQL returns a line for each row of the answer.
func asksSQL(t *testing.T, sql string) []string {
	t.Helper()
	return strings.Split(strings.TrimSuffix(asked(t, "db", "psql", "--", "-Atc", sql), "\n"), "\n")
}

// TestSniff_CoverageShowsOutagesLossesAndCrashes listens while the database is away, is killed, and loses frames when it
// listens again: coverage has no gap behind the outage, one behind the kill, and the losses.
func TestSniff_CoverageShowsOutagesLossesAndCrashes(t *testing.T) {
	w := newWire(t)
	dir := stateHome(t)
	c, err := cluster.New(filepath.Join(dir, "tap25"))
	if err != nil {
		t.Fatal(err)
	}
	m := w.serve()
	flags := []string{"--db", c.DSN(), "--sensor", "tap", "--ring-bytes", "65536", "--workers", "1"}
	s := w.sniff(flags...) // the database is away
	if err := w.send("192.0.2.25:25", "one", 3); err != nil {
		t.Fatal(err)
	}
	s.atRest(len(m.taken))
	w.ip("-n " + w.tap + " link set tap0 down")
	await(t, "the link to be missed", func() bool { return strings.Contains(s.diag.String(), "is down") })
	w.ip("-n " + w.tap + " link set tap0 up")
	await(t, "the link to be back", func() bool { return strings.Contains(s.diag.String(), "interface is up") })
	records := int64(0)
	await(t, "records of both changes, on disk", func() bool {
		r, err := report.Ask(t.Context(), s.control)
		if err == nil {
			records = r.Store.Coverage
		}
		return err == nil && records >= 3 &&
			strings.Contains(asked(t, "spool", "verify"),
				fmt.Sprintf(" %d intact records", int64(len(m.taken))+records))
	})
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()

	asked(t, "db", "up")
	t.Cleanup(func() { run(context.Background(), []string{"db", "down"}, nil, io.Discard, io.Discard) })
	s = w.sniff(flags...)
	if err := s.cmd.Process.Signal(syscall.SIGSTOP); err != nil { // frames gather in the ring until it is full
		t.Fatal(err)
	}
	if err := w.send("192.0.2.25:25", "two", 100); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	var r *report.Report
	await(t, "losses", func() bool {
		r, err = report.Ask(t.Context(), s.control)
		return err == nil && r.RingFull > 0 && r.Read == r.Delivered
	})
	s.end(syscall.SIGTERM)
	s = w.sniff(flags...) // which loads what the end had no time for
	await(t, "all to be loaded", func() bool {
		r, err := report.Ask(t.Context(), s.control)
		return err == nil && r.Store.Coverage > 0 && r.Store.Loaded == r.Store.Found+r.Store.Coverage
	})

	got := asksSQL(t, `select concat_ws('|', interfaces, started, stopped, program, scope is null) from tap25.coverage
		where started or stopped or interfaces = '{}' order by since, before`)
	want := []string{"{tap0}|t|f|sniff|t", "{}|f|f|sniff|t", "{tap0}|t|f|sniff|t", "{tap0}|f|t|sniff|t",
		"{tap0}|t|f|sniff|t"}
	if got = slices.Compact(got); !slices.Equal(got, want) {
		t.Errorf("starts, stops and times without an interface: %q, want %q", got, want)
	}
	sums := asksSQL(t, "select sum(rows), sum(ring_full), sum(octets_lost) >= "+fmt.Sprint(r.LostBytes)+
		", (sum(octets_lost) > 0) = (sum(sessions_cut) > 0) from tap25.coverage")[0]
	rows := asksSQL(t, "select count(*) from mail")[0]
	if want := fmt.Sprintf("%s|%d|t|t", rows, r.RingFull); sums != want {
		t.Errorf("rows, frames lost, all octets that were lost, and the sessions cut: %s, want %s", sums, want)
	}
	// Adjacent, but for the kill and the stop.
	if n := asksSQL(t, `select count(*) from (
		select since, lag(before) over (order by since, before) as last from tap25.coverage) c
		where last <> since`)[0]; n != "2" {
		t.Errorf("%s breaks in the records, want 2", n)
	}
	// The time without an interface goes on as that after the kill. The last run may have written a record of a minute.
	answer := asksSQL(t, `
		select count(*) filter (where upper(g) <= stop), count(*) filter (where lower(g) = stop), frames_lost > 0
		from tap25.completeness('-infinity', 'infinity') c, unnest(c.gaps) g,
			(select min(since) as start, max(before) filter (where stopped) as stop from tap25.coverage) r
		where lower(g) >= start group by frames_lost`)[0]
	if answer != "1|1|t" {
		t.Errorf("gaps before the stop, after it, and whether frames were lost: %s", answer)
	}
	n, err := strconv.Atoi(asksSQL(t, "select count(*) from tap25.coverage")[0])
	if err != nil || int64(n) < records+3 {
		t.Errorf("%d records, %v; the first run alone had %d", n, err, records)
	}
	if status := asked(t, "db", "status"); !regexp.MustCompile(`(?m)^coverage +up to 2\S+Z: tap$`).MatchString(status) {
		t.Error(status)
	}
	s.end(syscall.SIGTERM)
}
