package archive

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"os/exec"
	"runtime/debug"

	"golang.org/x/sys/unix"

	"tap25/cmd/tap25/confine"
	"tap25/cmd/tap25/rowfile"
	"tap25/reassembly/smtp"
	"tap25/store"
	"tap25/store/spool"
)

// ReaderCommand names the command of tap25 that calls [ServeRows].
const ReaderCommand = "read-rows"

const (
	// readerMemory is what the reader may allocate. It needs a tenth of it for a file that tap25 has written.
	readerMemory = 512 << 20

	// readerHeap is from where on the reader collects garbage before it allocates.
	readerHeap = 96 << 20

	// inputFile is the file that the reader reads.
	inputFile = 3
)

// The words of the reader's output. Any other is the length of a row, which follows.
const (
	endOfRows    = 0
	otherColumns = 1<<32 - 1
)

// ServeRows is the reader: it writes the rows of a Parquet file, which it has open as inputFile. Before, it gives up
// all rights, and all memory beyond a limit: a file that needs more ends this process.
func ServeRows(out io.Writer) error {
	limit := unix.Rlimit{Cur: readerMemory, Max: readerMemory}
	if err := unix.Setrlimit(unix.RLIMIT_DATA, &limit); err != nil {
		return fmt.Errorf("bound the memory: %w", err)
	}
	debug.SetMemoryLimit(readerHeap)
	if _, err := confine.To(confine.Rights{UID: -1, GID: -1}); err != nil {
		return err
	}
	in := os.NewFile(inputFile, "input")
	info, err := in.Stat()
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(out, 1<<20)
	var record []byte
	last := uint32(endOfRows)
	err = rowfile.ReadMail(in, info.Size(), func(e *smtp.Envelope) error {
		record = store.AppendRow(record[:0], e)
		w.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(record))))
		_, err := w.Write(record)
		return err
	})
	if errors.Is(err, rowfile.ErrColumns) {
		last, err = otherColumns, nil
	}
	if err == nil {
		_, err = w.Write(binary.LittleEndian.AppendUint32(nil, last))
	}
	return errors.Join(err, w.Flush())
}

// errDamaged quotes nothing of the file.
var errDamaged = errors.New("is not a whole Parquet file as tap25 exports mail: it is damaged, or was made by " +
	"another program")

// rowsOf reads a file in a process of its own, row by row: each as [store.AppendRow] makes it. A record holds until the
// next.
func rowsOf(ctx context.Context, f *os.File) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		cmd := exec.CommandContext(ctx, "/proc/self/exe", ReaderCommand)
		cmd.Args[0] = "tap25"
		cmd.Env = []string{} // which may have a password
		cmd.ExtraFiles = []*os.File{f}
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			yield(nil, fmt.Errorf("start the process that reads the file: %w", err))
			return
		}
		defer cmd.Wait()
		defer cancel()
		in := bufio.NewReaderSize(out, 1<<20)
		var record []byte
		for {
			record, err = readRecord(in, record[:0])
			switch {
			case err == io.EOF:
				return
			case ctx.Err() != nil:
				err = context.Cause(ctx)
			}
			if !yield(record, err) || err != nil {
				return
			}
		}
	}
}

// readRecord appends the next row to b; the error is io.EOF after the last.
func readRecord(in io.Reader, b []byte) ([]byte, error) {
	var word [4]byte
	if _, err := io.ReadFull(in, word[:]); err != nil {
		return nil, errDamaged
	}
	switch n := binary.LittleEndian.Uint32(word[:]); {
	case n == endOfRows:
		return nil, io.EOF
	case n == otherColumns:
		return nil, rowfile.ErrColumns
	case n > spool.MaxRecord:
		return nil, errDamaged
	default:
		b = append(b, make([]byte, n)...)
		if _, err := io.ReadFull(in, b); err != nil {
			return nil, errDamaged
		}
		return b, nil
	}
}
