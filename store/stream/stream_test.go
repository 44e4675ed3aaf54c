package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"tap25/capture/capturetest"
	"tap25/reassembly/smtp"
	"tap25/store"
	"tap25/store/spool"
	"tap25/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(storetest.Run(m)) }

// nowhere is a database that answers at once that it is not there.
const nowhere = "postgres://nobody@127.0.0.1:1/none?sslmode=disable"

func envelope(n int) *smtp.Envelope {
	client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), 40000)
	server := netip.MustParseAddrPort("198.51.100.25:25")
	return &smtp.Envelope{SeenAt: time.Now().UTC(), Sensor: "tap", SessionID: int64(n), Client: client, Server: server,
		Outcome: smtp.Accepted}
}

// migrated is an empty database with tap25's schema.
func migrated(t *testing.T) (dsn string, db *store.DB) {
	t.Helper()
	dsn = storetest.DSN(t, storetest.Database(t))
	return dsn, migrate(t, dsn)
}

func migrate(t *testing.T, dsn string) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), dsn)
	if err == nil {
		t.Cleanup(db.Close)
		err = db.Migrate(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// Live rows beyond the limit are lost and counted, without a wait; what is within it stays until the next start.
func TestStream_SpoolKeepsItsLimit(t *testing.T) {
	const limit = 1 << 20
	dir := filepath.Join(t.TempDir(), "spool")
	s, err := Open(t.Context(), Config{DSN: nowhere, Dirs: []string{dir}, Limits: Limits{Bytes: limit}, Sensor: "tap",
		Log: zerolog.Nop(), Stderr: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	n := int64(0)
	for ; s.Stats().Spool.Lost < 1000; n++ {
		s.Emit(envelope(int(n)))
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Close(ended); !errors.Is(err, ErrLost) || !errors.Is(err, ErrAway) { // some wait, some were in memory
		t.Error(err)
	}
	st, lost := s.Stats().Spool, s.Stats().Lost
	if st.Appended+st.Lost+lost != n || st.Appended != st.Waiting || st.Dropped != 0 || st.Bytes > limit ||
		st.Waiting == 0 {
		t.Errorf("%d rows: %+v", n, st)
	}
	if err := (&Limits{Bytes: 0}).Check(); err == nil {
		t.Error("a spool of no bytes is no mistake")
	}
}

// A pipe's rows wait for room in the spool, but not once a signal has come: then what finds no room is lost, and
// counted.
func TestStream_AnInterruptionEndsTheWaitForRoom(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	s, err := Open(ctx, Config{DSN: nowhere, Dirs: []string{filepath.Join(t.TempDir(), "spool")},
		Limits: Limits{Bytes: 1 << 20},
		Sensor: "tap", Waits: true, Log: zerolog.Nop(), Stderr: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	var emitted atomic.Int64
	ended := make(chan bool)
	go func() {
		defer close(ended)
		for n := 0; ctx.Err() == nil || s.Stats().Lost == 0; n++ {
			s.Emit(envelope(n))
			emitted.Add(1)
		}
	}()
	before := int64(-1)
	full := func() bool {
		still := emitted.Load() == before && before > 0
		before = emitted.Load()
		time.Sleep(200 * time.Millisecond)
		return still && emitted.Load() == before
	}
	for end := time.Now().Add(time.Minute); !full(); {
		if time.Now().After(end) {
			t.Fatal("the spool does not fill")
		}
	}
	interrupt()
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Fatal("it waits on")
	}
	s.Close(ctx) // which says that rows wait
	if st := s.Stats(); st.Lost == 0 || st.Spool.Appended+st.Lost != emitted.Load() {
		t.Errorf("%d rows: %d appended, %d lost", emitted.Load(), st.Spool.Appended, st.Lost)
	}
}

// What takes connections and drops them may be a server that comes up: it is waited for, and that is said.
func TestStream_BeginsByWaitingForAServerThatDropsItsConnections(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dropped := &atomic.Int64{}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
			dropped.Add(1)
		}
	}()
	const again = "run the same command again"
	var diag capturetest.Buffer
	cfg := Config{DSN: "postgres://nobody@" + l.Addr().String() + "/none?sslmode=disable", Dirs: []string{t.TempDir()},
		Sensor:   "tap",
		Patience: sayWaiting + time.Second, Log: zerolog.Nop(), Stderr: &diag}
	if _, err := Open(t.Context(), cfg); err == nil || dropped.Load() < 2 ||
		strings.Count(diag.String(), "waiting up to 2s for the database") != 1 || !strings.Contains(err.Error(), again) {
		t.Errorf("%v after %d connections: %s", err, dropped.Load(), diag.String())
	}
	cfg.DSN = nowhere
	diag = capturetest.Buffer{}
	if _, err := Open(t.Context(), cfg); err == nil || diag.String() != "" {
		t.Errorf("where nothing listens: %v: %s", err, diag.String())
	}
	s := &Stream{cfg: cfg} // whose database went away after the start
	if s.db, err = store.NewDatabase(nowhere); err != nil {
		t.Fatal(err)
	}
	err = s.Ask(t.Context(), func(*store.DB) error { return nil })
	if err == nil || !strings.Contains(err.Error(), again) ||
		strings.Count(diag.String(), "waiting up to 2s for the database") != 1 {
		t.Errorf("a question: %v: %s", err, diag.String())
	}
}

// Rows that the database refuses, damage, and what a newer tap25 has left are told of, without what is in them.
func TestStream_LogsWhatNeedsAttention(t *testing.T) {
	dsn, db := migrated(t)
	dir := filepath.Join(t.TempDir(), "spool")
	var diag capturetest.Buffer
	open := func() *Stream {
		s, err := Open(t.Context(), Config{DSN: dsn, Dirs: []string{dir}, Sensor: "tap", Log: zerolog.New(&diag),
			Stderr: os.Stderr})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	address := "canary@b.example"
	for n := range 10 {
		e := envelope(n)
		e.RcptTo = &address
		record := store.AppendRow(nil, e)
		if n == 5 {
			record[bytes.Index(record, []byte("@b"))] = 0xff // no UTF-8
		}
		s.Put(record)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	rows := 0
	if err := db.Conn().QueryRow(t.Context(), "select count(*) from tap25.mail").Scan(&rows); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Spool.SetAside != 1 || st.Spool.Loaded != 9 || rows != 9 {
		t.Errorf("%+v, %d rows", st, rows)
	}
	newer := filepath.Join(dir, "0000000000000001-0000000000000002-3.seg")
	if err := os.WriteFile(newer, []byte("\x89tap25\r\n\x63 and more"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := open().Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(newer); err != nil {
		t.Error(err)
	}
	for _, want := range []string{`"rows":1,"spool":"` + dir, "set aside", `"files":1,`, "newer tap25"} {
		if !strings.Contains(diag.String(), want) {
			t.Errorf("the log does not say %q: %s", want, diag.String())
		}
	}
	if strings.Contains(diag.String(), "canary") || strings.Contains(diag.String(), "example") {
		t.Error("the log holds something of a row")
	}
}

func TestSpoolKeep_IsBounded(t *testing.T) {
	for keep, sound := range map[time.Duration]bool{0: true, 10 * time.Minute: true, mostKeep: true, -1: false,
		mostKeep + 1: false} {
		if err := (&Limits{Bytes: 10 << 30, Keep: keep}).Check(); (err == nil) != sound {
			t.Errorf("%s: %v", keep, err)
		}
	}
}

// What can be in use at once is bounded; beyond it a replay says what to do.
func TestStream_SaysSoWhereAllSpoolsAreInUse(t *testing.T) {
	base := t.TempDir()
	for n := range mostReplays {
		dir := filepath.Join(base, fmt.Sprint("replay-", n))
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(dir)
		if err == nil {
			t.Cleanup(func() { f.Close() })
			err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	s := &Stream{cfg: Config{Spools: filepath.Join(base, "replay")}}
	if err := s.openSpool(); !errors.Is(err, spool.ErrBusy) ||
		!strings.Contains(err.Error(), "1000 replays into this database run already") {
		t.Error(err)
	}
	if dirs, err := LeftSpools(base, "replay"); err != nil || len(dirs) != mostReplays {
		t.Errorf("%d directories are looked at: %v", len(dirs), err)
	}
}

// Whatever a tap makes first of a state directory whose parents are missing, the private cluster's server, which is
// another user's, can enter it.
func TestOpen_MakesParentsThatTheServerEnters(t *testing.T) {
	for name, first := range map[string]func() error{
		"spool": func() error {
			s := &Stream{cfg: Config{Sensor: "tap"}}
			defer func() {
				if s.spool != nil {
					s.spool.Close()
				}
			}()
			return s.openSpool()
		},
		"key": func() error { _, _, err := OpenKey(""); return err },
	} {
		parent := filepath.Join(t.TempDir(), "missing")
		t.Setenv("XDG_STATE_HOME", parent)
		if err := first(); err != nil {
			t.Fatal(err)
		}
		want := os.FileMode(0o700)
		if os.Geteuid() == 0 {
			want = 0o755
		}
		for dir, want := range map[string]os.FileMode{parent: want, filepath.Join(parent, "tap25"): 0o700} {
			if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != want {
				t.Errorf("%s: %v, %v, want %v", name, st.Mode().Perm(), err, want)
			}
		}
	}
}

// A sensor's name is any text; its directory is below that of the spools, is not hidden, and is no other sensor's.
func TestSensorDir(t *testing.T) {
	for sensor, want := range map[string]string{
		"tap-1.example_x": "tap-1.example_x", ".": "%2E", "..": "%2E.", ".hidden": "%2Ehidden", "a/b": "a%2Fb",
		"%2E": "%252E", "ü": "%C3%BC",
	} {
		if got := sensorDir(sensor); got != want {
			t.Errorf("%q: %q, want %q", sensor, got, want)
		}
	}
}

// A live tap asks its database at the start, though no row waits, and says what is wrong; and when that is over.
func TestStream_TriesTheDatabaseBeforeARowWaits(t *testing.T) {
	dsn := storetest.DSN(t, storetest.Database(t))
	for name, c := range map[string]struct{ dsn, says string }{
		"nothing listens":    {nowhere, "connection refused"},
		"a login refused":    {dsn + " user=nobody_has_this", "nobody_has_this"},
		"no schema is there": {dsn, "tap25 db migrate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // each takes seconds of waiting
			var diag capturetest.Buffer
			s, err := Open(t.Context(), Config{DSN: c.dsn, Dirs: []string{filepath.Join(t.TempDir(), "spool")},
				Sensor: "tap", Log: zerolog.New(&diag), Stderr: os.Stderr})
			if err != nil {
				t.Fatal(err)
			}
			wait(t, "an error in the log", func() bool { return logged(&diag, "error", c.says) })
			if s.Stats().Loader.Err == nil {
				t.Error("the counters do not show it")
			}
			if c.dsn == dsn {
				migrate(t, dsn)
				wait(t, "the end of it", func() bool { return logged(&diag, "info", "the database accepts rows again") })
			}
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// logged reports whether a line of a level holds a text.
func logged(diag *capturetest.Buffer, level, text string) bool {
	for line := range strings.Lines(diag.String()) {
		if strings.Contains(line, `"level":"`+level) && strings.Contains(line, text) {
			return true
		}
	}
	return false
}

func wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// What makes the spool full is logged with the rows that it loses, since a higher limit is no cure for a full disk.
func TestWatcher_SaysWhatMakesTheSpoolFull(t *testing.T) {
	var log bytes.Buffer
	w := &watcher{s: &Stream{cfg: Config{Log: zerolog.New(&log)}}}
	w.disk(Stats{Spool: spool.Stats{Lost: 3, LastFault: fmt.Errorf("%w: its disk has 5 bytes free", spool.ErrFull)}})
	if line, _, _ := strings.Cut(log.String(), "\n"); !strings.Contains(line, `"rows_lost":3`) ||
		!strings.Contains(line, "its disk has 5 bytes free") ||
		!strings.Contains(line, "room for the spool, on its disk") {
		t.Error(log.String())
	}
}
