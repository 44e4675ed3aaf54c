package disclose

import (
	"context"
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
	"tap25/store/spool"
	"tap25/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(storetest.Run(m)) }

// open25 connects to a test's database, as another user if one is given.
func open25(t testing.TB, name, user string) *store.DB {
	t.Helper()
	db, err := store.Open(context.Background(), storetest.DSN(t, name)+" search_path='tap25,tap25_internal'")
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

// load loads rows, a segment of size each, signed by a new key if signed is set.
func load(t testing.TB, name, sensor string, signed bool, rows []*store.CaseRow, size int) {
	t.Helper()
	s, err := spool.Open(spool.Config{Dir: t.TempDir(), Sensor: sensor, SegmentRecords: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	cfg := store.LoaderConfig{Spool: s, Connect: func(ctx context.Context) (*store.DB, error) {
		return store.Open(ctx, storetest.DSN(t, name))
	}}
	if signed {
		key, _, err := evidence.OpenKey(filepath.Join(t.TempDir(), evidence.KeyFile))
		if err != nil {
			t.Fatal(err)
		}
		cfg.Signer = &store.Signer{Key: key, Version: "test"}
	}
	for i, r := range rows {
		e := r.Envelope
		e.Sensor = sensor
		if err := s.AppendWait(t.Context(), store.AppendRow(nil, &e)); err != nil {
			t.Fatal(err)
		}
		if i%size == size-1 || i == len(rows)-1 {
			if err := s.Seal(""); err != nil {
				t.Fatal(err)
			}
		}
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	l := store.NewLoader(cfg)
	go l.Run(ctx)
	for !l.Idle() && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
}

// caseOf migrates a database and opens a case on all hosts of 192.0.2.0/24 to a new user, whom it returns.
func caseOf(t testing.TB, name string) (user string) {
	t.Helper()
	db := open25(t, name, "")
	user = "paula_" + strings.TrimPrefix(name, "test_")
	approver := "anna_" + strings.TrimPrefix(name, "test_")
	execute(t, db, "create role "+user+" login in role tap25_auditor",
		"create role "+approver+" login in role tap25_approver",
		"select apply_for_warrant('2026-17', 'order of 12 May', '{"+user+"}', '{192.0.2.0/24,=marta@orchard.example}', "+
			"'2026-10-01', '2026-12-01', '2099-01-01')")
	t.Cleanup(func() {
		db.Conn().Exec(context.Background(), "drop owned by "+user+", "+approver+"; drop role "+user+", "+approver)
	})
	execute(t, open25(t, name, approver), "select tap25.approve_warrant(1, 'order read')")
	execute(t, open25(t, name, user), "select tap25.open_case('2026-17', 'complaint')")
	return user
}

// TestCase_FromTheDatabaseToTheVerifiedDirectory loads random rows of two sensors, most of them signed, and discloses
// those of a case.
func TestCase_FromTheDatabaseToTheVerifiedDirectory(t *testing.T) {
	name := storetest.Database(t)
	db := open25(t, name, "")
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(2, 2))
	var rows []*store.CaseRow
	start := time.Date(2026, 10, 24, 22, 0, 0, 123456000, time.UTC)
	for i := range 600 {
		rows = append(rows, rowtest.Any(r, start.Add(time.Duration(i)*7*time.Minute), "any"))
	}
	load(t, name, "tap a", true, rows[:400], 37)
	load(t, name, "=tap b", true, rows[200:], 50)
	load(t, name, "tap c", false, rows[550:], 50)
	user := caseOf(t, name)

	key, _, err := evidence.OpenKey(filepath.Join(t.TempDir(), KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "2026-17")
	auditor := open25(t, name, user)
	m, err := Case(t.Context(), auditor, store.CaseQuestion{Case: "2026-17"}, Settings{Dir: dir, Key: key,
		Zone: time.UTC, Version: testVersion})
	if err != nil {
		t.Fatal(err)
	}
	report := verify(t, dir)
	for _, d := range report.Differences {
		t.Error(d)
	}
	want := 0 // rows of a host in 192.0.2.0/24, as client, server or named by a proxy
	for _, x := range rows {
		for _, a := range []string{x.Envelope.Client.Addr().String(), x.Envelope.Server.Addr().String(),
			x.Envelope.OriginIP.String()} {
			if strings.HasPrefix(a, "192.0.2.") {
				want++
				break
			}
		}
	}
	t.Logf("%d rows, %d proven, %v", m.Rows, m.Evidence.Proven, m.Evidence.Unproven)
	if m.Rows < int64(want) || m.Evidence.Proven == 0 || len(m.Evidence.Keys) != 2 {
		t.Errorf("%d rows, want %d or more; %d proven; %d keys", m.Rows, want, m.Evidence.Proven, len(m.Evidence.Keys))
	}
	if w := m.Warrants[0]; w.LegalBasis != "order of 12 May" || *w.Approver == w.Applicant || len(w.Targets) != 2 {
		t.Errorf("%+v", w)
	}
}
