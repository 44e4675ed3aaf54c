package store

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tap25/reassembly/smtp"
	"tap25/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(storetest.Run(m)) }

// database makes a database of its own for a test, migrated unless bare.
func database(t testing.TB, bare bool) *DB {
	t.Helper()
	if bare {
		return another(t, storetest.Database(t))
	}
	return another(t, storetest.Migrated(t, migrate))
}

// migrate gives a database the schema.
func migrate(ctx context.Context, dsn string) error {
	db, err := Open(ctx, dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	return db.Migrate(ctx)
}

// testPath lets tests name tap25's objects without their schemas.
const testPath = " search_path='tap25,tap25_internal,public'"

// another connects to a test's database.
func another(t testing.TB, name string) *DB {
	t.Helper()
	db, err := Open(t.Context(), storetest.DSN(t, name)+testPath)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

func full() *smtp.Envelope {
	size, declared := int64(1234), int64(9999)
	return &smtp.Envelope{
		SeenAt: time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC), Sensor: "tap", SessionID: -5, MailNo: 3,
		Client: netip.MustParseAddrPort("192.0.2.1:40000"), Server: netip.MustParseAddrPort("[2001:db8::25]:25"),
		HELO: new("client.example"), MailFrom: new("Äpfel@a.example"), RcptTo: new("b@b.example"),
		MailFromRaw: []byte{0xff, 0}, RcptToRaw: []byte("@x:b@b.example"), MailCode: 250, RcptCode: 251, DataCode: 554,
		Outcome: smtp.Refused, MessageBytes: &size, DeclaredSize: &declared, EnvID: new("env"),
		ORcpt:   new("o@b.example"),
		QueueID: new("Q1"), Auth: true, TLSServerName: new("mx.example"), LostBytes: 7,
		Flags:    smtp.Gap | smtp.Truncated,
		OriginIP: netip.MustParseAddr("2001:db8::7"), OriginPort: 50000, OriginBy: smtp.ByProxy,
		Network: "vxlan 5001/vlan 3",
	}
}

func bare() *smtp.Envelope {
	return &smtp.Envelope{SeenAt: time.Date(1999, 12, 31, 23, 59, 59, 999999000, time.UTC), Sensor: "tap",
		Client: netip.MustParseAddrPort("192.0.2.1:1"), Server: netip.MustParseAddrPort("198.51.100.25:65535")}
}

func encode(rows ...*smtp.Envelope) (out [][]byte) {
	for _, e := range rows {
		out = append(out, AppendRow(nil, e))
	}
	return out
}

// fromMail reads the view mail back under the names and in the forms of the JSON rows.
const fromMail = `select row_to_json(r) from (
	select to_char(seen_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as seen_at, sensor, session_id::text, mail_no, host(client_ip) as client_ip,
	client_port, host(server_ip) as server_ip, server_port, host(origin_ip) as origin_ip, origin_port, origin_by, network, helo, mail_from, rcpt_to, encode(mail_from_raw, 'base64') as mail_from_raw,
	encode(rcpt_to_raw, 'base64') as rcpt_to_raw, mail_code, rcpt_code, data_code, outcome, message_bytes, declared_size, envid, orcpt, queue_id,
	auth, tls_server_name, lost_bytes, flags from mail order by seen_at desc) r`

func TestLoad_ViewMailEqualsTheJSONRow(t *testing.T) {
	db := database(t, false)
	if _, err := db.Load(t.Context(), "tap", "one", encode(full(), bare())); err != nil {
		t.Fatal(err)
	}
	rows, err := db.Conn().Query(t.Context(), fromMail)
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[map[string]any])
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range []*smtp.Envelope{full(), bare()} {
		b, _ := e.MarshalJSON()
		want := map[string]any{}
		json.Unmarshal(b, &want)
		if len(got[i]) != len(want) {
			t.Errorf("mail has %d columns, the JSON row %d keys", len(got[i]), len(want))
		}
		for k, v := range want {
			if !reflect.DeepEqual(got[i][k], v) {
				t.Errorf("row %d: %s is %v, want %v", i, k, got[i][k], v)
			}
		}
	}
}

