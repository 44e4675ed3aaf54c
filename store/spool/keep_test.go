package spool

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"
)

// pair is a database that knows what it has loaded, whose standby may lack the last of it and take its place.
type pair struct {
	t       testing.TB
	keys    []string
	records map[string][]int
	lost    int // loads that failovers have taken
}

func newPair(t testing.TB) *pair { return &pair{t: t, records: map[string][]int{}} }

// load loads what waits, each key once, and stops where the disk fails.
func (p *pair) load(s *Spool) {
	for _, seg := range s.Sealed() {
		records, d, err := s.Read(seg)
		if err != nil || d.Records != 0 {
			p.t.Fatalf("read: damage %+v, error %v", d, err)
		}
		if _, ok := p.records[seg.Key]; !ok {
			numbers := []int{}
			for _, r := range records {
				numbers = append(numbers, number(p.t, r))
			}
			p.records[seg.Key] = numbers
			p.keys = append(p.keys, seg.Key)
		}
		if s.Loaded(seg, d) != nil {
			return
		}
	}
}

// failOver makes the database forget its last loads: at most so many, and only those that the spool has yet.
func (p *pair) failOver(s *Spool, most int) {
	there := map[string]bool{}
	for _, seg := range slices.Concat(s.Kept(), s.Sealed()) {
		there[seg.Key] = true
	}
	for n := len(p.keys); most > 0 && n > 0 && there[p.keys[n-1]]; n-- {
		delete(p.records, p.keys[n-1])
		p.keys = p.keys[:n-1]
		p.lost++
		most--
	}
}

// reconnect asks for all that is kept.
func (p *pair) reconnect(s *Spool) {
	var lost []Segment
	for _, seg := range s.Kept() {
		if _, ok := p.records[seg.Key]; !ok {
			lost = append(lost, seg)
		}
	}
	s.Reenter(lost)
}

// numbers are those of all records that it holds.
func (p *pair) numbers() (all []int) {
	for _, key := range p.keys {
		all = append(all, p.records[key]...)
	}
	slices.Sort(all)
	return all
}

func keeping(t testing.TB) Config {
	c := bare(fastDir(t))
	c.Keep = time.Hour
	return c
}

// sealSome appends and seals so many segments of ten records.
func sealSome(t testing.TB, s *Spool, n *int, segments int) {
	t.Helper()
	for range segments {
		appendRecords(t, s, *n, *n+10)
		*n += 10
		if err := s.Seal(""); err != nil {
			t.Fatal(err)
		}
	}
}

func TestKeep_WhatAFailoverTakesIsLoadedAgain(t *testing.T) {
	c := keeping(t)
	s, db, n := open(t, c), newPair(t), 0
	sealSome(t, s, &n, 10)
	db.load(s)
	if st := s.Stats(); st.Loaded != 100 || st.Kept != 100 || st.KeptSegments != 10 || st.KeptBytes != st.Bytes || st.Waiting != 0 {
		t.Errorf("loaded: %+v", st)
	}
	db.failOver(s, 3)
	sealSome(t, s, &n, 1)
	db.reconnect(s)
	if st := s.Stats(); st.Reentering != 30 || st.Waiting != 10 || st.Kept != 70 || len(s.Sealed()) != 4 || st.Loaded != 100 {
		t.Errorf("entered again: %+v", st)
	}
	if oldest := s.Stats().OldestUnloaded; oldest.UnixMicro() != int64(s.Sealed()[3].Sequence) {
		t.Errorf("the oldest that waits for its first load is of %v", oldest)
	}
	db.load(s)
	db.reconnect(s) // adds nothing
	if st := s.Stats(); st.Reentered != 30 || st.Reentering != 0 || st.Loaded != 110 || st.Kept != 110 || len(s.Sealed()) != 0 {
		t.Errorf("loaded again: %+v", st)
	}
	if !slices.Equal(db.numbers(), upTo(n)) {
		t.Errorf("%d records of %d", len(db.numbers()), n)
	}
}

