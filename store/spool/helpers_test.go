package spool

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fastDir is a directory in memory where there is one: thousands of fsyncs of a real disk would take minutes.
func fastDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "spool-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// bare is a configuration whose limits do not matter.
func bare(dir string) Config {
	return Config{Dir: dir, Sensor: "tap", SegmentRecords: -1, SegmentBytes: -1, SegmentAge: -1, Reserve: -1}
}

// open opens a spool, and asserts the sums and closes it at the end.
func open(t testing.TB, c Config) *Spool {
	t.Helper()
	s, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(); checkSums(t, s) })
	return s
}

func checkSums(t testing.TB, s *Spool) {
	t.Helper()
	st := s.Stats()
	if in, out := st.Found+st.Appended, st.Buffered+st.Open+st.Waiting+st.Loaded+st.SetAside+st.Damaged+
		st.Dropped; in != out {
		t.Errorf("found and appended %d, but accounted for are %d: %+v", in, out, st)
	}
}

// record makes the n-th record: it bears its number, and its bytes follow from it.
func record(n int) []byte {
	r := rand.New(rand.NewPCG(uint64(n), 7))
	b := binary.LittleEndian.AppendUint64(nil, uint64(n))
	for range r.IntN(60) {
		b = append(b, byte(r.Uint32()))
	}
	return b
}

// number is the inverse of record; it fails where any byte is wrong.
func number(t testing.TB, rec []byte) int {
	t.Helper()
	if len(rec) < 8 {
		t.Fatalf("record of %d bytes that no one appended", len(rec))
	}
	n := int(binary.LittleEndian.Uint64(rec))
	if n < 0 || n > 1<<40 || !bytes.Equal(rec, record(n)) {
		t.Fatal("record that no one appended")
	}
	return n
}

func appendRecords(t testing.TB, s *Spool, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		if err := s.Append(record(n)); err != nil {
			t.Fatal(err)
		}
	}
}

// numbers reads all sealed segments without removing them.
func numbers(t testing.TB, s *Spool) (all []int, damaged int) {
	t.Helper()
	for _, seg := range s.Sealed() {
		records, d, err := s.Read(seg)
		if err != nil {
			t.Fatal(err)
		}
		if len(records)+d.Records != seg.Records {
			t.Errorf("%d intact and %d damaged records are not %d", len(records), d.Records, seg.Records)
		}
		damaged += d.Records
		for _, r := range records {
			all = append(all, number(t, r))
		}
	}
	return all, damaged
}

func upTo(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

func wantNumbers(t testing.TB, s *Spool, n int) {
	t.Helper()
	if got, damaged := numbers(t, s); damaged != 0 || !slices.Equal(got, upTo(n)) {
		t.Errorf("%d damaged, got records -want +got:\n%s", damaged, cmp.Diff(upTo(n), got))
	}
}

// eventually polls until a condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

// crash ends a spool as a kill does: nothing more is written, and the directory is free.
func crash(s *Spool) {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	close(s.stop)
	<-s.stopped
	s.lock.Close()
}
