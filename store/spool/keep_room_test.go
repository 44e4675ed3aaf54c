package spool

import (
	"os"
	"path/filepath"
	"testing"
)

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
	if st.KeptBytes < 8_000 || st.KeptShort+st.Kept != int64(n) || kept[len(kept)-1].Key != db.keys[29] ||
		len(kept) != int(st.KeptSegments) {
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
