package report

import (
	"syscall"
	"time"
)

// Clock is what the kernel knows of the wall clock's error.
type Clock struct {
	Synchronized   bool          `json:"synchronized"`
	Offset         time.Duration `json:"offset_ns"` // what the kernel corrects at present
	EstimatedError time.Duration `json:"estimated_error_ns"`
	MaxError       time.Duration `json:"max_error_ns"`
}

// Of adjtimex(2).
const (
	timeError = 5      // it returns that if the clock is not synchronized
	staNano   = 0x2000 // Offset is in nanoseconds, not microseconds
)

// ClockNow asks the kernel. It returns nil if that is not allowed.
func ClockNow() *Clock {
	var t syscall.Timex // Modes is 0: nothing is set
	state, err := syscall.Adjtimex(&t)
	if err != nil {
		return nil
	}
	unit := time.Microsecond
	if t.Status&staNano != 0 {
		unit = time.Nanosecond
	}
	return &Clock{
		Synchronized: state != timeError, Offset: time.Duration(t.Offset) * unit,
		EstimatedError: time.Duration(t.Esterror) * time.Microsecond,
		MaxError:       time.Duration(t.Maxerror) * time.Microsecond,
	}
}

// Disk is the room on a file system, in bytes.
type Disk struct {
	Free int64 `json:"free"` // that this user may still write
	Size int64 `json:"size"`
}

// DiskOf asks the file system of a directory. It returns nil if the directory is not there or cannot be reached.
func DiskOf(dir string) *Disk {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return nil
	}
	return &Disk{Free: int64(s.Bavail) * s.Bsize, Size: int64(s.Blocks) * s.Bsize}
}
