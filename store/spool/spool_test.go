package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSpool_RecordsComeBackInOrderAndOnce(t *testing.T) {
	c := bare(t.TempDir())
	s := open(t, c)
	appendRecords(t, s, 0, 5000) // several blocks
	if got := s.Sealed(); len(got) != 0 {
		t.Errorf("%d segments before Seal", len(got))
	}
	if err := s.Seal("key/1 ü"); err != nil {
		t.Fatal(err)
	}
	<-s.Notify()
	appendRecords(t, s, 5000, 5010)
	if err := s.Seal(""); err != nil {
		t.Fatal(err)
	}
	if err := s.Seal("nothing"); err != nil {
		t.Fatal(err)
	}
	sealed := s.Sealed()
	if len(sealed) != 2 || sealed[0].Key != "key/1 ü" || sealed[0].Sensor != "tap" || sealed[0].Records != 5000 ||
		sealed[1].Key != sealed[1].id().String() || sealed[1].Records != 10 {
		t.Fatalf("segments %+v", sealed)
	}
	wantNumbers(t, s, 5010)
	for _, seg := range sealed {
		if err := s.Loaded(seg, Damage{}); err != nil {
			t.Fatal(err)
		}
		if s.Loaded(seg, Damage{}) == nil {
			t.Error("a segment was removed twice")
		}
	}
	want := Stats{Appended: 5010, Loaded: 5010}
	if diff := cmp.Diff(want, s.Stats()); diff != "" {
		t.Errorf("stats -want +got:\n%s", diff)
	}
	if left, _ := filepath.Glob(c.Dir + "/*"); len(left) != 0 {
		t.Errorf("%d files are left", len(left))
	}
}

func TestSpool_ReopenFindsWhatWaits(t *testing.T) {
	c := bare(t.TempDir())
	s := open(t, c)
	appendRecords(t, s, 0, 10)
	if err := s.Seal("one"); err != nil {
		t.Fatal(err)
	}
	appendRecords(t, s, 10, 20)
	if err := s.Close(); err != nil { // which seals
		t.Fatal(err)
	}
	if err := s.Append(nil); !errors.Is(err, os.ErrClosed) {
		t.Errorf("append to a closed spool: %v", err)
	}
	if err := s.Sync(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("sync of a closed spool: %v", err)
	}
	c.Sensor = "another"
	s = open(t, c)
	<-s.Notify()
	wantNumbers(t, s, 20)
	if sealed := s.Sealed(); sealed[0].Key != "one" || sealed[0].Sensor != "tap" {
		t.Errorf("segment %+v", sealed[0])
	}
	if st := s.Stats(); st.Found != 20 || st.Waiting != 20 || st.OldestUnloaded.IsZero() || st.Bytes == 0 {
		t.Errorf("stats %+v", st)
	}
}

func TestSpool_SealsByRecordsBytesAndAge(t *testing.T) {
	for name, set := range map[string]func(*Config){
		"records": func(c *Config) { c.SegmentRecords = 7 },
		"bytes":   func(c *Config) { c.SegmentBytes = 300 },
		"age":     func(c *Config) { c.SegmentAge = time.Millisecond },
	} {
		t.Run(name, func(t *testing.T) {
			c := bare(fastDir(t))
			set(&c)
			s := open(t, c)
			ctx, cancel := context.WithCancel(t.Context())
			ran := make(chan error)
			go func() { ran <- s.Run(ctx) }()
			appendRecords(t, s, 0, 100)
			eventually(t, "segments are sealed", func() bool { return len(s.Sealed()) > 0 && s.Stats().Waiting > 90 })
			cancel()
			if err := <-ran; err != nil {
				t.Error(err)
			}
			if err := s.Seal(""); err != nil {
				t.Fatal(err)
			}
			wantNumbers(t, s, 100)
			for _, seg := range s.Sealed() {
				if name == "records" && seg.Records > 7 {
					t.Errorf("segment of %d records", seg.Records)
				}
			}
		})
	}
}

func TestSpool_RunMakesDurable(t *testing.T) {
	s := open(t, bare(fastDir(t)))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go s.Run(ctx)
	appendRecords(t, s, 0, 3)
	eventually(t, "records are acknowledged", func() bool { st := s.Stats(); return st.Open == 3 && st.Buffered == 0 })
}

