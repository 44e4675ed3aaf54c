package capture

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"
	"syscall"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

const (
	// maxZstdWindow is what zstd -d grants without being asked (windowLog 27): whatever it unpacks, tap25 reads. A file
	// that asks for more is refused; one made by zstd -19 or less asks for 8 MiB at most.
	maxZstdWindow = 128 << 20

	pipefsMagic = 0x50495045 // PIPEFS_MAGIC of linux/magic.h: a pipe without a name
)

// source is the input of one file: counted, unpacked, interruptible.
type source struct {
	io.Reader            // the capture, once unpack has set it
	raw       io.Reader  // the octets as they lie on disk
	file      *os.File   // nil for standard input
	stdin     *readAhead // nil for a file
	unpacker  *readAhead // nil for a plain capture
}

func displayName(path string) string {
	if path == "-" {
		return "standard input"
	}
	return path
}

// totalSize adds up the sizes of the files, 0 if one of them has none.
func totalSize(paths []string, stdin io.Reader) (total int64) {
	for _, path := range paths {
		var info fs.FileInfo
		var err error
		if file, ok := stdin.(*os.File); path == "-" && ok {
			info, err = file.Stat()
		} else {
			info, err = os.Stat(path)
		}
		if err != nil || !info.Mode().IsRegular() {
			return 0
		}
		total += info.Size()
	}
	return total
}

func openSource(path string, stdin io.Reader, done *atomic.Int64) (*source, error) {
	if path == "-" {
		// Whatever stdin is (a blocking pipe, a terminal, a socket), a Read of it may not be interruptible: it
		// happens in a goroutine of readAhead, so that Next can be.
		p := startReadAhead(&counter{stdin, done})
		return &source{raw: p, stdin: p}, nil
	}
	// O_NONBLOCK: the opening of a FIFO does not wait for a writer, and Close ends a waiting Read. It means nothing to
	// a regular file.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, openError(err)
	}
	info, err := file.Stat()
	if err == nil && info.IsDir() {
		err = errors.New("is a directory: name the capture files in it")
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return &source{raw: &counter{file, done}, file: file}, nil
}

// openError drops the name of the file, which FileError has, and says what to do.
func openError(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("cannot be opened: %w; check the name", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("cannot be opened: %w; run tap25 as a user who may read the file", err)
	}
	return fmt.Errorf("cannot be opened: %w", err)
}

// await waits until a FIFO has a writer: a Read of a FIFO without one would return at once, as at its end. Linux
// reports neither data nor a hang-up on a FIFO whose writer is yet to come (pipe_poll in fs/pipe.c).
func (s *source) await() error {
	if s.file == nil {
		return nil
	}
	info, err := s.file.Stat()
	if err != nil || info.Mode()&fs.ModeNamedPipe == 0 {
		return err
	}
	conn, err := s.file.SyscallConn()
	if err != nil {
		return err
	}
	var callErr error
	err = conn.Read(func(fd uintptr) (ready bool) {
		var st syscall.Statfs_t
		if callErr = syscall.Fstatfs(int(fd), &st); callErr != nil || st.Type == pipefsMagic {
			return true // /dev/stdin and its like: the writer came first
		}
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		var n int
		n, callErr = unix.Poll(poll, 0)
		return n > 0 || callErr != nil && callErr != unix.EINTR
	})
	return errors.Join(err, callErr)
}

// unpack reads the magic number and adds a decompressor if the file needs one. It returns what it has read of the
// capture as head.
func (s *source) unpack() (head []byte, err error) {
	s.Reader = s.raw
	head = make([]byte, 4)
	n, err := io.ReadFull(s.raw, head)
	if head = head[:n]; err != nil {
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			err = nil // too short for a magic number: reading it as a capture reports that
		}
		return head, err
	}
	whole := io.MultiReader(bytes.NewReader(head), s.raw)
	switch m := binary.LittleEndian.Uint32(head); {
	case m&0xffff == 0x8b1f: // RFC 1952 section 2.3.1
		var gz *gzip.Reader
		// reads all members of the file, section 2.2
		if gz, err = gzip.NewReader(bufio.NewReaderSize(whole, readSize)); err != nil {
			return nil, unpackError("gzip", err)
		}
		s.unpacker = startReadAhead(&unpacker{gz, "gzip"})
	case m == 0xfd2fb528, m&^0xf == 0x184d2a50: // RFC 8878 sections 3.1.1 and 3.1.2: a frame, or one to be skipped
		var zs *zstd.Decoder
		zs, err = zstd.NewReader(whole, zstd.WithDecoderConcurrency(1), // no goroutines, thus nothing to close
			zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxZstdWindow))
		if err != nil {
			return nil, unpackError("zstd", err)
		}
		s.unpacker = startReadAhead(&unpacker{zs, "zstd"})
	default:
		return head, nil
	}
	// In a goroutine of its own: unpacking takes longer than all that is done with the frames.
	s.Reader = s.unpacker
	return nil, nil
}

// close closes the file. It may be called while another goroutine reads, which then gets an error.
func (s *source) close() {
	if s.unpacker != nil {
		s.unpacker.close()
	}
	if s.stdin != nil {
		s.stdin.close()
	}
	if s.file != nil {
		s.file.Close() // read only: an error would mean nothing
	}
}

// unpacker marks the errors of a decompressor as such.
type unpacker struct {
	io.Reader
	format string
}

func (u *unpacker) Read(p []byte) (int, error) {
	n, err := u.Reader.Read(p)
	if err != nil && err != io.EOF {
		err = unpackError(u.format, err)
	}
	return n, err
}

func unpackError(format string, err error) error {
	if err == io.ErrUnexpectedEOF || err == io.EOF {
		return fmt.Errorf("the %s file is cut off: tap25 read everything before this point; copy the file again, or "+
			"wait until it is complete", format)
	}
	return fmt.Errorf("cannot be decompressed: %w; tap25 read everything before this point; run %s -t to check the "+
		"file", err, format)
}

// counter counts what is read of the files as they lie on disk.
type counter struct {
	r io.Reader
	n *atomic.Int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}
