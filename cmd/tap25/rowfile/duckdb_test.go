package rowfile

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tap25/cmd/tap25/rowfile/rowtest"
)

// TestDuckDB_ReadsEveryColumn has another implementation read a file of random rows, and compares each value with that
// of the JSON line.
func TestDuckDB_ReadsEveryColumn(t *testing.T) {
	rows := anyRows(1000)
	path := filepath.Join(t.TempDir(), "mail.parquet")
	if err := os.WriteFile(path, write(t, mail, rows), 0o600); err != nil {
		t.Fatal(err)
	}
	// as JSON, since DuckDB's client drops a byte order mark at the beginning of a text
	_, read := rowtest.DuckDB(t, "SET TimeZone = 'UTC'", fmt.Sprintf(`
		SELECT to_json(t)::varchar FROM (SELECT * REPLACE (
		strftime(seen_at, '%%Y-%%m-%%dT%%H:%%M:%%S.%%fZ') AS seen_at, base64(mail_from_raw) AS mail_from_raw,
		base64(rcpt_to_raw) AS rcpt_to_raw, nullif(flags, []) AS flags) FROM '%s') t`, path))
	if len(read) != len(rows) {
		t.Fatalf("%d rows", len(read))
	}
	for i, r := range rows {
		got, want := decoded(t, read[i][0].(string)), decoded(t, string(AppendMailJSON(nil, r)))
		if len(got) != len(want) {
			t.Fatalf("%d columns, want %d", len(got), len(want))
		}
		for name, w := range want {
			if g := fmt.Sprint(got[name]); strings.TrimLeft(g, "0") != strings.TrimLeft(fmt.Sprint(w), "0") {
				t.Fatalf("row %d, %s: %q, want %q", i+1, name, g, w)
			}
		}
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
