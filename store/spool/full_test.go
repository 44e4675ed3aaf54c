package spool

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"tap25/capture/capturetest"
)

// tmpfs mounts a file system of 64 MiB.
func tmpfs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tap25-spool-test", dir, "tmpfs", 0, "size=64m"); err != nil {
		capturetest.Missing(t, "root", "mount a small file system: "+err.Error())
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestFull_DiskLosesWhatIsCountedAndRecovers(t *testing.T) {
	for name, reserve := range map[string]int64{"to the last byte": -1, "to the reserve": 8 << 20} {
		t.Run(name, func(t *testing.T) {
			c := bare(filepath.Join(tmpfs(t), "spool"))
			c.Reserve, c.Buffer, c.SegmentBytes = reserve, 4<<20, 8<<20
			s := open(t, c)
			n, lost, refused := 0, 0, int64(0)
			for lost < 1000 {
				switch err := s.Append(bytes.Repeat(record(n), 8)); {
				case err == nil:
					n++
				case errors.Is(err, ErrFull):
					if refused++; lost > 0 || s.Sync() != nil { // the disk is full, not slow
						lost++
					}
				default:
					t.Fatal(err)
				}
				if lost == 0 && errors.Is(s.Stats().LastFault, ErrFull) && n%1000 == 0 {
					checkSums(t, s)
				}
			}
			st := s.Stats()
			if st.Appended != int64(n) || st.Lost != refused || st.Bytes < 40<<20 {
				t.Errorf("appended %d, lost %d, stats %+v", n, refused, st)
			}
			free, _, err := s.disk.room()
			if err != nil || free < reserve {
				t.Errorf("%d bytes are free, %v", free, err)
			}
			var got int
			drain := func() {
				for _, seg := range s.Sealed() {
					records, d, err := s.Read(seg)
					if err != nil || d.Records != 0 {
						t.Fatalf("damage %+v, error %v", d, err)
					}
					for _, r := range records {
						if one := r[:len(r)/8]; number(t, one) != got || !bytes.Equal(r, bytes.Repeat(one, 8)) {
							t.Fatalf("record %d comes after %d", number(t, one), got)
						}
						got++
					}
					if err := s.Loaded(seg, d); err != nil {
						t.Fatal(err)
					}
				}
			}
			drain()
			eventually(t, "what was in memory is written", func() bool { drain(); return s.Stats().Buffered < 1<<16 })
			if err := s.Seal(""); err != nil {
				t.Fatal(err)
			}
			drain()
			if got != n || s.Stats().Loaded != int64(n) {
				t.Errorf("%d records came out, %d went in", got, n)
			}
		})
	}
}

// A small disk is not left empty for the sake of the reserve.
func TestFull_ReserveIsASixteenthOfASmallDisk(t *testing.T) {
	c := bare(filepath.Join(tmpfs(t), "spool"))
	c.Reserve = 0
	s := open(t, c)
	n := 0
	for ; s.Sync() == nil; n++ {
		if err := s.Append(bytes.Repeat([]byte{byte(n)}, 100_000)); err != nil {
			t.Fatal(err)
		}
	}
	free, size, err := s.disk.room()
	if err != nil || free < size/16 || free > size/16+200_000 || n < 500 {
		t.Errorf("%d records are written, %d of %d bytes are free, %v", n, free, size, err)
	}
}

// What is in memory may be more than the room that ever is: it comes out in parts.
func TestFull_WhatHasRoomIsSealedAndMakesMore(t *testing.T) {
	c := bare(fastDir(t))
	c.MaxBytes = 200_000
	s := open(t, c)
	const n = 1000
	for i := range n {
		if err := s.Append(bytes.Repeat(record(i), 30)); err != nil {
			t.Fatal(err)
		}
	}
	got := 0
	for rounds := 0; got < n; rounds++ {
		if err := s.Seal(""); err == nil && got == 0 || err != nil && !errors.Is(err, ErrFull) {
			t.Fatal(err)
		}
		for _, seg := range s.Sealed() {
			records, d, err := s.Read(seg)
			if err != nil || d.Records != 0 {
				t.Fatal(d, err)
			}
			for _, r := range records {
				if !bytes.Equal(r, bytes.Repeat(record(got), 30)) {
					t.Fatalf("record %d is another", got)
				}
				got++
			}
			if err := s.Loaded(seg, d); err != nil {
				t.Fatal(err)
			}
		}
		if rounds > n {
			t.Fatalf("%d records came out, and no more: %+v", got, s.Stats())
		}
	}
}