func count(t testing.TB, db *DB) (n int) {
	t.Helper()
	if err := db.Conn().QueryRow(t.Context(), "select count(*) from mail").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestLoad_SegmentIsLoadedOnce(t *testing.T) {
	db := database(t, false)
	for i, want := range []bool{true, false, false} {
		added, err := db.Load(t.Context(), "tap", "one", encode(full(), bare()))
		if err != nil || added != want {
			t.Errorf("load %d: added %v, %v; want %v", i+1, added, err, want)
		}
	}
	if n := count(t, db); n != 2 {
		t.Errorf("%d rows, want 2", n)
	}
}

// TestNote_EntersAllOrNone breaks a note off at its second segment, which another load has entered and not committed.
func TestNote_EntersAllOrNone(t *testing.T) {
	db := database(t, false)
	other := another(t, db.Conn().Config().Database)
	tx, err := other.conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	var steps pgx.Batch
	enterLoads(&steps, []batch{{sensor: "tap", key: "b"}}, new([]bool))
	if err := tx.SendBatch(t.Context(), &steps).Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := db.conn.Exec(t.Context(), "set lock_timeout = '100ms'"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Note(t.Context(), "tap", []FileKey{{Key: "a"}, {Key: "b"}, {Key: "c"}}); err == nil {
		t.Fatal("noted what another load may still undo")
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, noted := range []bool{false, true} {
		for _, key := range []string{"a", "b", "c"} {
			if yes, err := db.Loaded(t.Context(), "tap", key); err != nil || yes != noted {
				t.Errorf("segment %s is loaded: %v, %v; want %v", key, yes, err, noted)
			}
		}
		before, err := db.Note(t.Context(), "tap", []FileKey{{Key: "a"}, {Key: "b"}, {Key: "c"}})
		if want := map[bool]int{true: 3}[noted]; err != nil || before != want {
			t.Fatalf("%d were entered before, want %d: %v", before, want, err)
		}
	}
}

func TestLoad_TwoMakeTheSamePartitionsAtOnce(t *testing.T) {
	first := database(t, false)
	second := another(t, first.Conn().Config().Database)
	var group sync.WaitGroup
	for i, db := range []*DB{first, second} {
		group.Go(func() {
			for day := range 20 {
				e := full()
				e.SeenAt = e.SeenAt.AddDate(0, 0, day)
				if _, err := db.Load(context.Background(), fmt.Sprint("tap", i), fmt.Sprint(day),
					encode(e)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if n := count(t, first); n != 40 {
		t.Errorf("%d rows, want 40", n)
	}
}

// A partition shows in the catalog while its maker's commit is not over: no row goes there before the maker's lock is
// gone.
func TestLoad_WaitsForWhoMadeAPartition(t *testing.T) {
	db := database(t, false)
	maker := another(t, db.Conn().Config().Database)
	loadRows(t, db, "tap", full())
	tx, err := maker.conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	// as who made it has it locked
	if _, err := tx.Exec(t.Context(), "lock table envelopes_20260102 in access exclusive mode"); err != nil {
		t.Fatal(err)
	}
	loaded := make(chan error, 1)
	go func() {
		_, err := db.Load(context.Background(), "tap", "waits", encode(full()))
		loaded <- err
	}()
	pid := db.Conn().PgConn().PID()
	wait(t, func() bool {
		return ask[int](t, maker, fmt.Sprintf("select count(*) from pg_locks where pid = %d and relation = "+
			"'envelopes_20260102'::regclass and mode = 'RowExclusiveLock' and not granted", pid)) == 1
	})
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-loaded; err != nil {
		t.Error(err)
	}
	if n := count(t, db); n != 2 {
		t.Errorf("%d rows, want 2", n)
	}
}

func TestLoad_HostileTextIsStored(t *testing.T) {
	db := database(t, false)
	var rows []*smtp.Envelope
	for _, s := range []string{"a\x00b", "\xff\xfe", strings.Repeat("x", 64<<10) + "@b.example",
		"'; DROP TABLE envelopes; --", "\x1b[2J", "a\r\nb", "\u202e"} {
		e := full()
		e.MailFrom, e.RcptTo = &s, &s
		rows = append(rows, e)
	}
	if _, err := db.Load(t.Context(), "tap", "hostile", encode(rows...)); err != nil {
		t.Fatal(err)
	}
	if n := count(t, db); n != len(rows) {
		t.Errorf("%d rows, want %d", n, len(rows))
	}
}

func TestCheck_SaysWhatIsWrongWithTheSchema(t *testing.T) {
	db := database(t, true)
	if err := db.Check(t.Context()); err != ErrNoSchema {
		t.Errorf("no schema: %v", err)
	}
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := db.Check(t.Context()); err != nil {
		t.Errorf("after migrating: %v", err)
	}
	if _, err := db.Conn().Exec(t.Context(), "update tap25_internal."+versionTable+" set version = 99"); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{db.Check(t.Context()), db.Migrate(t.Context())} {
		if err == nil || !strings.Contains(err.Error(), "newer tap25") {
			t.Errorf("newer schema: %v", err)
		}
	}
}

func TestOpen_NamesNoPasswordAndDoesNotHang(t *testing.T) {
	for _, dsn := range []string{"postgres://u:secret@127.0.0.1:1/x", "postgres://u:secret@127.0.0.1:port/x"} {
		_, err := Open(t.Context(), dsn)
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("error is %v", err)
		}
	}
}

func TestOpen_ErrorsTellWhetherWaitingHelps(t *testing.T) {
	database(t, true) // or skip
	c := storetest.Cluster(t)
	_, user := storetest.Address(t, c)
	with := func(from, to string) string { return strings.Replace(c.DSN(), from, to, 1) }
	for name, e := range map[string]struct {
		dsn      string
		hopeless bool
	}{
		"no such database": {with("dbname=postgres", "dbname=nowhere"), true},
		"no such user":     {with("user="+user, "user=nobody-at-all"), true},
		"no server":        {"postgres://u@127.0.0.1:1/x?sslmode=disable", false},
		"no socket":        {"host=" + t.TempDir() + " user=u", false},
	} {
		_, err := Open(t.Context(), e.dsn)
		if err == nil || hopeless(err) != e.hopeless || Passes(err) {
			t.Errorf("%s: hopeless %v, passes by itself %v: %v", name, hopeless(err), Passes(err), err)
		}
	}
	for code, want := range map[string]bool{"57P01": true, "57P02": true, "57P03": true, "57014": false,
		"28P01": false} {
		if got := Passes(fmt.Errorf("load: %w", &pgconn.PgError{Code: code})); got != want {
			t.Errorf("SQLSTATE %s passes by itself: %v", code, got)
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	db := database(b, false)
	var rows [][]byte
	for i := range 10000 {
		e := full()
		e.MailFrom, e.RcptTo = new(fmt.Sprintf("from%d@a%d.example", i*7919, i%997)),
			new(fmt.Sprintf("to%d@b%d.example", i, i%97))
		rows = append(rows, AppendRow(nil, e))
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		if _, err := db.Load(b.Context(), "tap", fmt.Sprint(n), rows); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n*10000)/b.Elapsed().Seconds(), "rows/s")
}

func BenchmarkAppendRow(b *testing.B) {
	e := full()
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendRow(buf[:0], e)
	}
}
