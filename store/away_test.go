package store

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tap25/store/spool"
)

// away connects to a database once it is back.
func away(db *DB, back *atomic.Bool) func(context.Context) (*DB, error) {
	connect := to(db, "")
	return func(ctx context.Context) (*DB, error) {
		if !back.Load() {
			return nil, errors.New("connection refused")
		}
		return connect(ctx)
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestLoader_DatabaseAwayWhileRowsCome lets 20,000 rows a second come, for ten seconds or, in the long form, ten minutes.
func TestLoader_DatabaseAwayWhileRowsCome(t *testing.T) {
	db := database(t, false)
	s := openSpool(t, spool.Config{})
	running, stop := context.WithCancel(t.Context())
	defer stop()
	go s.Run(running)
	var back atomic.Bool
	l := NewLoader(LoaderConfig{Spool: s, Connect: away(db, &back), MaxPause: 50 * time.Millisecond})
	ended := make(chan bool)
	loading, end := context.WithCancel(t.Context())
	go func() { l.Run(loading); close(ended) }()
	before, most := heap(), uint64(0)
	n, seconds := 0, long(10, 600)
	tick := time.NewTicker(10 * time.Millisecond)
	for n < 20_000*seconds {
		<-tick.C
		for range 200 {
			if err := s.Append(numbered("tap", n)); err != nil {
				t.Fatalf("row %d: %v", n, err)
			}
			n++
		}
		if n%20_000 == 0 {
			most = max(most, heap())
		}
	}
	if grown := int64(most) - int64(before); grown > 64<<20 {
		t.Errorf("memory grew by %d MiB", grown>>20)
	}
	if err := s.Seal(""); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Loaded != 0 || st.Lost != 0 {
		t.Errorf("while the database is away: %+v", st)
	}
	back.Store(true)
	begun := time.Now()
	for deadline := begun.Add(30 * time.Minute); !l.Idle() && time.Now().Before(deadline); {
		<-time.After(time.Millisecond)
	}
	t.Logf("drained %.0f rows/s", float64(n)/time.Since(begun).Seconds())
	end()
	<-ended
	checkLoaded(t, s, l)
	checkOnce(t, db, "tap", n)
}

func TestLoader_FullDiskLosesWhatIsCountedAndRecovers(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tap25", dir, "tmpfs", 0, "size=16m"); err != nil {
		if strings.Contains(os.Getenv("TAP25_TEST_REQUIRE"), "root") {
			t.Fatal(err)
		}
		t.Skip("mounting a small file system needs root: ", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	db := database(t, false)
	s := openSpool(t, spool.Config{Dir: dir, Reserve: 2 << 20, Buffer: 1 << 20, SegmentRecords: 2000})
	var back atomic.Bool
	l := NewLoader(LoaderConfig{Spool: s, Connect: away(db, &back), MaxPause: 50 * time.Millisecond})
	offered, refused := 0, 0
	offer := func(n int) {
		for range n {
			switch err := s.Append(numbered("tap", offered-refused)); {
			case err == nil:
			case errors.Is(err, spool.ErrFull):
				refused++
			default:
				t.Fatal(err)
			}
			offered++
		}
	}
	for refused < 10_000 { // the disk is written to meanwhile: only when that is full does memory stay full
		offer(1000)
		s.Sync()
	}
	if st := s.Stats(); st.Lost != int64(refused) || st.Appended != int64(offered-refused) {
		t.Errorf("%d offered, %d refused: %+v", offered, refused, st)
	}
	back.Store(true)
	drain(t, s, l)
	lost := refused
	wait(t, func() bool { return s.Sync() == nil && s.Stats().Buffered == 0 })
	offer(5000)
	if refused != lost {
		t.Errorf("%d rows lost although there is room again", refused-lost)
	}
	if err := s.Seal(""); err != nil {
		t.Fatal(err)
	}
	drain(t, s, l)
	if st := s.Stats(); st.Loaded != int64(offered-refused) || st.Lost != int64(refused) {
		t.Errorf("%d offered, %d refused: %+v", offered, refused, st)
	}
	checkOnce(t, db, "tap", offered-refused)
}
