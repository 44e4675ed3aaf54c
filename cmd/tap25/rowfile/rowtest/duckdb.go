package rowtest

import (
	"bufio"
	"bytes"
	_ "embed"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"tap25/capture/capturetest"
)

//go:embed duckdb.cjs
var duckDB []byte

// DuckDB runs statements in DuckDB, which is another reader of Parquet than the library that wrote it, and returns the
// columns and the rows of the last. A machine without DuckDB skips the test.
func DuckDB(t testing.TB, statements ...string) (columns []string, rows [][]any) {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	modules := filepath.Join(filepath.Dir(here), "..", "..", "..", "..", "bin", "duckdb", "node_modules")
	node, err := exec.LookPath("node")
	if err == nil {
		_, err = os.Stat(filepath.Join(modules, "@duckdb", "node-api"))
	}
	if err != nil {
		capturetest.Missing(t, "duckdb", "install it with 'make install-duckdb'")
	}
	cmd := exec.CommandContext(t.Context(), node, append([]string{"-"}, statements...)...)
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules, "TZ=Asia/Tokyo")
	cmd.Stdin = bytes.NewReader(duckDB)
	var diag bytes.Buffer
	cmd.Stderr = &diag
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("DuckDB: %v: %s", err, diag.Bytes())
	}
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		into := any(&columns)
		if columns != nil {
			rows = append(rows, nil)
			into = &rows[len(rows)-1]
		}
		if err := json.Unmarshal(lines.Bytes(), into); err != nil {
			t.Fatalf("DuckDB: %v", err)
		}
	}
	return columns, rows
}
