package stream

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"tap25/store"
)

// TestStream_ScopesWaitForTheDatabase changes the scope, and starts again, while the database is away: once it is
// there, it has each change with the time at which it came into force, and nothing waits.
func TestStream_ScopesWaitForTheDatabase(t *testing.T) {
	dsn, db := migrated(t)
	dir := filepath.Join(t.TempDir(), "spool")
	open := func(dsn string) *Stream {
		t.Helper()
		s, err := Open(t.Context(), Config{DSN: dsn, Dirs: []string{dir}, Sensor: "tap", Version: "v1",
			Log:    zerolog.Nop(),
			Stderr: os.Stderr})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	end := func(s *Stream) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_ = s.Close(ctx)
	}
	waiting := func() int {
		found, err := filepath.Glob(filepath.Join(dir, "scope-*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	note := func(s *Stream, second int64, rules string) {
		t.Helper()
		c := store.ScopeChange{Program: "sniff", Since: time.Unix(1_700_000_000+second, 0)}
		if rules != "" {
			c.Rules = &rules
		}
		if err := s.RecordScope(c); err != nil {
			t.Fatal(err)
		}
	}
	s := open(nowhere)
	note(s, 0, "") // as every start without a scope
	if n := waiting(); n != 0 {
		t.Errorf("%d changes wait, though there was never a scope", n)
	}
	note(s, 1, "domains: [.be]")
	note(s, 2, "domains: [.nl]")
	end(s)
	s = open(nowhere)
	note(s, 3, "domains: [.nl]") // a restart with the same
	end(s)
	s = open(nowhere)
	note(s, 4, "") // and one without
	end(s)
	if n := waiting(); n != 3 {
		t.Errorf("%d changes wait, want 3", n)
	}
	s = open(dsn)
	defer end(s)
	for waiting() > 0 {
		if t.Context().Err() != nil {
			t.Fatal("the changes are not recorded")
		}
		time.Sleep(10 * time.Millisecond)
	}
	note(s, 5, "{}")
	for waiting() > 0 {
		time.Sleep(10 * time.Millisecond)
	}
	var got string
	err := db.Conn().QueryRow(t.Context(), `select string_agg(concat_ws(' ', sensor, extract(epoch from since)::bigint - 1700000000,
		coalesce(rules, 'all')), ', ' order by id) from tap25.scopes`).Scan(&got)
	if want := "tap 1 domains: [.be], tap 2 domains: [.nl], tap 4 all, tap 5 {}"; err != nil || got != want {
		t.Errorf("%v: %s, want %s", err, got, want)
	}
}

func TestStream_ScopeThatCannotBeNotedIsAnError(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	s, err := Open(t.Context(), Config{DSN: nowhere, Dirs: []string{dir}, Sensor: "tap", Log: zerolog.Nop(),
		Stderr: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	at := time.Unix(1_700_000_000, 0)
	if err := os.Mkdir(filepath.Join(dir, "scope-00060a24181e4000.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	rules := "{}"
	if err := s.RecordScope(store.ScopeChange{Program: "sniff", Since: at, Rules: &rules}); err == nil ||
		!strings.Contains(err.Error(), "note the change of the scope") {
		t.Errorf("%v", err)
	}
}
