package rowtest

import (
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

// The programs that hand statements to an engine, or read with one.
var (
	//go:embed duckdb.cjs
	duckDB []byte

	//go:embed clickhouse.cjs
	clickHouse []byte

	//go:embed pandas.py
	pandas []byte
)

// DuckDB runs statements in DuckDB, which is another reader of Parquet than the library that wrote it, and returns the
// columns and the rows of the last. A machine without DuckDB skips the test.
func DuckDB(t testing.TB, statements ...string) (columns []string, rows [][]any) {
	t.Helper()
	modules := installed(t, "duckdb", "node_modules", "make install-duckdb")
	return answer(t, run(t, duckDB, modules, "node", append([]string{"-"}, statements...)...))
}

// ClickHouse does the same in ClickHouse.
func ClickHouse(t testing.TB, statements ...string) (columns []string, rows [][]any) {
	t.Helper()
	modules := installed(t, "clickhouse", "node_modules", "make install-parquet-engines")
	return answer(t, run(t, clickHouse, modules, "node", append([]string{"-"}, statements...)...))
}

// Pandas returns the rows of exported files as lines of JSON, as pandas reads them with pyarrow. A machine without them
// skips the test.
func Pandas(t testing.TB, path string) []byte {
	t.Helper()
	return Python(t, pandas, path)
}

// Python returns what a program prints that may use pandas. A machine without pandas skips the test.
func Python(t testing.TB, program []byte, args ...string) []byte {
	t.Helper()
	python := installed(t, "pandas", "bin/python3", "make install-parquet-engines")
	return run(t, program, "", python, append([]string{"-"}, args...)...)
}

// installed returns the path of a file that a target of the Makefile makes below bin/FEATURE.
func installed(t testing.TB, feature, file, target string) string {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	path := filepath.Join(filepath.Dir(here), "..", "..", "..", "..", "bin", feature, file)
	if _, err := os.Stat(path); err != nil {
		capturetest.Missing(t, feature, "install it with '"+target+"'")
	}
	return path
}

// run has an interpreter run a program, in another time zone than UTC, and returns what it prints.
func run(t testing.TB, program []byte, modules, interpreter string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), interpreter, args...)
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules, "TZ=Asia/Tokyo")
	cmd.Stdin = bytes.NewReader(program)
	var diag bytes.Buffer
	cmd.Stderr = &diag
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", filepath.Base(interpreter), err, diag.Bytes())
	}
	return out
}

// answer reads a line with the names of columns, and then one for each row.
func answer(t testing.TB, out []byte) (columns []string, rows [][]any) {
	t.Helper()
	for line := range bytes.Lines(out) {
		into := any(&columns)
		if columns != nil {
			rows = append(rows, nil)
			into = &rows[len(rows)-1]
		}
		d := json.NewDecoder(bytes.NewReader(line))
		d.UseNumber()
		if err := d.Decode(into); err != nil {
			t.Fatal(err)
		}
	}
	return columns, rows
}
