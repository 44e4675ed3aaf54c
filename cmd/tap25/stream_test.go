package main

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"tap25/reassembly/smtp"
	"tap25/store"
)

// nowhere is a database that answers at once that it is not there.
const nowhere = "postgres://nobody@127.0.0.1:1/none?sslmode=disable"

func envelope(n int) *smtp.Envelope {
	client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), 40000)
	return &smtp.Envelope{SeenAt: time.Now().UTC(), Sensor: "tap", SessionID: int64(n), Client: client, Server: mx, Outcome: smtp.Accepted}
}

// Live rows beyond the limit are lost and counted, without a wait; what is within it stays until the next start.
func TestStream_SpoolKeepsItsLimit(t *testing.T) {
	const limit = 1 << 20
	dir := filepath.Join(t.TempDir(), "spool")
	s, err := openStream(t.Context(), streamConfig{db: nowhere, dirs: []string{dir}, limits: spoolLimits{bytes: limit}, sensor: "tap", log: zerolog.Nop(), stderr: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	n := int64(0)
	for ; s.Stats().spool.Lost < 1000; n++ {
		s.Emit(envelope(int(n)))
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	s.Close(ended) // which says that rows wait
	st := s.Stats().spool
	if st.Appended+st.Lost != n || st.Appended != st.Waiting+st.Dropped || st.Bytes > limit || st.Waiting == 0 {
		t.Errorf("%d rows: %+v", n, st)
	}
	if err := (&spoolLimits{bytes: 0}).check(); err == nil {
		t.Error("a spool of no bytes is no mistake")
	}
}

// A pipe's rows wait for room in the spool, but not once a signal has come: then what finds no room is lost, and counted.
func TestStream_AnInterruptionEndsTheWaitForRoom(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	s, err := openStream(ctx, streamConfig{db: nowhere, dirs: []string{filepath.Join(t.TempDir(), "spool")}, limits: spoolLimits{bytes: 1 << 20},
		sensor: "tap", waits: true, log: zerolog.Nop(), stderr: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	var emitted atomic.Int64
	ended := make(chan bool)
	go func() {
		defer close(ended)
		for n := 0; ctx.Err() == nil || s.Stats().lost == 0; n++ {
			s.Emit(envelope(n))
			emitted.Add(1)
		}
	}()
	before := int64(-1)
	awaitFor(t, time.Minute, "the spool to be full", func() bool {
		still := emitted.Load() == before && before > 0
		before = emitted.Load()
		time.Sleep(200 * time.Millisecond)
		return still && emitted.Load() == before
	})
	interrupt()
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Fatal("it waits on")
	}
	s.Close(ctx) // which says that rows wait
	if st := s.Stats(); st.lost == 0 || st.spool.Appended+st.lost != emitted.Load() {
		t.Errorf("%d rows: %d appended, %d lost", emitted.Load(), st.spool.Appended, st.lost)
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
	var diag syncBuffer
	cfg := streamConfig{db: "postgres://nobody@" + l.Addr().String() + "/none?sslmode=disable", dirs: []string{t.TempDir()}, sensor: "tap",
		patience: sayWaiting + time.Second, log: zerolog.Nop(), stderr: &diag}
	if _, err := openStream(t.Context(), cfg); err == nil || dropped.Load() < 2 || strings.Count(diag.String(), "waiting up to 4s for the database") != 1 {
		t.Errorf("%v after %d connections: %s", err, dropped.Load(), diag.String())
	}
	cfg.db = nowhere
	diag = syncBuffer{}
	if _, err := openStream(t.Context(), cfg); err == nil || diag.String() != "" {
		t.Errorf("where nothing listens: %v: %s", err, diag.String())
	}
}

// Rows that the database refuses, damage, and what a newer tap25 has left are told of, without what is in them.
func TestStream_LogsWhatNeedsAttention(t *testing.T) {
	conn, cluster := server(t)
	dir := filepath.Join(t.TempDir(), "spool")
	var diag syncBuffer
	open := func() *stream {
		s, err := openStream(t.Context(), streamConfig{db: cluster.DSN(), dirs: []string{dir}, sensor: "tap", log: zerolog.New(&diag), stderr: os.Stderr})
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
		s.put(record)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.spool.SetAside != 1 || st.spool.Loaded != 9 || rowsIn(t, conn) != 9 {
		t.Errorf("%+v, %d rows", st, rowsIn(t, conn))
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
