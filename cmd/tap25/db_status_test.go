package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"tap25/cmd/tap25/report"
	"tap25/store"
	"tap25/store/spool"
)

func TestDBStatus_ShowsGrowthAndWhenTheDiskIsFull(t *testing.T) {
	const gib = 1 << 30
	for _, c := range []struct {
		status store.Status
		disk   *report.Disk
		want   []string
	}{
		{store.Status{Rows: 12_345_678, Bytes: 5 * gib, RowsADay: 1_000_000, PackedStatus: store.PackedStatus{PackedDays: 3,
			PackedRows: 1_000, PackedBytesPerRow: 60, HotBytesPerRow: 250, Growth: 500_000_000, HotGrowth: 900_000_000}},
			&report.Disk{Free: 50_000_000_000}, []string{"rows 12,345,678\n",
				"packed 3 days with 1,000 rows, 60 bytes a row; 250 a row in other days\n",
				"growth 1,000,000 rows a day, 476.8 MiB, and 858.3 MiB until they are packed\n",
				"disk 46.6 GiB free, full on " + time.Now().AddDate(0, 0, 100).UTC().Format(time.DateOnly) +
					", by the retention in force\n"}},
		{store.Status{RowsADay: 7, PackedStatus: store.PackedStatus{Growth: 500}}, &report.Disk{Free: gib},
			[]string{"disk 1.0 GiB free, not full within ten years, by the retention in force\n"}},
		{store.Status{}, &report.Disk{Free: gib}, []string{
			"growth not known: none of the seven days before today has rows\n",
			"disk 1.0 GiB free, not known when it is full\n"}},
		{store.Status{Servers: 3, RowsADay: 7, PackedStatus: store.PackedStatus{Growth: 500, HotGrowth: 500}}, nil,
			[]string{"distributed over 3 servers; days are not packed\ngrowth 7 rows a day, 500 B\noldest"}},
	} {
		var out bytes.Buffer
		if err := writeStatus(&out, &c.status, &statusAround{Disk: c.disk}); err != nil {
			t.Fatal(err)
		}
		shown := regexp.MustCompile(" +").ReplaceAllString(out.String(), " ")
		for _, line := range c.want {
			if !strings.Contains(shown, line) {
				t.Errorf("no %q in\n%s", line, shown)
			}
		}
	}
	var out bytes.Buffer
	err := writeStatus(&out, &store.Status{}, &statusAround{})
	if err != nil || strings.Contains(out.String(), "disk") {
		t.Errorf("%v: the disk of another host is in\n%s", err, out.String())
	}
}

func TestDBStatus_ShowsTheSpoolWithoutADatabase(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_STATE_HOME", dir)
	s, err := spool.Open(spool.Config{Dir: filepath.Join(dir, "tap25", "spool", "tap"), Sensor: "tap"})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		if err := s.Append(store.AppendRow(nil, envelope(n))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var out, diag bytes.Buffer
	if status := run(t.Context(), []string{"db", "status", "--db", away}, nil, &out, &diag); status != statusFailed ||
		!strings.Contains(out.String(), "1 segments with 3 rows waiting") || diag.Len() == 0 {
		t.Errorf("status %d: %s%s", status, out.String(), diag.String())
	}
}

// TestDBStatus_ShowsALoginWhatItMaySee asks as a sensor and as an auditor, who may not see how many rows there are.
func TestDBStatus_ShowsALoginWhatItMaySee(t *testing.T) {
	dsn := loginsDatabase(t)
	if out := asked(t, "db", "expire", "--retention", "100y"); out == "" {
		t.Error("no retention is stored")
	}
	first := "retention       keeps " + time.Now().UTC().AddDate(-100, 0, 0).Format(time.DateOnly) + " and later days\n"
	for user, retention := range map[string]bool{"tap1": true, "paula": false} {
		out := asked(t, "db", "status", "--db", dsn(user))
		for _, want := range []string{"\nschema ", "\npartitions ", "\nbytes ", "\nspool ", "\nnot shown "} {
			if !strings.Contains(out, want) {
				t.Errorf("%s sees no %q in\n%s", user, want, out)
			}
		}
		if strings.Contains(out, first) != retention || strings.Contains(out, "permission denied") {
			t.Errorf("%s sees\n%s", user, out)
		}
		var shown map[string]any
		if err := json.Unmarshal([]byte(asked(t, "db", "status", "--json", "--db", dsn(user))), &shown); err != nil {
			t.Fatal(err)
		}
		if _, rows := shown["rows"]; rows || shown["database_bytes"] == nil || shown["spool"] == nil {
			t.Errorf("%s sees %v", user, shown)
		}
	}
	if out := asked(t, "db", "status", "--db", dsn("adam")); !strings.Contains(out, "\ngrowth ") {
		t.Errorf("an administrator sees\n%s", out)
	}
}
