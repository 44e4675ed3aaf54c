package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// failing makes calls on the disk fail, and asserts that no file is synced again after an fsync of it failed. Where one
// fails, what was written since the last is gone, as it is when a kernel has dropped the pages that it could not write.
type failing struct {
	t      testing.TB
	mu     sync.Mutex
	calls  int
	fails  func(call int, op string) error
	dead   map[string]bool  // files whose fsync failed
	synced map[string]int64 // bytes, by file
}

func newFailing(t testing.TB, fails func(call int, op string) error) *failing {
	return &failing{t: t, fails: fails, dead: map[string]bool{}, synced: map[string]int64{}}
}

func (f *failing) call(op, path string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	if op == "fsync" && f.dead[path] {
		f.t.Errorf("call %d: a failed fsync was tried again on the same file", f.calls)
	}
	err := f.fails(f.calls, op)
	if op == "fsync" {
		f.dead[path] = err != nil
		f.sync(path, err == nil)
	}
	return err
}

func (f *failing) sync(path string, done bool) {
	info, err := os.Stat(path)
	if err == nil && done {
		f.synced[path] = info.Size()
	} else if err == nil {
		err = os.Truncate(path, f.synced[path])
		if err == nil {
			err = os.Truncate(path, info.Size()) // zeros
		}
	}
	if err != nil {
		f.t.Error(err)
	}
}

// work appends records, syncs, seals, loads and sets aside until the disk was called some 600 times. What was loaded
// and what is acknowledged must be everything, once.
func work(t *testing.T, c Config, f *failing) {
	reopen := func() *Spool {
		for {
			clear(f.dead) // a new process cannot know; what it syncs again was not acknowledged
			s, err := Open(c)
			if err != nil {
				t.Fatal(err)
			}
			if s.Stats().Unrecovered == 0 {
				return s
			}
			checkSums(t, s) // what could not be made durable waits for the next Open
			crash(s)
		}
	}
	s := reopen()
	var loaded []int
	seen := map[string]bool{}
	load := func() {
		for _, seg := range s.Sealed() {
			records, d, err := s.Read(seg)
			if err != nil || d.Records != 0 {
				t.Fatalf("read: damage %+v, error %v", d, err)
			}
			if !seen[seg.Key] { // as the database does it
				for _, r := range records {
					loaded = append(loaded, number(t, r))
				}
			}
			seen[seg.Key] = true
			if s.Loaded(seg, d) != nil { // tried again with the next
				return
			}
		}
	}
	drain := func() { // what a failed rename has left waits for the next Sync
		for range 10 {
			if err := s.Sync(); err == nil && len(s.Sealed()) == 0 {
				return
			}
			load()
		}
	}
	n, acked := 0, 0
	for round := range 115 {
		appendRecords(t, s, n, n+3)
		n += 3
		var err error
		if round%3 == 2 {
			err = s.Seal(fmt.Sprint("key ", round))
		} else {
			err = s.Sync()
		}
		if err == nil {
			acked = n
		}
		if round%9 == 8 {
			checkSums(t, s)
			load()
		}
		if round%40 == 39 { // a kill: what is acknowledged must come back
			crash(s)
			s = reopen()
			drain()
			if last := len(loaded); last < acked {
				t.Fatalf("%d records came back, %d were acknowledged", last, acked)
			}
			n = len(loaded)
			acked = n
		}
	}
	if err := s.Close(); err != nil && s.Stats().Dropped == 0 && s.Stats().Open == 0 {
		t.Fatal(err)
	}
	checkSums(t, s)
	s = reopen()
	drain()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	checkSums(t, s)
	if !slices.Equal(loaded, upTo(len(loaded))) {
		t.Fatal("records are missing, twice or out of order")
	}
	if len(loaded) < acked {
		t.Fatalf("%d records came back, %d were acknowledged", len(loaded), acked)
	}
}

func TestFault_EveryCallMayFail(t *testing.T) {
	dir := fastDir(t)
	total := 0
	run := func(name string, segment int, fails func(call int, op string) error) {
		f := newFailing(t, fails)
		c := bare(filepath.Join(dir, name))
		c.SegmentRecords = segment
		c.fault = f.call
		work(t, c, f)
		if t.Failed() {
			t.Fatalf("at %s", name)
		}
		os.RemoveAll(c.Dir)
		total = f.calls
	}
	run("none", -1, func(int, string) error { return nil })
	if total < 500 {
		t.Fatalf("the work calls the disk %d times", total)
	}
	step := 3
	switch {
	case os.Getenv("TAP25_TEST_KILLS") == "full":
		step = 1
	case testing.Short():
		step = 7
	}
	for n := 1; n <= 500; n += step {
		for _, burst := range []int{1, 2, 7} {
			for _, segment := range []int{-1, 1} { // 1: while one of them is synced the next is written
				run(fmt.Sprintf("call %d and %d more, segments of %d", n, burst-1, segment), segment,
					func(call int, _ string) error {
						if call >= n && call < n+burst {
							return syscall.EIO
						}
						return nil
					})
			}
		}
	}
}