func TestSpool_IsOpenedByOneAtATime(t *testing.T) {
	c := bare(t.TempDir())
	s := open(t, c)
	if _, err := Open(c); !errors.Is(err, ErrBusy) {
		t.Errorf("second Open: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, c)
}

func TestSpool_RereadableDropsWhatIsNotSealed(t *testing.T) {
	c := bare(fastDir(t))
	c.Rereadable = true
	c.Buffer = 64 << 10
	s := open(t, c)
	appendRecords(t, s, 0, 10)
	if err := s.Seal("kept"); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	for n := 10; n < 5000; n++ { // more than memory holds
		if err := s.AppendWait(ctx, record(n)); err != nil {
			t.Fatal(err)
		}
	}
	crash(s)
	s = open(t, c)
	wantNumbers(t, s, 10)
	if st := s.Stats(); st.Dropped == 0 || st.Found != st.Dropped+10 {
		t.Errorf("stats %+v", st)
	}
	appendRecords(t, s, 10, 20)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Buffered != 0 {
		t.Errorf("after Close: %+v", st)
	}
	s = open(t, c)
	wantNumbers(t, s, 10)
}

func TestSpool_SetAsideKeepsRefusedRecords(t *testing.T) {
	c := bare(t.TempDir())
	s := open(t, c)
	appendRecords(t, s, 0, 100)
	if err := s.Seal("k"); err != nil {
		t.Fatal(err)
	}
	seg := s.Sealed()[0]
	if err := s.SetAside(seg, [][]byte{record(3), record(4)}, "22021"); err != nil {
		t.Fatal(err)
	}
	if err := s.SetAside(seg, [][]byte{record(50)}, "54000"); err != nil {
		t.Fatal(err)
	}
	if err := s.SetAside(seg, make([][]byte, 98), "more than there are"); err == nil {
		t.Error("more records were set aside than the segment has")
	}
	checkSums(t, s)
	if err := s.Loaded(seg, Damage{}); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.SetAside != 3 || st.Loaded != 97 || st.Waiting != 0 {
		t.Errorf("stats %+v", st)
	}
	file, groups, d, err := ReadFile(seg.Path + ".refused")
	if err != nil || d.Records != 0 || file.Records != 3 || file.Key != "k" {
		t.Fatalf("%+v, damage %+v, error %v", file, d, err)
	}
	want := []Group{{"22021", [][]byte{record(3), record(4)}}, {"54000", [][]byte{record(50)}}}
	if diff := cmp.Diff(want, groups); diff != "" {
		t.Errorf("set aside -want +got:\n%s", diff)
	}
	if files, err := Inspect(c.Dir); err != nil || len(files) != 1 || files[0].State != Refused {
		t.Errorf("%+v %v", files, err)
	}
}

func TestSpool_KeysOfAnyBytes(t *testing.T) {
	s := open(t, bare(t.TempDir()))
	keys := []string{strings.Repeat("k", 200), "../../etc/passwd", "a\x00b\xff\n", "%41", "-", "..",
		strings.Repeat("/", 66)}
	for n, key := range keys {
		appendRecords(t, s, n, n+1)
		if err := s.Seal(key); err != nil {
			t.Fatal(err)
		}
		seg := s.Sealed()[n]
		if seg.Key != key {
			t.Errorf("key %q became %q", key, seg.Key)
		}
		if err := s.SetAside(seg, [][]byte{record(n)}, "r"); err != nil { // its name is longer yet
			t.Error(err)
		}
	}
	for _, key := range []string{strings.Repeat("k", 201), strings.Repeat("/", 67)} {
		if s.Seal(key) == nil {
			t.Errorf("key of %d bytes was taken", len(key))
		}
	}
	for n, seg := range s.Sealed() {
		if seg.Key != keys[n] {
			t.Errorf("key %q became %q", keys[n], seg.Key)
		}
	}
}

func TestSpool_RecordsOfAllSizes(t *testing.T) {
	s := open(t, bare(t.TempDir()))
	var want [][]byte
	for _, n := range []int{0, 1, blockPayload - 4, blockPayload, 300_000, MaxRecord} {
		want = append(want, bytes.Repeat([]byte{byte(n)}, n))
		if err := s.Append(want[len(want)-1]); err != nil {
			t.Fatal(err)
		}
	}
	if s.Append(make([]byte, MaxRecord+1)) == nil {
		t.Error("a record larger than a block was taken")
	}
	if err := s.Seal(""); err != nil {
		t.Fatal(err)
	}
	got, d, err := s.Read(s.Sealed()[0])
	if err != nil || d.Records != 0 || !slices.EqualFunc(want, got, bytes.Equal) {
		t.Errorf("damage %+v, error %v, %d records", d, err, len(got))
	}
	if st := s.Stats(); st.Lost != 1 {
		t.Errorf("lost %d", st.Lost)
	}
}

func TestSpool_ClockThatGoesBackKeepsTheOrder(t *testing.T) {
	c := bare(fastDir(t))
	s := open(t, c)
	s.last = uint64(time.Now().AddDate(10, 0, 0).UnixMicro())
	for n := range 3 {
		appendRecords(t, s, n, n+1)
		if err := s.Seal(fmt.Sprint(n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, c)
	appendRecords(t, s, 3, 4)
	if err := s.Seal(""); err != nil {
		t.Fatal(err)
	}
	wantNumbers(t, s, 4)
}
