package stream

import (
	"bytes"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"tap25/store/evidence"
	"tap25/store/stamp"
	"tap25/store/stamp/stamptest"
)

// An authority stamps each line of the witness; without it, or without an answer, the stream does its work.
func TestStream_HasItsWitnessStamped(t *testing.T) {
	dsn, _ := migrated(t)
	dir := t.TempDir()
	a := stamptest.New(t, x509.ExtKeyUsageTimeStamping)
	witness := filepath.Join(dir, "witness")
	cfg := Config{DSN: dsn, Dirs: []string{filepath.Join(dir, "spool")}, Sensor: "tap", Stderr: os.Stderr,
		Limits: Limits{Bytes: 1 << 30}, Key: filepath.Join(dir, "key"), Witness: witness}
	var log bytes.Buffer
	for run, url := range []string{a.URL, "http://127.0.0.1:1/"} {
		cfg.Timestamp, cfg.Log = url, zerolog.New(&log)
		s, err := Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		s.Emit(envelope(run))
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(witness)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if err != nil || len(lines) < 3 {
		t.Fatalf("%q, %v", lines, err)
	}
	response, _ := evidence.FindTimestamp([]byte(lines[1]))
	st, err := stamp.Read(response)
	if err != nil || !st.Of([]byte(lines[0])) || st.Check(a.Pool()) != nil {
		t.Errorf("the stamp does not fit the line before it: %v", err)
	}
	if n := strings.Count(log.String(), "no time stamp"); n != 1 || strings.Contains(strings.Join(lines[2:], ""), "timestamp/") {
		t.Errorf("%d times that there is no stamp: %s, %q", n, log.String(), lines[2:])
	}
	for _, bad := range []Config{{Timestamp: a.URL}, {Timestamp: "mailto:a@a.example", Witness: witness},
		{Timestamp: "http://", Witness: witness}} {
		cfg.Timestamp, cfg.Witness = bad.Timestamp, bad.Witness
		if s, err := Open(t.Context(), cfg); err == nil {
			s.Close(t.Context())
			t.Errorf("%q and %q are taken", bad.Timestamp, bad.Witness)
		}
	}
}

// The head of the chain is logged and written to the witness at the first link and at the end; the next start knows it.
func TestStream_LogsTheHeadsOfItsChains(t *testing.T) {
	dsn, db := migrated(t)
	dir := t.TempDir()
	witness := filepath.Join(dir, "witness")
	var heads []evidence.Checkpoint
	for run := range 2 {
		var log bytes.Buffer
		s, err := Open(t.Context(), Config{DSN: dsn, Dirs: []string{filepath.Join(dir, "spool")}, Sensor: "tap",
			Limits: Limits{Bytes: 1 << 30}, Key: filepath.Join(dir, "key"), Witness: witness, Log: zerolog.New(&log),
			Stderr: os.Stderr})
		if err != nil {
			t.Fatal(err)
		}
		if run == 0 {
			s.Emit(envelope(1))
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		c, ok := evidence.FindCheckpoint(log.Bytes())
		if heads = append(heads, c); !ok || c.Sensor != "tap" || c.Number != 1 || c != heads[0] {
			t.Errorf("run %d logs %+v, %v", run, c, ok)
		}
	}
	var body []byte
	if err := db.Conn().QueryRow(t.Context(), "select body from tap25.links").Scan(&body); err != nil ||
		evidence.HashOf(body) != heads[0].Hash {
		t.Errorf("the head is another link than the database's: %v", err)
	}
	text, err := os.ReadFile(witness)
	if want := heads[0].String() + "\n" + heads[0].String() + "\n"; err != nil || string(text) != want {
		t.Errorf("the witness has %q, want %q, %v", text, want, err)
	}
	if err := os.Chmod(filepath.Join(dir, "key"), 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Config{DSN: dsn, Dirs: []string{filepath.Join(dir, "spool")}, Sensor: "tap",
		Limits: Limits{Bytes: 1 << 30}, Key: filepath.Join(dir, "key"), Log: zerolog.Nop(),
		Stderr: os.Stderr}); err == nil {
		t.Error("a key that others may read is used")
	}
}
