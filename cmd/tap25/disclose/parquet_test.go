package disclose

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
)

// TestParquet_HasTheValuesOfTheJSONLines reads rows.parquet without tap25's types: its columns are the keys of
// rows.jsonl, in the same order, and its values are those of the lines.
func TestParquet_HasTheValuesOfTheJSONLines(t *testing.T) {
	dir := makeMaterial(t, 200).write(t)
	lines := bytes.Split(bytes.TrimSpace(read(t, dir, rowsJSON)), []byte("\n"))
	rows, err := parquet.ReadFile[any](filepath.Join(dir, rowsParquet))
	if err != nil || len(rows) != len(lines) {
		t.Fatalf("%d rows of %d, %v", len(rows), len(lines), err)
	}
	file, err := parquet.OpenFile(bytes.NewReader(read(t, dir, rowsParquet)), int64(len(read(t, dir, rowsParquet))))
	if err != nil {
		t.Fatal(err)
	}
	var columns []string
	for _, f := range file.Schema().Fields() {
		columns = append(columns, f.Name())
	}
	if want := strings.TrimSpace(string(newCSV().Header())); strings.Join(columns, ",") != want {
		t.Errorf("columns %v, want %s", columns, want)
	}
	for i, line := range lines {
		var want map[string]any
		d := json.NewDecoder(bytes.NewReader(line))
		d.UseNumber()
		if err := d.Decode(&want); err != nil {
			t.Fatal(err)
		}
		have := rows[i].(map[string]any)
		for _, name := range columns {
			if got, want := fromParquet(name, have[name]), fromJSON(want[name]); got != want {
				t.Errorf("row %d, %s: %s, want %s", i+1, name, got, want)
			}
		}
	}
}

// fromParquet returns a value of rows.parquet as text.
func fromParquet(column string, v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		if strings.HasSuffix(column, "_raw") {
			return base64.StdEncoding.EncodeToString([]byte(v))
		}
	case []byte:
		return base64.StdEncoding.EncodeToString(v)
	case int64:
		if column == "seen_at" {
			return time.UnixMicro(v).UTC().Format("2006-01-02T15:04:05.000000Z")
		}
	case time.Time:
		return v.UTC().Format("2006-01-02T15:04:05.000000Z")
	case []any:
		if len(v) == 0 {
			return "null"
		}
	}
	return fmt.Sprint(v)
}

// fromJSON returns a value of rows.jsonl as text.
func fromJSON(v any) string {
	if v == nil {
		return "null"
	}
	return fmt.Sprint(v)
}
