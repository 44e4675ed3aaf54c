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

// TestKeep_PowerFailureAndFailover lets power fail at any call, and a standby take over that lacks any of what is kept.
func TestKeep_PowerFailureAndFailover(t *testing.T) {
	dir := fastDir(t)
	seeds, lost := 1500, 0
	if testing.Short() {
		seeds = 500
	}
	for seed := range seeds {
		m := &machine{rand: rand.New(rand.NewPCG(uint64(seed), 3)), synced: map[string]int64{}, last: 1 << 30,
			keep: filepath.Join(dir, "backup")}
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
