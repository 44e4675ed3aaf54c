package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"

	"tap25/store/spool"
	"tap25/store/storetest"
)

// statements counts those of a connection.
type statements struct{ n int }

func (s *statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	s.n++
	return ctx
}

func (s *statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// Ten minutes of segments are asked for in a statement for each thousand.
func TestMissing_AsksForManyInOneStatement(t *testing.T) {
	db := database(t, false)
	cfg := db.Conn().Config().Copy()
	counted := &statements{}
	cfg.Tracer = counted
	asking, err := connect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer asking.Close()
	var segments []spool.Segment
	var keys []FileKey
	for n := range 1200 {
		segments = append(segments, spool.Segment{Sensor: "tap", Key: fmt.Sprint("key ", n)})
		keys = append(keys, FileKey{Key: segments[n].Key})
	}
	segments = append(segments, spool.Segment{Sensor: "another", Key: "key 0"})
	if _, err := db.Note(t.Context(), "tap", keys[:1193]); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	missing, err := asking.Missing(t.Context(), segments[:1193])
	t.Logf("asked for %d in %s", len(segments)-8, time.Since(begun))
	if err != nil || missing != nil || counted.n > 8 {
		t.Errorf("%d missing of those that are there, after %d statements: %v", len(missing), counted.n, err)
	}
	counted.n = 0
	missing, err = asking.Missing(t.Context(), segments)
	if err != nil || len(missing) != 8 || counted.n > 12 {
		t.Errorf("%d missing of 8, after %d statements: %v", len(missing), counted.n, err)
	}
	for _, seg := range segments[1193:] {
		if !slices.Contains(missing, seg) {
			t.Errorf("%s of %s is not missing", seg.Key, seg.Sensor)
		}
	}
	// Two segments with the same key have the same rows: one of them is enough.
	if missing, err = asking.Missing(t.Context(),
		[]spool.Segment{segments[0], segments[1199], segments[1199]}); err != nil || len(missing) != 1 {
		t.Errorf("%d missing of 1: %v", len(missing), err)
	}
	var entered int
	if err := db.Conn().QueryRow(t.Context(), "select count(*) from tap25_internal.loads").
		Scan(&entered); err != nil || entered != 1193 {
		t.Errorf("asking has entered %d, %v", entered-1193, err)
	}
}

// forget makes a database lose its last loads, as a failover does, with its connections.
func forget(t *testing.T, db *DB, sensor string, from int) {
	t.Helper()
	for _, statement := range []string{
		fmt.Sprintf("delete from tap25_internal.loads where sensor = '%s' and segment in (select segment from "+
			"tap25_internal.loads where sensor = '%[1]s' order by segment offset %d)", sensor, from/10),
		fmt.Sprintf("delete from tap25_internal.envelopes where sensor = '%s' and session_id >= %d", sensor, from),
		fmt.Sprintf("delete from tap25_internal.days where sensor = '%s'", sensor),
		fmt.Sprintf("insert into tap25_internal.days (day, sensor, rows) select (seen_at at time zone 'UTC')::date, "+
			"sensor, count(*) from tap25_internal.envelopes where sensor = '%s' group by 1, 2", sensor),
		"select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = current_database() and pid <> " +
			"pg_backend_pid()",
	} {
		if _, err := db.Conn().Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}

// A database that loses rows while none come, as at night, is noticed all the same; and by a loader that begins only
// then.
func TestLoader_EntersAgainWhatTheDatabaseHasLost(t *testing.T) {
	db := database(t, false)
	dir := t.TempDir()
	open := func() *spool.Spool { return openSpool(t, spool.Config{Dir: dir, SegmentRecords: 10, Keep: time.Hour}) }
	n := 0
	s := open()
	run := func(s *spool.Spool) (l *Loader, end func()) {
		l = NewLoader(LoaderConfig{Spool: s, Connect: to(db, "")})
		l.askEvery = 10 * time.Millisecond
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan bool)
		go func() { l.Run(ctx); close(ended) }()
		return l, func() { cancel(); <-ended }
	}
	l, end := run(s)
	defer func() { end() }()
	more := func() {
		for range 50 {
			sealOne(t, s, numbered("tap", n))
			n++
		}
		if err := s.Seal(""); err != nil {
			t.Fatal(err)
		}
		wait(t, func() bool { st := s.Stats(); return st.Waiting+st.Reentering == 0 && l.Idle() })
		// The loader counts rows after the spool has.
		wait(t, func() bool { ld := l.Stats(); return ld.Added+ld.Held == s.Stats().Loaded })
	}
	more()
	forget(t, db, "tap", 20)
	wait(t, func() bool { return l.Stats().Reloaded == 30 })
	checkOnce(t, db, "tap", n)
	end()
	forget(t, db, "tap", 40)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open()
	if st := s.Stats(); st.Found != 0 || st.Kept != 50 {
		t.Errorf("found %+v", st)
	}
	l, end = run(s)
	wait(t, func() bool { return l.Stats().Reloaded == 10 })
	checkOnce(t, db, "tap", n)
	more() // goes on as ever
	checkOnce(t, db, "tap", n)
	checkLoaded(t, s, l)
	forget(t, db, "tap", 90)
	l.Recheck()
	wait(t, func() bool { return l.Stats().Reloaded == 20 })
	checkOnce(t, db, "tap", n)
	if st := s.Stats(); st.Loaded != 50 || st.Reentered != 20 || st.Kept != 100 {
		t.Errorf("%+v", st)
	}
}

// What is kept expires while a server answers, and not while none does.
func TestLoader_WhatIsKeptExpiresByTheServersSignsOfLife(t *testing.T) {
	db := database(t, false)
	s := openSpool(t, spool.Config{Keep: 50 * time.Millisecond})
	l := NewLoader(LoaderConfig{Spool: s, Connect: to(db, "")})
	sealRows(t, s, "", numbered("tap", 0))
	drain(t, s, l) // whose loader ends before the time is over, or right behind it
	kept := s.Stats().KeptSegments
	<-time.After(100 * time.Millisecond)
	if n := int64(len(s.Kept())); n != kept {
		t.Errorf("%d kept, then %d although no server has answered", kept, n)
	}
	l.askEvery = time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan bool)
	go func() { l.Run(ctx); close(ended) }()
	wait(t, func() bool { return s.Stats().KeptSegments == 0 })
	cancel()
	<-ended
	if l.due() {
		t.Error("a server is asked for signs of life although nothing is kept")
	}
}

