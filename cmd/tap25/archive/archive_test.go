package archive

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tap25/cmd/tap25/rowfile/rowtest"
	"tap25/store"
	"tap25/store/evidence"
	"tap25/store/storetest"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == ReaderCommand {
		if err := ServeRows(os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(storetest.Run(m))
}

const testVersion = "tap25 of a test"

// openDB makes a database with the schema and connects to it.
func openDB(t testing.TB) *store.DB {
	t.Helper()
	return connect(t, storetest.Migrated(t, func(ctx context.Context, dsn string) error {
		db, err := store.Open(ctx, dsn)
		if err != nil {
			return err
		}
		defer db.Close()
		return db.Migrate(ctx)
	}), "")
}

// connect connects to a test's database, as another user if one is given.
func connect(t testing.TB, name, user string) *store.DB {
	t.Helper()
	db, err := store.Open(context.Background(), storetest.DSN(t, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	if user != "" {
		execute(t, db, "set session authorization "+user)
	}
	return db
}

func execute(t testing.TB, db *store.DB, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		if _, err := db.Conn().Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

func newKey(t testing.TB) *evidence.Key {
	t.Helper()
	key, _, err := evidence.OpenKey(filepath.Join(t.TempDir(), "a.key"))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func signer(t testing.TB) *store.Signer {
	t.Helper()
	return &store.Signer{Key: newKey(t), Version: testVersion}
}

// oddTimes are times at the ends of days, and those of clocks that are wrong.
var oddTimes = []string{
	"2026-10-24T00:00:00Z", "2026-10-24T23:59:59.999999Z", "2026-10-25T00:00:00Z", "1999-12-31T23:59:59.999999Z",
	"1970-01-01T00:00:00Z", "1969-12-31T23:59:59.999999Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z",
	"2100-02-28T12:00:00.000001Z",
}

// fill loads n random rows of each of three sensors, in October 2026, and one at each of the odd times.
func fill(t testing.TB, db *store.DB, n int, oddTimes ...string) {
	t.Helper()
	r := rand.New(rand.NewPCG(3, 3))
	start := time.Date(2026, 10, 23, 22, 0, 0, 123456000, time.UTC)
	db.SignWith(signer(t))
	for _, sensor := range []string{"tap a", "=tap \"b\"", "täp\n,c"} {
		var records [][]byte
		for i := range n + len(oddTimes) {
			at := start.Add(time.Duration(r.Int64N(int64(60 * time.Hour)))).Truncate(time.Microsecond)
			if i >= n {
				at, _ = time.Parse(time.RFC3339, oddTimes[i-n])
			}
			records = append(records, store.AppendRow(nil, &rowtest.Any(r, at, sensor).Envelope))
		}
		records = append(records, records[0], records[1]) // the same rows twice
		if _, err := db.Load(t.Context(), sensor, "filled", records); err != nil {
			t.Fatal(err)
		}
	}
}

// mailOf returns all rows of the view mail as text, sorted.
func mailOf(t testing.TB, db *store.DB, where string) (rows []string) {
	t.Helper()
	var out strings.Builder
	_, err := db.Conn().PgConn().CopyTo(t.Context(), &out,
		"copy (select m::text from tap25.mail m "+where+" order by m::text collate \"C\") to stdout")
	if err != nil {
		t.Fatal(err)
	}
	if out.Len() == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
}

// exportAll exports all mail, and returns the directory and its manifest.
func exportAll(t testing.TB, db *store.DB) (dir string, m *Manifest) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "mail")
	m, err := Mail(t.Context(), db, store.MailQuestion{}, Settings{Dir: dir, Form: Parquet, Key: newKey(t),
		Version: testVersion})
	if err != nil {
		t.Fatal(err)
	}
	return dir, m
}

// importAll imports a directory, and returns how many rows were added and were there.
func importAll(t testing.TB, db *store.DB, path string) (added, held int64, err error) {
	t.Helper()
	i := Importer{DB: db, Signer: signer(t), Done: func(f FileReport) { added, held = added+f.Added, held+f.Held }}
	err = i.Import(t.Context(), path)
	return added, held, err
}

func sameRows(t testing.TB, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d rows, want %d", len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("row %d is\n%s\nwant\n%s", i+1, got[i], want[i])
		}
	}
}
