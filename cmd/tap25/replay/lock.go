package replay

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tap25/store/stream"
)

// lockCaptures locks capture files for this replay until lock is closed. Another replay of one of them into the same
// database waits, and then finds its rows there. Without the lock, replays of overlapping lists of files that run at
// the same time would cut the rows into different segments, and so add them twice. Each key locks one octet of a lock
// file (open file description locks, fcntl(2)). Locks are taken in ascending order, so that no two replays wait for
// each other, and end with the process.
func lockCaptures(ctx context.Context, keys []string, waiting func()) (lock *os.File, err error) {
	base, err := stream.SpoolBase()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(base, 0o700); err != nil {
		return nil, err
	}
	if lock, err = os.OpenFile(filepath.Join(base, "replay.lock"), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, err
	}
	var octets []int64
	for _, key := range keys {
		sum := sha256.Sum256([]byte(key))
		octets = append(octets, int64(binary.LittleEndian.Uint64(sum[:])>>2))
	}
	slices.Sort(octets)
	for _, octet := range slices.Compact(octets) {
		if err := lockOctet(ctx, lock, octet, &waiting); err != nil {
			return nil, errors.Join(err, lock.Close())
		}
	}
	return lock, nil
}

// lockOctet waits for one lock, and calls waiting once if it must wait.
func lockOctet(ctx context.Context, lock *os.File, octet int64, waiting *func()) error {
	for {
		err := unix.FcntlFlock(lock.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK, Start: octet, Len: 1})
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EACCES) && !errors.Is(err, syscall.EINTR) {
			return fmt.Errorf("lock a capture file: %w", err)
		}
		if *waiting != nil {
			(*waiting)()
			*waiting = nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}