func TestFault_EveryKindOfCallMayFail(t *testing.T) {
	for _, op := range []string{"open", "write", "fsync", "fsyncdir", "rename", "remove"} {
		t.Run(op, func(t *testing.T) {
			dir := fastDir(t)
			for every := 2; every < 9; every++ {
				n := 0
				f := newFailing(t, func(call int, o string) error {
					if o == op {
						if n++; n%every == 0 && call < 500 {
							return syscall.ENOSPC
						}
					}
					return nil
				})
				c := bare(filepath.Join(dir, fmt.Sprint(every)))
				c.SegmentRecords = []int{-1, 1}[every%2]
				c.fault = f.call
				work(t, c, f)
			}
		})
	}
}

func TestFault_DiskThatStaysBadLosesNothingAcknowledged(t *testing.T) {
	c := bare(fastDir(t))
	c.Buffer = 10_000
	bad := false
	var mu sync.Mutex
	c.fault = func(string, string) error {
		mu.Lock()
		defer mu.Unlock()
		if bad {
			return syscall.EIO
		}
		return nil
	}
	s := open(t, c)
	appendRecords(t, s, 0, 10)
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	set := func(b bool) { mu.Lock(); bad = b; mu.Unlock() }
	set(true)
	kept, lost := 10, 0
	for range 1000 {
		switch err := s.Append(record(kept)); {
		case err == nil:
			kept++
		case errors.Is(err, ErrFull):
			lost++
		default:
			t.Fatal(err)
		}
		if s.Sync() == nil {
			t.Fatal("a sync of a bad disk succeeded")
		}
	}
	if st := s.Stats(); lost == 0 || st.Lost != int64(lost) || st.Faults == 0 || st.LastFault == nil {
		t.Errorf("lost %d, stats %+v", lost, st)
	}
	set(false)
	if err := s.Seal(""); err != nil {
		t.Fatal(err)
	}
	wantNumbers(t, s, kept)
}

// A disk that answers nothing at all holds nobody up but who asks for it to be synced.
func TestFault_AppendWaitsForNoDisk(t *testing.T) {
	c := bare(fastDir(t))
	c.Buffer, c.SegmentRecords = 100_000, 50
	stuck, begun := make(chan bool), make(chan bool, 1)
	c.fault = func(string, string) error {
		select {
		case begun <- true:
		default:
		}
		<-stuck
		return nil
	}
	s := open(t, c)
	n, lost := 0, 0
	for lost < 1000 {
		if err := s.Append(record(n)); err == nil {
			n++
		} else if lost++; !errors.Is(err, ErrFull) {
			t.Fatal(err)
		}
	}
	<-begun // and none of its calls has come back
	if st := s.Stats(); st.Appended != int64(n) || st.Buffered != int64(n) || st.Lost != int64(lost) {
		t.Errorf("%d appended, %d lost: %+v", n, lost, st)
	}
	close(stuck)
	if err := s.Seal(""); err != nil {
		t.Fatal(err)
	}
	wantNumbers(t, s, n)
}

func TestFault_KeyOutlivesAbandonedFile(t *testing.T) {
	c := bare(fastDir(t))
	seals := 0
	c.fault = func(op, path string) error {
		if op == "fsync" {
			if seals++; seals == 2 {
				return syscall.EIO
			}
		}
		return nil
	}
	s := open(t, c)
	appendRecords(t, s, 0, 5)
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := s.Seal("mine"); err != nil { // whose fsync fails when all is acknowledged
		t.Fatal(err)
	}
	if sealed := s.Sealed(); len(sealed) != 1 || sealed[0].Key != "mine" ||
		strings.Contains(sealed[0].Path, suffixOpen) {
		t.Errorf("segments %+v", sealed)
	}
	wantNumbers(t, s, 5)
}

func TestFault_RereadableSegmentIsWholeOrNotThere(t *testing.T) {
	for n := 1; n <= 40; n++ {
		c := bare(fastDir(t))
		c.Rereadable = true
		f := newFailing(t, func(call int, _ string) error {
			if call == n {
				return syscall.EIO
			}
			return nil
		})
		c.fault = f.call
		s := open(t, c)
		for k := range 8 {
			appendRecords(t, s, 10*k, 10*k+5)
			if err := s.Sync(); err != nil {
				t.Fatal(err)
			}
			appendRecords(t, s, 10*k+5, 10*k+10)
			if err := s.Seal(fmt.Sprint("key ", k)); err != nil {
				t.Fatal(err)
			}
		}
		for k, seg := range s.Sealed() {
			if seg.Records != 10 || seg.Key != fmt.Sprint("key ", k) {
				t.Fatalf("call %d failed: segment %d is %+v", n, k, seg)
			}
		}
		wantNumbers(t, s, 80)
	}
}