func TestKeep_NextProcessAsksForWhatIsKept(t *testing.T) {
	c := keeping(t)
	s, db, n := open(t, c), newPair(t), 0
	sealSome(t, s, &n, 5)
	db.load(s)
	crash(s)
	files, err := Inspect(c.Dir)
	if err != nil || len(files) != 5 || files[0].State != Kept || files[0].Records != 10 {
		t.Errorf("%v %+v", err, files)
	}
	if _, groups, d, err := ReadFile(files[0].Path); err != nil || d.Records != 0 || len(groups[0].Records) != 10 {
		t.Errorf("read one that is kept: %v, %+v", err, d)
	}
	s = open(t, c)
	if st := s.Stats(); st.Found != 0 || st.Kept != 50 || st.Waiting != 0 || st.Bytes != st.KeptBytes {
		t.Errorf("found: %+v", st)
	}
	db.failOver(s, 2)
	db.reconnect(s)
	db.load(s)
	if st := s.Stats(); st.Loaded != 0 || st.Reentered != 20 || !slices.Equal(db.numbers(), upTo(n)) {
		t.Errorf("%d of %d records, %+v", len(db.numbers()), n, st)
	}
	s.Forget()
	if st := s.Stats(); st.Kept != 0 || st.KeptSegments != 0 || st.Bytes != 0 || st.KeptShort != 0 {
		t.Errorf("forgotten: %+v", st)
	}
	if left, _ := os.ReadDir(c.Dir); len(left) != 0 {
		t.Errorf("%d files left", len(left))
	}
}

// None expires by the clock alone: as long as nobody says that the server has answered, a failover may be under way.
func TestKeep_ExpiresWhenTheServerHasAnswered(t *testing.T) {
	c := keeping(t)
	s, db, n := open(t, c), newPair(t), 0
	sealSome(t, s, &n, 2)
	db.load(s)
	s.kept[0].loaded = s.kept[0].loaded.Add(-2 * c.Keep)
	sealSome(t, s, &n, 2)
	db.load(s)
	if kept := s.Kept(); len(kept) != 4 {
		t.Errorf("%d kept without an answer", len(kept))
	}
	s.Expire(time.Now())
	if st := s.Stats(); len(s.Kept()) != 3 || st.KeptShort != 0 {
		t.Errorf("%d kept, %+v", len(s.Kept()), st)
	}
	s.kept[0].loaded = time.Now().Add(-keepAtMost - time.Second)
	if kept := s.Kept(); len(kept) != 2 {
		t.Errorf("%d kept, one of them for longer than the database knows its key", len(kept))
	}
}

func TestKeep_NothingWithoutATime(t *testing.T) {
	c := bare(fastDir(t))
	s, db, n := open(t, c), newPair(t), 0
	sealSome(t, s, &n, 2)
	db.load(s)
	if left, _ := os.ReadDir(c.Dir); len(left) != 0 || s.Stats().KeptShort != 0 {
		t.Errorf("%d files left, %+v", len(left), s.Stats())
	}
}

func TestKeep_NewestWithinTheShare(t *testing.T) {
	c := keeping(t)
	c.MaxBytes = 40_000
	s, db, n := open(t, c), newPair(t), 0
	for range 30 {
		sealSome(t, s, &n, 1)
		db.load(s)
		if st := s.Stats(); st.KeptBytes > 10_000 {
			t.Fatalf("%+v", st)
		}
	}
	st, kept := s.Stats(), s.Kept()
	if st.KeptBytes < 8_000 || st.KeptShort+st.Kept != int64(n) || kept[len(kept)-1].Key != db.keys[29] || len(kept) != int(st.KeptSegments) {
		t.Errorf("%d kept, %+v", len(kept), st)
	}
}

// The whole of the spool is for records that wait, whatever is kept.
func TestKeep_MakesRoomForRecords(t *testing.T) {
	fill := func(c Config, load bool) (n int, s *Spool) {
		c.MaxBytes, c.KeepBytes, c.Buffer, c.SegmentRecords = 60_000, 60_000, 4_000, 10
		s = open(t, c)
		db, loaded := newPair(t), 0
		if load {
			sealSome(t, s, &loaded, 60)
			db.load(s)
		}
		for n = loaded; s.Sync() == nil; n++ {
			if err := s.Append(record(n % 1000)); err != nil {
				t.Fatal(err)
			}
		}
		return n - loaded, s
	}
	want, _ := fill(bare(fastDir(t)), false)
	got, s := fill(keeping(t), true)
	if st := s.Stats(); got < want*9/10 || st.Kept != 0 || st.KeptShort == 0 || st.Lost != 0 {
		t.Errorf("room for %d records, %d without what is kept; %+v", got, want, st)
	}
}