// Behind a pooler a connection may go to another server than before without a word.
func TestLoader_NoticesAnotherServerOnTheSameConnection(t *testing.T) {
	db := database(t, false)
	s := openSpool(t, spool.Config{SegmentRecords: 10, Keep: time.Hour})
	l := NewLoader(LoaderConfig{Spool: s, Connect: to(db, "")})
	sealRows(t, s, "", numbered("tap", 0))
	if err := l.try(t.Context(), s.Sealed(), nil); err != nil {
		t.Fatal(err)
	}
	l.db.server = l.db.server.Add(-time.Hour)
	sealRows(t, s, "", numbered("tap", 1))
	if err := l.try(t.Context(), s.Sealed(), nil); !errors.Is(err, errAnotherServer) || l.db != nil {
		t.Errorf("loaded on another server without asking it: %v", err)
	}
	if err := l.try(t.Context(), s.Sealed(), nil); err != nil {
		t.Error(err)
	}
	checkOnce(t, db, "tap", 2)
}

func TestLoad_CommitIsReliedOnWhateverTheRoleHas(t *testing.T) {
	db := database(t, false)
	_, err := db.Conn().Exec(t.Context(), `create table public.seen (setting text);
		create function public.see() returns trigger language plpgsql as $$ begin insert into public.seen values (current_setting('synchronous_commit')); return null; end $$;
		create trigger see after insert on tap25_internal.loads for each statement execute function public.see()`)
	if err != nil {
		t.Fatal(err)
	}
	for n, c := range []struct{ has, want string }{{"off", "on"}, {"local", "on"}, {"remote_write", "on"}, {"on", "on"},
		{"remote_apply", "remote_apply"}} {
		if _, err := db.Conn().Exec(t.Context(), "set synchronous_commit = "+c.has); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Load(t.Context(), "tap", fmt.Sprint(n), [][]byte{numbered("tap", n)}); err != nil {
			t.Fatal(err)
		}
		var seen, after string
		err := db.Conn().QueryRow(t.Context(), "with s as (delete from public.seen returning setting) select "+
			"min(setting), current_setting('synchronous_commit') from s").Scan(&seen, &after)
		if err != nil || seen != c.want || after != c.has {
			t.Errorf("%s: %s in the load and %s behind it, %v", c.has, seen, after, err)
		}
	}
}

// A machine that takes connections and never answers takes no more than its own time from the next.
func TestOpen_PassesOverAHostThatNeverAnswers(t *testing.T) {
	database(t, true) // or skip
	quiet, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer quiet.Close()
	socket, user := storetest.Address(t, storetest.Cluster(t))
	_, port, _ := net.SplitHostPort(quiet.Addr().String())
	db, err := Open(t.Context(), fmt.Sprintf("host=127.0.0.1,127.0.0.1,%s port=%s,%[2]s,5432 user=%s dbname=postgres "+
		"connect_timeout=1", socket, port, user))
	if err != nil {
		t.Fatal(err)
	}
	db.Close()
	cfg, _, err := parse("host=h1,h2")
	if err != nil {
		t.Fatal(err)
	}
	if patient(cfg); cfg.ConnectTimeout != hostTimeout {
		t.Errorf("each of several hosts has %s", cfg.ConnectTimeout)
	}
}

// The kernel gives a connection up whose server has lost its power.
func TestOpen_NoticesTheSilenceOfAMachine(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cfg, err := pgx.ParseConfig("host=127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	patient(cfg)
	conn, err := cfg.DialFunc(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var timeout, keepalive int
	err = raw.Control(func(fd uintptr) {
		timeout, _ = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
		keepalive, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE)
	})
	if err != nil || timeout != int(deadAfter.Milliseconds()) || keepalive != 1 {
		t.Errorf("TCP_USER_TIMEOUT %d, SO_KEEPALIVE %d, %v", timeout, keepalive, err)
	}
}

func TestHopeless_OfSeveralHostsOnlyWhereEachIs(t *testing.T) {
	database(t, true) // or skip
	socket, _ := storetest.Address(t, storetest.Cluster(t))
	gone := storetest.Dir(t)
	for dsn, want := range map[string]bool{
		"host=" + socket + " user=nobody_at_all dbname=postgres":              true,
		"host=" + socket + "," + gone + " user=nobody_at_all dbname=postgres": false,
	} {
		_, err := OpenWritable(t.Context(), dsn)
		if err == nil || hopeless(err) != want || strings.Contains(fmt.Sprint(err), "\n") {
			t.Errorf("%d hosts: %v", strings.Count(dsn, ",")+1, err)
		}
	}
}
