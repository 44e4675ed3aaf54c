package spool

import (
	"os"
	"slices"
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
	if st := s.Stats(); st.Loaded != 100 || st.Kept != 100 || st.KeptSegments != 10 || st.KeptBytes != st.Bytes ||
		st.Waiting != 0 {
		t.Errorf("loaded: %+v", st)
	}
	db.failOver(s, 3)
	sealSome(t, s, &n, 1)
	db.reconnect(s)
	if st := s.Stats(); st.Reentering != 30 || st.Waiting != 10 || st.Kept != 70 || len(s.Sealed()) != 4 ||
		st.Loaded != 100 {
		t.Errorf("entered again: %+v", st)
	}
	if oldest := s.Stats().OldestUnloaded; oldest.UnixMicro() != int64(s.Sealed()[3].Sequence) {
		t.Errorf("the oldest that waits for its first load is of %v", oldest)
	}
	db.load(s)
	db.reconnect(s) // adds nothing
	if st := s.Stats(); st.Reentered != 30 || st.Reentering != 0 || st.Loaded != 110 || st.Kept != 110 ||
		len(s.Sealed()) != 0 {
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