func TestKeep_LeavesRoomOnTheDisk(t *testing.T) {
	c := keeping(t)
	c.Dir = filepath.Join(tmpfs(t), "spool")
	c.Reserve, c.MaxBytes, c.KeepBytes = 8<<20, 1<<30, 1<<30
	s := open(t, c)
	load := func() {
		for range 100 {
			if err := s.Append(make([]byte, 10_000)); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Seal(""); err != nil {
			t.Fatal(err)
		}
		if err := s.Loaded(s.Sealed()[0], Damage{}); err != nil {
			t.Fatal(err)
		}
	}
	for range 70 { // more than the disk has
		load()
		if free, _, err := s.disk.room(); err != nil || free < 2*c.Reserve {
			t.Fatalf("%d bytes free, %v", free, err)
		}
	}
	if st := s.Stats(); st.KeptBytes < 40<<20 || st.KeptShort == 0 {
		t.Errorf("%+v", st)
	}
	// Somebody else fills the disk: what is written next makes room for itself.
	if err := os.WriteFile(filepath.Join(filepath.Dir(c.Dir), "else"), make([]byte, 14<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	load()
	if st := s.Stats(); st.Lost != 0 || st.LastFault != nil || st.KeptBytes == 0 {
		t.Errorf("%+v", st)
	}
}

// What was set aside of a segment is set aside again with its second load, in the same file, and counted once.
func TestKeep_RefusedRecordsAreSetAsideAgain(t *testing.T) {
	c := keeping(t)
	s, db, n := open(t, c), newPair(t), 0
	sealSome(t, s, &n, 1)
	for range 3 {
		seg := s.Sealed()[0]
		if err := s.SetAside(seg, [][]byte{record(4), record(6)}, "why"); err != nil {
			t.Fatal(err)
		}
		db.load(s)
		_, groups, _, err := ReadFile(seg.refusedPath())
		if err != nil || len(groups) != 1 || len(groups[0].Records) != 2 {
			t.Errorf("%v: %+v", err, groups)
		}
		db.failOver(s, 1)
		db.reconnect(s)
		checkSums(t, s)
	}
	if st := s.Stats(); st.SetAside != 2 || st.Loaded != 8 || st.Reentered != 16 || st.Reentering != 10 {
		t.Errorf("%+v", st)
	}
	if files, err := Inspect(c.Dir); err != nil || len(files) != 2 {
		t.Errorf("%d files, %v", len(files), err)
	}
}

func TestKeep_DamageOfWhatIsLoadedAgainIsCounted(t *testing.T) {
	c := keeping(t)
	s, db, n := open(t, c), newPair(t), 0
	sealSome(t, s, &n, 1)
	db.load(s)
	seg := s.Kept()[0]
	data, err := os.ReadFile(seg.Path)
	if err != nil {
		t.Fatal(err)
	}
	data[headerSize+3+headerSize+8]++ // in the block behind the start, whose payload is "tap"
	if err := os.WriteFile(seg.Path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	s.Reenter([]Segment{seg})
	records, d, err := s.Read(s.Sealed()[0])
	if err != nil || len(records) != 0 || d.Records != 10 {
		t.Fatalf("%d records, %+v, %v", len(records), d, err)
	}
	if err := s.Loaded(s.Sealed()[0], d); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.KeptDamaged != 10 || st.Reentered != 0 || st.Loaded != 10 || st.Damaged != 0 {
		t.Errorf("%+v", st)
	}
	if _, err := os.Stat(seg.sealedPath() + suffixDamaged); err != nil {
		t.Error(err)
	}
}

// TestKeep_PowerFailureAndFailover lets power fail at any call, and a standby take over that lacks any of what is kept.
func TestKeep_PowerFailureAndFailover(t *testing.T) {
	dir := fastDir(t)
	seeds, lost := 1500, 0
	if testing.Short() {
		seeds = 500
	}
	for seed := range seeds {
		m := &machine{rand: rand.New(rand.NewPCG(uint64(seed), 3)), synced: map[string]int64{}, last: 1 << 30, keep: filepath.Join(dir, "backup")}
		if err := os.Mkdir(m.keep, 0o700); err != nil {
			t.Fatal(err)
		}
		c := bare(filepath.Join(dir, strconv.Itoa(seed)))
		c.Keep, c.SegmentRecords, c.fault = time.Hour, []int{-1, 5}[seed%2], m.call
		db := newPair(t)
		var want []int                    // records that must be there
		for n := 0; n < 3000; n += 1000 { // processes
			m.last = m.calls + 1 + m.rand.IntN(60)
			s, err := Open(c)
			if err != nil {
				t.Fatal(err)
			}
			checkSums(t, s)
			for acked, i := liveAndFailOver(t, s, m, db, n), n; i < acked; i++ {
				want = append(want, i)
			}
			crash(s)
			m.fail(t, c.Dir)
			m.last = 1 << 30
			if s, err = Open(c); err != nil {
				t.Fatal(err)
			}
			db.failOver(s, m.rand.IntN(4))
			db.reconnect(s)
			db.load(s)
			got := db.numbers()
			if len(slices.Compact(slices.Clone(got))) != len(got) {
				t.Fatalf("seed %d: records are there twice", seed)
			}
			for _, i := range want {
				if _, ok := slices.BinarySearch(got, i); !ok {
					t.Fatalf("seed %d: record %d of %d is missing", seed, i, len(want))
				}
			}
			want = got
			checkSums(t, s)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		lost += db.lost
		os.RemoveAll(c.Dir)
		os.RemoveAll(m.keep)
	}
	if lost < seeds {
		t.Errorf("%d loads lost by failovers in %d runs", lost, seeds)
	}
}

// liveAndFailOver appends records from n on, loads them and lets the database fail over, until the power fails.
func liveAndFailOver(t *testing.T, s *Spool, m *machine, db *pair, n int) (acked int) {
	for acked = n; ; acked = n {
		more := 1 + m.rand.IntN(20)
		appendRecords(t, s, n, n+more)
		n += more
		if s.Seal([]string{"", fmt.Sprint("key ", n)}[m.rand.IntN(2)]) != nil {
			return acked
		}
		if m.rand.IntN(2) == 0 {
			db.load(s)
		}
		switch m.rand.IntN(6) {
		case 0:
			db.failOver(s, m.rand.IntN(4))
			db.reconnect(s)
		case 1:
			for i := range s.kept { // half of them have had their time
				if i < len(s.kept)/2 {
					s.kept[i].loaded = time.Time{}.Add(time.Hour)
				}
			}
			s.Expire(time.Now())
		}
	}
}

func TestKeep_EveryCallMayFail(t *testing.T) {
	dir := fastDir(t)
	run := func(name string, fails func(call int, op string) error) (calls int) {
		f := newFailing(t, fails)
		c := bare(filepath.Join(dir, name))
		c.Keep, c.fault = time.Hour, f.call
		db, n := newPair(t), 0
		s, err := Open(c)
		if err != nil {
			t.Fatal(err)
		}
		for round := range 40 {
			appendRecords(t, s, n, n+3)
			n += 3
			for s.Seal("") != nil {
			}
			db.load(s)
			if round%3 == 2 {
				db.failOver(s, 2)
				db.reconnect(s)
				db.load(s)
			}
			if round%10 == 9 {
				s.evict(1000)
			}
			checkSums(t, s)
		}
		for len(s.Sealed()) > 0 {
			db.load(s)
		}
		if got := db.numbers(); !slices.Equal(got, upTo(n)) {
			t.Fatalf("%s: %d records of %d, or some twice", name, len(got), n)
		}
		if st := s.Stats(); st.KeptBytes != st.Bytes || db.lost == 0 {
			t.Errorf("%s: %d loads lost by failovers, %+v", name, db.lost, st)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		os.RemoveAll(c.Dir)
		return f.calls
	}
	calls := run("none", func(int, string) error { return nil })
	for n := 1; n <= calls; n++ {
		run(fmt.Sprint("call ", n), func(call int, _ string) error {
			if call == n || call == n+1 {
				return errors.New("input/output error")
			}
			return nil
		})
	}
}
