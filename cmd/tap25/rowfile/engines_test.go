package rowfile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tap25/cmd/tap25/rowfile/rowtest"
	"tap25/reassembly/smtp"
	"tap25/store"
)

// Other implementations read files of odd rows. Each value must be that of the JSON line.

func TestDuckDB_ReadsEveryColumn(t *testing.T) {
	rowtest.DuckDB(t, "SELECT 1")
	readEach(t, func(path string) (lines []byte) {
		// as JSON, since DuckDB's client drops a byte order mark at the beginning of a text
		_, read := rowtest.DuckDB(t, "SET TimeZone = 'UTC'", fmt.Sprintf(`
			SELECT to_json(t)::varchar FROM (SELECT * REPLACE (
			strftime(seen_at, '%%Y-%%m-%%dT%%H:%%M:%%S.%%fZ') AS seen_at, base64(mail_from_raw) AS mail_from_raw,
			base64(rcpt_to_raw) AS rcpt_to_raw) FROM '%s') t`, path))
		for _, row := range read {
			lines = append(lines, row[0].(string)+"\n"...)
		}
		return lines
	})
}

func TestClickHouse_ReadsEveryColumn(t *testing.T) {
	rowtest.ClickHouse(t, "SELECT 1")
	readEach(t, func(path string) []byte {
		columns, read := rowtest.ClickHouse(t, fmt.Sprintf(`
			SELECT * REPLACE (replace(toString(seen_at), ' ', 'T') || 'Z' AS seen_at,
			base64Encode(mail_from_raw) AS mail_from_raw, base64Encode(rcpt_to_raw) AS rcpt_to_raw)
			FROM file('%s')`, path))
		var lines bytes.Buffer
		for _, row := range read {
			object := map[string]any{}
			for i, name := range columns {
				object[name] = row[i]
			}
			if err := json.NewEncoder(&lines).Encode(object); err != nil {
				t.Fatal(err)
			}
		}
		return lines.Bytes()
	})
}

func TestPandas_ReadsEveryColumn(t *testing.T) {
	rowtest.Python(t, nil)
	readEach(t, func(path string) []byte { return rowtest.Pandas(t, path) })
}

// readEach has an engine read files: one of random rows, of which one has a long address; and one of rows in which is
// null what may be, so that columns have no value at all.
func readEach(t *testing.T, read func(path string) (lines []byte)) {
	t.Helper()
	odd, long := anyRows(1000), strings.Repeat("long", 50_000)+"@orchard.example"
	odd[500].Envelope.RcptTo = &long
	var nulls []*store.CaseRow
	for _, r := range odd[:10] {
		e := smtp.Envelope{SeenAt: r.Envelope.SeenAt, Client: r.Envelope.Client, Server: r.Envelope.Server}
		nulls = append(nulls, &store.CaseRow{Envelope: e})
	}
	for _, rows := range [][]*store.CaseRow{odd, nulls} {
		path := filepath.Join(t.TempDir(), "mail.parquet")
		if err := os.WriteFile(path, write(t, mail, rows), 0o600); err != nil {
			t.Fatal(err)
		}
		sameLines(t, read(path), rows)
	}
}

// sameLines compares the rows that an engine has read with those that were written.
func sameLines(t *testing.T, lines []byte, rows []*store.CaseRow) {
	t.Helper()
	n := 0
	for line := range bytes.Lines(lines) {
		if n == len(rows) {
			t.Fatalf("more than %d rows", n)
		}
		got, want := decoded(t, string(line)), decoded(t, string(AppendMailJSON(nil, rows[n])))
		if n++; len(got) != len(want) {
			t.Fatalf("%d columns, want %d", len(got), len(want))
		}
		for name, w := range want {
			if w == nil && name == "flags" {
				w = []any{}
			}
			if g := fmt.Sprint(got[name]); strings.TrimLeft(g, "0") != strings.TrimLeft(fmt.Sprint(w), "0") {
				t.Fatalf("row %d, %s: %q, want %q", n, name, g, w)
			}
		}
	}
	if n != len(rows) {
		t.Fatalf("%d rows, want %d", n, len(rows))
	}
}

