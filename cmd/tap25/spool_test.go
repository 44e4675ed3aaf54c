package main

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tap25/reassembly/smtp"
	"tap25/store"
	"tap25/store/spool"
)

// spoolOf makes a spool of one sealed segment.
func spoolOf(t *testing.T, envelopes ...*smtp.Envelope) (dir string, segment spool.Segment) {
	t.Helper()
	dir = t.TempDir()
	s, err := spool.Open(spool.Config{Dir: dir, Sensor: "tap"})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range envelopes {
		if err := s.Append(store.AppendRow(nil, e)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Seal("a key"); err != nil {
		t.Fatal(err)
	}
	segment = s.Sealed()[0]
	if err := s.SetAside(segment, [][]byte{store.AppendRow(nil, envelopes[0])}, "22021"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, segment
}

// keptSpool is a spool whose only segment is loaded.
func keptSpool(t *testing.T, e *smtp.Envelope) (dir string) {
	t.Helper()
	dir = t.TempDir()
	s, err := spool.Open(spool.Config{Dir: dir, Sensor: "tap", Keep: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := errors.Join(s.Append(store.AppendRow(nil, e)), s.Seal("a key")); err != nil {
		t.Fatal(err)
	}
	if err := s.Loaded(s.Sealed()[0], spool.Damage{}); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestSpool_ListsVerifiesAndDumps(t *testing.T) {
	side := netip.MustParseAddrPort("192.0.2.1:25")
	from := "a@example.org"
	one := &smtp.Envelope{SeenAt: time.UnixMicro(1_700_000_000_000_001).UTC(), Sensor: "tap", Client: side,
		Server: side, MailFrom: &from}
	two := &smtp.Envelope{SeenAt: time.UnixMicro(1_700_000_000_000_002).UTC(), Sensor: "tap", Client: side,
		Server: side, MailNo: 7}
	dir, segment := spoolOf(t, one, two)
	tap25 := func(wantStatus int, args ...string) (stdout, stderr string) {
		var out, errs bytes.Buffer
		if status := run(context.Background(), args, nil, &out, &errs); status != wantStatus {
			t.Errorf("%v: status %d, want %d: %s", args[:2], status, wantStatus, errs.String())
		}
		return out.String(), errs.String()
	}
	lines := ""
	for _, e := range []*smtp.Envelope{one, two} {
		line, err := e.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		lines += string(line) + "\n"
	}
	if out, _ := tap25(0, "spool", "ls", dir); strings.Count(out, "\n") != 3 || !strings.Contains(out, "a key") {
		t.Errorf("ls:\n%s", out)
	}
	if out, _ := tap25(0, "spool", "verify", dir); !strings.Contains(out,
		"2 segments, 3 intact records, 0 segments damaged") {
		t.Errorf("verify:\n%s", out)
	}
	if out, _ := tap25(0, "spool", "dump", dir); out != lines {
		t.Errorf("dump gives %d bytes, want %d", len(out), len(lines))
	}
	if out, errs := tap25(0, "spool", "dump", segment.Path+".refused"); strings.Count(out, "\n") != 1 ||
		!strings.Contains(errs, "22021") {
		t.Errorf("dump of refused rows: %d bytes, %s", len(out), errs)
	}
	kept := keptSpool(t, one)
	if out, _ := tap25(0, "spool", "dump", kept); out != "" {
		t.Errorf("dump gives %d bytes of what is loaded", len(out))
	}
	if out, _ := tap25(0, "spool", "ls", kept); !strings.Contains(out, " kept ") || !strings.Contains(out, " 1 ") {
		t.Errorf("ls:\n%s", out)
	}
	file, _ := filepath.Glob(filepath.Join(kept, "*.kept"))
	if out, _ := tap25(0, "spool", "dump", file[0]); strings.Count(out, "\n") != 1 {
		t.Errorf("dump of a file that is kept gives %d bytes", len(out))
	}
	data, err := os.ReadFile(segment.Path)
	if err != nil {
		t.Fatal(err)
	}
	data[200] ^= 1
	if err := os.WriteFile(segment.Path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, _ := tap25(1, "spool", "verify", dir); !strings.Contains(out, "2 of 2 records lost") {
		t.Errorf("verify:\n%s", out)
	}
	tap25(1, "spool", "dump", dir)
	tap25(1, "spool", "ls", dir+"/none")
	tap25(2, "spool")
}
