package rowfile

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"syscall"
)

// File is a file that is written. Only its owner may read it.
type File struct {
	f   *os.File
	w   *bufio.Writer
	sum hash.Hash
	n   int64
}

// Create makes a file in a directory. The error is fs.ErrExist if the name is taken, be it by a link.
func Create(dir *os.Root, name string) (*File, error) {
	f, err := dir.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	o := &File{f: f, sum: sha256.New()}
	o.w = bufio.NewWriterSize(io.MultiWriter(f, o.sum), 64<<10)
	return o, nil
}

// Write implements io.Writer. An error stays until Close.
func (o *File) Write(b []byte) (int, error) {
	o.n += int64(len(b))
	return o.w.Write(b)
}

// Close makes the file durable, and returns its size and its SHA-256 in hexadecimal.
func (o *File) Close() (octets int64, digest string, err error) {
	err = errors.Join(o.w.Flush(), o.f.Sync(), o.f.Close())
	return o.n, hex.EncodeToString(o.sum.Sum(nil)), err
}

// WriteFile makes a durable file of these octets, as Create does.
func WriteFile(dir *os.Root, name string, data []byte) error {
	o, err := Create(dir, name)
	if err != nil {
		return err
	}
	o.Write(data) // the error stays until Close
	_, _, err = o.Close()
	return err
}

// SyncDir makes what was made in a directory, or renamed, durable.
func SyncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Open opens a file of a directory that may be hostile: a link, a pipe or a device is refused, and nothing waits.
func Open(dir *os.Root, name string) (*os.File, error) {
	info, err := dir.Lstat(name)
	if err != nil {
		return nil, errors.New("is missing, or cannot be read")
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("is not a regular file")
	}
	f, err := dir.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot be opened: %w", err)
	}
	if info, err = f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, errors.New("is not a regular file")
	}
	return f, nil
}

// ReadSmall reads a file of at most so many octets.
func ReadSmall(dir *os.Root, name string, most int64) ([]byte, error) {
	f, err := Open(dir, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	if int64(len(text)) > most {
		return nil, fmt.Errorf("is longer than the %d bytes that tap25 reads of it", most)
	}
	return text, nil
}
