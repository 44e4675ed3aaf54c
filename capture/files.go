package capture

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"tap25/bpf"
)

// Frame is one captured frame.
type Frame struct {
	Time   time.Time  // receive time, UTC
	Data   []byte     // valid until the next call of Next, but see Files.KeepFrames
	Unseen bpf.Unseen // payload that a live source has left in the kernel; then Data is the headers alone
	Length int        // octets on the wire; more than len(Data) if a snaplen cut it
	// LINKTYPE_ number of https://www.tcpdump.org/linktypes.html; 8 bits do not hold 276, Linux cooked v2
	LinkType uint16
	File     int // index of the file, or interface, it came from
	// frames of a live source that were lost right before this one, for want of room in the worker's ring
	Lost uint64
}

// FileError reports what is wrong with a file, and where.
type FileError struct {
	Path   string
	Offset int64 // octets into the capture; of a compressed file, into what it unpacks to
	Err    error // what failed and what to do about it
}

// Error names the file, the offset unless it is 0, and what to do.
func (e *FileError) Error() string {
	if e.Offset == 0 {
		return fmt.Sprintf("%s: %v", e.Path, e.Err)
	}
	return fmt.Sprintf("%s: byte %d: %v", e.Path, e.Offset, e.Err)
}

// Unwrap returns Err.
func (e *FileError) Unwrap() error { return e.Err }

// Files reads capture files as one continuous stream.
type Files struct {
	paths []string
	stdin io.Reader
	total int64        // octets of all files, 0 if that is not known
	done  atomic.Int64 // octets read of all files

	file   int                // index of the file being read, or to be opened next
	open   bool               // paths[file] is being read
	next   func(*Frame) error // reads a frame of the open file, in its format
	win    window
	err    error // sticky
	closed atomic.Bool

	mu  sync.Mutex // guards src, between Next and Close
	src *source
}

// OpenFiles returns the frames of the files named by paths, in that order. "-" names stdin. Files are opened when they
// are reached, so that a missing one is an error of Next.
func OpenFiles(paths []string, stdin io.Reader) *Files {
	f := &Files{paths: paths, stdin: stdin}
	f.total = totalSize(paths, stdin)
	return f
}

// KeepFrames leaves the memory of frames to the caller, who may use Data until it gives the memory to Next again. Next
// calls swap whenever it has no whole frame left, or begins a file: with the memory in which the frames since the last
// call are, nil at first. swap returns memory for the next ones, which may be the same if nobody needs them any more.
func (f *Files) KeepFrames(swap func(used []byte) []byte) { f.win.swap = swap }

// CheckPaths returns an error for the first path that cannot be opened, as Next would when it reached that. It leaves
// FIFOs alone, whose writers would notice, and "-".
func CheckPaths(paths []string) error {
	for _, path := range paths {
		info, err := os.Stat(path)
		if path == "-" || err == nil && !info.Mode().IsRegular() && !info.IsDir() {
			continue
		}
		source, err := openSource(path, nil, new(atomic.Int64))
		if err != nil {
			return &FileError{Path: displayName(path), Err: err}
		}
		source.close()
	}
	return nil
}

// Next reads the next frame. It returns io.EOF at the end of the last file, os.ErrClosed after Close, and a *FileError
// for everything else; every later call returns the same.
func (f *Files) Next(fr *Frame) error {
	for f.err == nil {
		if f.closed.Load() {
			f.err = os.ErrClosed
			break
		}
		if !f.open {
			f.err = f.openNext()
			continue
		}
		err := f.next(fr)
		if err == nil {
			fr.File = f.file
			return nil
		}
		f.err = f.endFile(err)
	}
	return f.err
}

// openNext opens paths[file], or returns io.EOF if there is none.
func (f *Files) openNext() error {
	if f.file == len(f.paths) {
		return io.EOF
	}
	src, err := openSource(f.paths[f.file], f.stdin, &f.done)
	if err != nil {
		return f.fail(err)
	}
	f.mu.Lock()
	f.src = src
	closed := f.closed.Load()
	f.mu.Unlock()
	if closed { // while it was being opened: Close has not seen it
		src.close()
		return os.ErrClosed
	}
	f.win.reset(nil, nil)
	if f.next, err = f.start(src); err != nil {
		return f.endFile(err)
	}
	f.open = true
	return nil
}

// start waits for the first octets and makes ready to read the format that they announce.
func (f *Files) start(src *source) (next func(*Frame) error, err error) {
	if err = src.await(); err != nil {
		return nil, err
	}
	head, err := src.unpack()
	if err != nil {
		return nil, err
	}
	f.win.reset(src.Reader, head)
	magic, err := f.win.peek(4)
	switch {
	case err == io.EOF:
		return nil, errEmpty
	case err == io.ErrUnexpectedEOF:
		return nil, &offsetError{0, errNotCapture} // even the magic number is longer
	case err != nil:
		return nil, err
	}
	if isPcapng(magic) {
		r := &pcapng{win: &f.win}
		return r.next, nil
	}
	r := &pcap{win: &f.win}
	return r.next, r.readHeader()
}

var (
	errEmpty      = errors.New("is empty and has not even a file header: nothing was captured, or the copy failed")
	errNotCapture = errors.New("not a capture (pcap or pcapng; plain, gzip or zstd): name a file that tcpdump -w or " +
		"dumpcap wrote")
)

// endFile closes the file being read, of which Next has met the end or an error, and returns what Next is to return:
// nil if it is to go on with the next file.
func (f *Files) endFile(err error) error {
	if err != io.EOF {
		err = f.fail(f.win.where(err))
	} else {
		err = nil
	}
	f.mu.Lock()
	src := f.src
	f.src = nil
	f.mu.Unlock()
	if src != nil {
		src.close()
	}
	f.open = false
	f.file++
	return err
}

// fail names the file in an error.
func (f *Files) fail(err error) error {
	if f.closed.Load() { // reading failed because Close closed the file
		return os.ErrClosed
	}
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = fmt.Errorf("cannot be read: %w", pathErr.Err)
	}
	fe := &FileError{Path: displayName(f.paths[f.file]), Err: err}
	if at, ok := err.(*offsetError); ok {
		fe.Offset, fe.Err = at.offset, at.err
	}
	return fe
}

// Progress returns how many octets have been read of how many, as the files lie on disk. The total is 0 if it cannot be
// known, as with a pipe.
func (f *Files) Progress() (done, total int64) { return f.done.Load(), f.total }

// Close ends the stream: a call of Next that waits returns os.ErrClosed, as does every later one.
func (f *Files) Close() error {
	if f.closed.Swap(true) {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.src != nil {
		f.src.close()
	}
	return nil
}
