package spool

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// disk makes every call that changes something on disk, so that a test can make each of them fail.
type disk struct {
	dir   string
	fault func(op, path string) error
}

func (d disk) check(op, path string) error {
	if d.fault == nil {
		return nil
	}
	if err := d.fault(op, path); err != nil {
		return &os.PathError{Op: op, Path: path, Err: err}
	}
	return nil
}

func (d disk) create(path string) (*os.File, error) {
	if err := d.check("open", path); err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
}

func (d disk) write(f *os.File, b []byte) error {
	if err := d.check("write", f.Name()); err != nil {
		return err
	}
	_, err := f.Write(b)
	return err
}

func (d disk) fsync(f *os.File) error {
	if err := d.check("fsync", f.Name()); err != nil {
		return err
	}
	return f.Sync()
}

func (d disk) rename(from, to string) error {
	if err := d.check("rename", from); err != nil {
		return err
	}
	return os.Rename(from, to)
}

func (d disk) remove(path string) error {
	if err := d.check("remove", path); err != nil {
		return err
	}
	return os.Remove(path)
}

// fsyncDir makes the names in the directory durable. Unlike that of a file it may be tried again after a failure: names
// are in the file system's journal, which stops for good when it cannot be written.
func (d disk) fsyncDir() error {
	if err := d.check("fsyncdir", d.dir); err != nil {
		return err
	}
	f, err := os.Open(d.dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// replace writes a file under a temporary name, syncs it, and renames it.
func (d disk) replace(tmp, path string, write func(io.Writer) error) error {
	os.Remove(tmp) // of an attempt that failed
	f, err := d.create(tmp)
	if err != nil {
		return err
	}
	defer f.Close()
	if err = write(diskWriter{d, f}); err == nil {
		err = d.fsync(f)
	}
	if err == nil {
		err = d.rename(tmp, path)
	}
	if err != nil {
		os.Remove(tmp)
		return err
	}
	return d.fsyncDir()
}

// ReplaceFile writes a file of mode 0600 whole: after it, and after a crash at any moment, the file holds the old data
// or the new. It is for a file of another format that lives beside the segments; it writes path.new first.
func ReplaceFile(path string, data []byte) error {
	return disk{dir: filepath.Dir(path)}.replace(path+".new", path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

type diskWriter struct {
	d disk
	f *os.File
}

func (w diskWriter) Write(b []byte) (int, error) {
	if err := w.d.write(w.f, b); err != nil {
		return 0, err
	}
	return len(b), nil
}

// room returns how many bytes this user may still write to the file system, and its size.
func (d disk) room() (free, size int64, err error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(d.dir, &s); err != nil {
		return 0, 0, fmt.Errorf("statfs %s: %w", d.dir, err)
	}
	return int64(s.Bavail) * s.Bsize, int64(s.Blocks) * s.Bsize, nil
}

// lock locks the directory for this process, until the file is closed.
func lock(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if err == syscall.EWOULDBLOCK {
			return nil, ErrBusy
		}
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return f, nil
}