func decoded(t *testing.T, line string) (row map[string]any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(line))
	d.UseNumber()
	if err := d.Decode(&row); err != nil {
		t.Fatal(err)
	}
	return row
}

// Questions for a file of two row groups, of which an engine need not read both.

func TestDuckDB_PassesOverRowGroups(t *testing.T) {
	rowtest.DuckDB(t, "SELECT 1")
	path := twoGroups(t)
	for question, want := range map[string]string{
		"'rcpt_to', 'r038151@orchard.example'":   "1",
		"'mail_from', 's10000x@orchard.example'": "0",
		"'client_ip', '192.0.2.1000'":            "0",
	} {
		_, rows := rowtest.DuckDB(t, fmt.Sprintf(
			"SELECT count(*) FROM parquet_bloom_probe('%s', %s) WHERE NOT bloom_filter_excludes", path, question))
		if got := fmt.Sprint(rows[0][0]); got != want {
			t.Errorf("%s: %s row groups, want %s", question, got, want)
		}
	}
}

func TestClickHouse_PassesOverRowGroups(t *testing.T) {
	rowtest.ClickHouse(t, "SELECT 1")
	path := twoGroups(t)
	read := func(question string) (rows int64) {
		_, answer := rowtest.ClickHouse(t, fmt.Sprintf("SELECT count() FROM file('%s') WHERE %s", path, question),
			"SELECT sum(value) FROM system.events WHERE event = 'SelectedRows'")
		fmt.Sscan(fmt.Sprint(answer[0][0]), &rows)
		return rows
	}
	all := read("lower(rcpt_to) = 'r038151@orchard.example'")
	if all < rowGroup {
		t.Fatalf("%d rows were read for a question that needs all", all)
	}
	for question, most := range map[string]int64{
		"seen_at < '2026-11-30 00:00:01'":       all / 2, // by minima and maxima
		"rcpt_to = 'r038151@orchard.example'":   all / 2, // by Bloom filters
		"mail_from = 's10000x@orchard.example'": 0,
		"client_ip = '192.0.2.1000'":            0,
	} {
		if n := read(question); n > most {
			t.Errorf("%s: %d rows were read of %d, want %d at most", question, n, all, most)
		}
	}
}

// TestPandas_PassesOverRowGroups shows that minima and maxima are used, and Bloom filters are not.
func TestPandas_PassesOverRowGroups(t *testing.T) {
	rowtest.Python(t, nil)
	out := rowtest.Python(t, []byte(`
import datetime, sys
from pyarrow.dataset import dataset, field
second = datetime.datetime(2026, 11, 30, 0, 0, 1, tzinfo=datetime.timezone.utc)
file = next(dataset(sys.argv[1]).get_fragments())
for question in (field("seen_at") < second, field("rcpt_to") == "s", field("rcpt_to") == "r038151@orchard.example"):
    print(file.subset(question).num_row_groups)
`), twoGroups(t))
	if got := strings.Fields(string(out)); fmt.Sprint(got) != "[1 0 2]" {
		t.Errorf("%s row groups", got)
	}
}

// twoGroups writes a file of two row groups, with other addresses in each row: those of both groups have about the same
// minimum and maximum.
func twoGroups(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "mail.parquet")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, row := NewMailParquet(f), anyRows(1)[0]
	start := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
	const n = rowGroup + 20_000
	for i := range n {
		from, to := fmt.Sprintf("s%06d@orchard.example", i*7919%n), fmt.Sprintf("r%06d@orchard.example", i*104_729%n)
		r := *row
		r.Envelope.MailFrom, r.Envelope.RcptTo = &from, &to
		r.Envelope.SeenAt = start.Add(time.Duration(i) * time.Millisecond)
		if err := w.Add(&r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}
