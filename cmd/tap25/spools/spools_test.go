package spools

import (
	"bytes"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tap25/reassembly/smtp"
	"tap25/store"
	"tap25/store/spool"
	"tap25/store/storetest"
	"tap25/store/stream"
)

// rows are two rows, and what Dump prints of them.
func rows(t *testing.T) (rows []*smtp.Envelope, lines string) {
	t.Helper()
	side, from := netip.MustParseAddrPort("192.0.2.1:25"), "a@example.org"
	rows = []*smtp.Envelope{
		{SeenAt: time.UnixMicro(1_700_000_000_000_001).UTC(), Sensor: "tap", Client: side, Server: side,
			MailFrom: &from},
		{SeenAt: time.UnixMicro(1_700_000_000_000_002).UTC(), Sensor: "tap", Client: side, Server: side, MailNo: 7},
	}
	for _, e := range rows {
		line, err := e.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		lines += string(line) + "\n"
	}
	return rows, lines
}

// write writes a spool of one sealed segment with the rows, and leaves it as what do makes of it.
func write(t *testing.T, dir string, rows []*smtp.Envelope, do func(*spool.Spool, spool.Segment) error) spool.Segment {
	t.Helper()
	s, err := spool.Open(spool.Config{Dir: dir, Sensor: "tap", Keep: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range rows {
		err = errors.Join(err, s.Append(store.AppendRow(nil, e)))
	}
	if err = errors.Join(err, s.Seal("a key")); err != nil {
		t.Fatal(err)
	}
	segment := s.Sealed()[0]
	if err := errors.Join(do(s, segment), s.Close()); err != nil {
		t.Fatal(err)
	}
	return segment
}

// waiting writes a spool whose segment waits, and whose first row was refused.
func waiting(t *testing.T, dir string) spool.Segment {
	t.Helper()
	rows, _ := rows(t)
	return write(t, dir, rows, func(s *spool.Spool, segment spool.Segment) error {
		return s.SetAside(segment, [][]byte{store.AppendRow(nil, rows[0])}, "22021")
	})
}

// kept writes a spool whose segment, of one row, is loaded and kept.
func kept(t *testing.T, dir string) spool.Segment {
	t.Helper()
	rows, _ := rows(t)
	return write(t, dir, rows[:1], func(s *spool.Spool, segment spool.Segment) error {
		return s.Loaded(segment, spool.Damage{})
	})
}

// damage changes an octet of a segment's records.
func damage(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[200] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// output runs a method on the files of a path.
func output(t *testing.T, path string, method func(*Files, *bytes.Buffer, *bytes.Buffer) error) (out, diag string,
	err error) {
	t.Helper()
	files, err := Find(path)
	if err != nil {
		t.Fatal(err)
	}
	var o, d bytes.Buffer
	err = method(files, &o, &d)
	return o.String(), d.String(), err
}

func list(f *Files, out, diag *bytes.Buffer) error   { return f.List(out, diag) }
func verify(f *Files, out, diag *bytes.Buffer) error { return f.Verify(out, diag) }
func dump(f *Files, out, diag *bytes.Buffer) error   { return f.Dump(out, diag) }

func TestList_ALineForEachFile(t *testing.T) {
	dir := t.TempDir()
	waiting(t, dir)
	out, _, err := output(t, dir, list)
	if err != nil || strings.Count(out, "\n") != 3 || !strings.Contains(out, "a key") ||
		!strings.Contains(out, " waiting ") || !strings.Contains(out, " refused ") {
		t.Errorf("%v\n%s", err, out)
	}
	dir = t.TempDir()
	kept(t, dir)
	if out, _, err := output(t, dir, list); err != nil || !strings.Contains(out, " kept ") ||
		!strings.Contains(out, " 1 ") {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := Find(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory that does not exist: %v", err)
	}
}

func TestVerify_ReportsDamage(t *testing.T) {
	dir := t.TempDir()
	segment := waiting(t, dir)
	out, _, err := output(t, dir, verify)
	if err != nil || !strings.Contains(out, "2 segments, 3 intact records, 0 segments damaged") {
		t.Errorf("%v\n%s", err, out)
	}
	damage(t, segment.Path)
	if out, _, err := output(t, dir, verify); err == nil || !strings.Contains(out, "2 of 2 records lost") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestDump_PrintsWaitingRowsAndOthersOnlyByTheirFile(t *testing.T) {
	_, lines := rows(t)
	dir := t.TempDir()
	segment := waiting(t, dir)
	if out, _, err := output(t, dir, dump); err != nil || out != lines {
		t.Errorf("%v: %d octets, want %d", err, len(out), len(lines))
	}
	out, diag, err := output(t, segment.Path+".refused", dump)
	if err != nil || strings.Count(out, "\n") != 1 || !strings.Contains(diag, "22021") {
		t.Errorf("refused rows: %v: %d octets, %s", err, len(out), diag)
	}
	damage(t, segment.Path)
	if _, _, err := output(t, dir, dump); err == nil {
		t.Error("damage is no error")
	}
	dir = t.TempDir()
	kept(t, dir)
	if out, _, err := output(t, dir, dump); err != nil || out != "" {
		t.Errorf("%v: %d octets of what is loaded", err, len(out))
	}
	file, _ := filepath.Glob(filepath.Join(dir, "*.kept"))
	if out, _, err := output(t, file[0], dump); err != nil || strings.Count(out, "\n") != 1 {
		t.Errorf("a file that is kept: %v: %d octets", err, len(out))
	}
}

func TestSum_AddsUpAllSpools(t *testing.T) {
	storetest.StateHome(t)
	if s, err := Sum(); err != nil || s != (Status{}) {
		t.Fatalf("without a spool: %+v, %v", s, err)
	}
	base := spoolBase(t)
	first := waiting(t, filepath.Join(base, "tap"))
	kept(t, filepath.Join(base, "other"))
	s, err := Sum()
	if err != nil {
		t.Fatal(err)
	}
	if s.Segments != 1 || s.Rows != 2 || s.SetAside != 1 || s.Kept != 1 || s.KeptRows != 1 || s.Bytes <= first.Bytes {
		t.Errorf("%+v", s)
	}
	if s.Oldest == nil || !s.Oldest.Equal(time.UnixMicro(int64(first.Sequence))) {
		t.Errorf("the oldest is of %v", s.Oldest)
	}
	files, err := All()
	if err != nil || len(files) != 3 || files[0].Sequence > files[1].Sequence || files[1].Sequence > files[2].Sequence {
		t.Errorf("%d files, or in another order: %v", len(files), err)
	}
}

// spoolBase makes the directory of all spools.
func spoolBase(t *testing.T) string {
	t.Helper()
	base, err := stream.SpoolBase()
	if err == nil {
		err = os.MkdirAll(base, 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
	return base
}

func TestDump_ShowsCoverageInAnObjectOfItsOwn(t *testing.T) {
	dir := t.TempDir()
	s, err := spool.Open(spool.Config{Dir: dir, Sensor: "tap"})
	if err != nil {
		t.Fatal(err)
	}
	c := &store.Coverage{Since: time.Unix(1_700_000_000, 0), Before: time.Unix(1_700_000_060, 0), Sensor: "tap",
		Program: "sniff", Interfaces: []string{"eth1"}}
	if err := errors.Join(s.Append(store.AppendCoverage(nil, c)), s.Seal(""), s.Close()); err != nil {
		t.Fatal(err)
	}
	const want = `{"coverage":{"since":"2023-11-14T22:13:20Z","before":"2023-11-14T22:14:20Z","sensor":"tap",` +
		`"program":"sniff","interfaces":["eth1"],"scope":"","version":"","started":false,"stopped":false,"clock":null,"frames_seen":0,`
	out, _, err := output(t, dir, dump)
	if err != nil || !strings.HasPrefix(out, want) || strings.Count(out, "\n") != 1 {
		t.Errorf("%v: %s", err, out)
	}
}
