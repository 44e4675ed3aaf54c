package replay

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// captureFile is a file of a followed directory.
type captureFile struct {
	name     string
	size     int64
	complete bool
}

// quiet is how long nothing must have been written to the newest file of a directory for it to be complete.
const quiet = 10 * time.Second

// listCaptures lists the files of a directory by name, numbers in it by their value: as tcpdump -G, -C and -W name
// them. A file is complete if no process has it open for writing, and either a later file exists or nothing was written
// for a while. If the file system does not report writers, only a later file counts. Hidden files are skipped: copying
// programs make them.
func listCaptures(dir string) (files []captureFile, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list the capture directory: %w", err)
	}
	entries = slices.DeleteFunc(entries, func(e os.DirEntry) bool {
		return !e.Type().IsRegular() || strings.HasPrefix(e.Name(), ".")
	})
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return compareNames(a.Name(), b.Name()) })
	for i, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue // removed since ReadDir
		}
		f := captureFile{name: e.Name(), size: info.Size()}
		writer, known := hasWriter(filepath.Join(dir, f.name))
		last := i == len(entries)-1
		f.complete = !writer && (!last || known && time.Since(info.ModTime()) >= quiet)
		files = append(files, f)
	}
	return files, nil
}

// hasWriter reports whether a process has a file open for writing. Then the kernel grants no read lease, fcntl(2).
func hasWriter(path string) (writer, known bool) {
	f, err := os.Open(path)
	if err != nil {
		return false, false
	}
	defer f.Close() // which ends the lease
	_, err = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_RDLCK)
	return errors.Is(err, unix.EAGAIN), err == nil || errors.Is(err, unix.EAGAIN)
}

// compareNames compares names; it compares runs of digits by value.
func compareNames(a, b string) int {
	x, y := a, b
	for x != "" && y != "" {
		p, q := digits(x), digits(y)
		if p != "" && q != "" {
			m, n := strings.TrimLeft(p, "0"), strings.TrimLeft(q, "0")
			if c := cmp.Or(cmp.Compare(len(m), len(n)), cmp.Compare(m, n)); c != 0 {
				return c
			}
			x, y = x[len(p):], y[len(q):]
			continue
		}
		if x[0] != y[0] {
			return cmp.Compare(x[0], y[0])
		}
		x, y = x[1:], y[1:]
	}
	return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(a, b))
}

func digits(s string) string {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return s[:n]
}

// digestFile returns the SHA-256 of the first size octets of a file, and how many of them exist.
func digestFile(ctx context.Context, path string, size int64) (digest string, n int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	stop := context.AfterFunc(ctx, func() { f.Close() }) // reading a large file takes a while
	defer stop()
	sum := sha256.New()
	n, err = io.Copy(sum, io.LimitReader(f, size))
	return hex.EncodeToString(sum.Sum(nil)), n, err
}
