package store

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tap25/capture/capturetest"
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

// resident is the memory that this process has of the kernel, garbage included.
func resident() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.Sys - m.HeapReleased)
}

// TestLoader_DatabaseAwayWhileRowsCome lets 20,000 rows a second come for eight seconds or, in the long form, ten
// minutes. That Append waits for no disk is TestFault_AppendWaitsForNoDisk.
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
	runtime.GC()
	before, most := resident(), int64(0)
	const rate = 20_000
	begun, seconds := time.Now(), long(8, 600)
	n := 0
	tick := time.NewTicker(10 * time.Millisecond)
	for n < rate*seconds {
		<-tick.C
		for due := min(int(time.Since(begun).Seconds()*rate), rate*seconds); n < due; n++ { // late where the machine is
			if err := s.Append(numbered("tap", n)); err != nil {
				t.Fatalf("row %d: %v", n, err)
			}
		}
		most = max(most, resident())
	}
	came := time.Since(begun)
	if grown := most - before; grown > 64<<20 {
		t.Errorf("memory grew by %d MiB", grown>>20)
	}
	if err := s.Seal(""); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Loaded != 0 || st.Lost != 0 || st.Appended != int64(n) || st.Waiting != int64(n) {
		t.Errorf("while the database is away: %+v", st)
	}
	back.Store(true)
	begun = time.Now()
	for deadline := begun.Add(30 * time.Minute); !l.Idle() && time.Now().Before(deadline); {
		<-time.After(time.Millisecond)
	}
	ratio := came.Seconds() / time.Since(begun).Seconds()
	t.Logf("memory grew by %d MiB; drained %.0f rows/s, %.1f times as fast as they came", (most-before)>>20,
		float64(n)/time.Since(begun).Seconds(), ratio)
	if ratio < 2 && seconds == 600 { // whoever runs the long form gives it a machine of its own
		t.Errorf("drained %.1f times as fast as rows came, want twice", ratio)
	}
	end()
	<-ended
	checkLoaded(t, s, l)
	if st := s.Stats(); st.Loaded != int64(n) {
		t.Errorf("%d rows came: %+v", n, st)
	}
	checkOnce(t, db, "tap", n)
}

func TestLoader_FullDiskLosesWhatIsCountedAndRecovers(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tap25", dir, "tmpfs", 0, "size=64m"); err != nil {
		capturetest.Missing(t, "root", "mount a small file system: "+err.Error())
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	db := database(t, false)
	s := openSpool(t, spool.Config{Dir: dir, Buffer: 1 << 20, SegmentRecords: 2000})
	running, stop := context.WithCancel(t.Context())
	defer stop()
	go s.Run(running)
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
	wait(t, func() bool { return s.Stats().Buffered == 0 }) // by itself: nobody calls Sync
	offer(2000)                                             // which memory holds, however slow the machine is
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