func TestFull_OldSegmentThatWaitsKeepsNewRecordsOut(t *testing.T) {
	c := bare(fastDir(t))
	c.Buffer = 1000
	s := open(t, c)
	appendRecords(t, s, 0, 3)
	if err := s.Seal(""); err != nil {
		t.Fatal(err)
	}
	s.cfg.MaxAge = time.Since(s.oldest()) // from now on
	n := 3
	for s.Append(record(n)) == nil {
		n++
	}
	if err := s.Sync(); !errors.Is(err, ErrFull) || s.Stats().Lost != 1 {
		t.Errorf("sync: %v, stats %+v", err, s.Stats())
	}
	seg := s.Sealed()[0]
	if err := s.Loaded(seg, Damage{}); err != nil { // it is loaded at last
		t.Fatal(err)
	}
	if err := s.Seal(""); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Waiting != int64(n-3) || st.Loaded != 3 || st.Lost != 1 {
		t.Errorf("%d records: %+v", n, st)
	}
}

func TestFull_AppendWaitWaitsForRoom(t *testing.T) {
	c := bare(fastDir(t))
	c.MaxBytes, c.Buffer, c.SegmentRecords = 20_000, 8_000, 50
	s := open(t, c)
	const n = 5000
	done := make(chan error, 1)
	go func() {
		for i := range n {
			if err := s.AppendWait(context.Background(), record(i)); err != nil {
				done <- err
				return
			}
		}
		done <- s.Seal("")
	}()
	got := 0
	var ended bool
	for deadline := time.Now().Add(30 * time.Second); !ended || len(s.Sealed()) > 0; {
		if time.Now().After(deadline) {
			t.Fatalf("stuck after %d records: %+v", got, s.Stats())
		}
		for _, seg := range s.Sealed() {
			records, d, err := s.Read(seg)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range records {
				if number(t, r) != got {
					t.Fatal("out of order")
				}
				got++
			}
			if err := s.Loaded(seg, d); err != nil {
				t.Fatal(err)
			}
		}
		select {
		case err := <-done:
			if ended = true; err != nil && !errors.Is(err, ErrFull) {
				t.Fatal(err)
			}
		default:
		}
		if ended {
			s.Sync()
		}
	}
	if st := s.Stats(); got != n || st.Lost != 0 {
		t.Errorf("%d of %d, %+v", got, n, st)
	}
}

func TestFull_AppendWaitEndsWithItsContext(t *testing.T) {
	c := bare(fastDir(t))
	c.MaxBytes, c.Buffer = 1, 1000
	s := open(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		for n := 0; ; n++ {
			if err := s.AppendWait(ctx, record(n)); err != nil {
				ended <- err
				return
			}
		}
	}()
	eventually(t, "it waits", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.waiters == 1 })
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A live capture, the clock and the loader, each a goroutine.
func TestSpool_AppendRunAndLoadAtOnce(t *testing.T) {
	c := bare(fastDir(t))
	c.SegmentRecords, c.SegmentAge, c.Buffer = 1000, 2*time.Millisecond, 64<<20
	s := open(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	const n = 100_000
	go func() {
		for i := range n {
			if s.Append(record(i)) != nil {
				t.Error("lost")
			}
		}
	}()
	got := 0
	eventually(t, "all is loaded", func() bool {
		for _, seg := range s.Sealed() {
			records, d, err := s.Read(seg)
			if err != nil || d.Records != 0 {
				t.Fatal(d, err)
			}
			for _, r := range records {
				if number(t, r) != got {
					t.Fatal("out of order")
				}
				got++
			}
			if err := s.SetAside(seg, records[:1], "first"); err != nil {
				t.Fatal(err)
			}
			if err := s.Loaded(seg, d); err != nil {
				t.Fatal(err)
			}
			os.Remove(seg.Path + suffixRefused)
			checkSums(t, s)
		}
		return got == n
	})
	cancel()
	if err := <-ran; err != nil {
		t.Error(err)
	}
}
