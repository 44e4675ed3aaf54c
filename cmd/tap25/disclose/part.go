package disclose

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"tap25/cmd/tap25/rowfile"
	"tap25/store/numeral"
)

// maxLine is the most octets of a line. A row has few texts, each of a line of SMTP, which is 64 KiB at most.
const maxLine = 4 << 20

const bufferSize = 64 << 10

// part is a file of the directory that is read once, from its beginning, and held to the manifest. It gives no octet
// after those that the manifest counts.
type part struct {
	file   *os.File
	want   File
	r      *bufio.Reader
	sum    hash.Hash
	long   []byte // a line that is longer than the reader's buffer
	broken error  // why it cannot be read further
}

// openPart opens a file that a manifest describes. Of one that cannot be opened, it returns a part without a line.
func openPart(dir *os.Root, want File) *part {
	p := &part{want: want, sum: sha256.New()}
	p.file, p.broken = rowfile.Open(dir, want.Name)
	var from io.Reader = bytes.NewReader(nil)
	if p.broken == nil {
		from = io.TeeReader(io.LimitReader(p.file, want.Bytes), p.sum)
	}
	p.r = bufio.NewReaderSize(from, bufferSize)
	return p
}

// line returns the next line with its end; it is valid until the next call. The error is io.EOF after the last one.
func (p *part) line() ([]byte, error) {
	line, err := p.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		p.long = p.long[:0]
		for errors.Is(err, bufio.ErrBufferFull) && len(p.long) < maxLine {
			p.long = append(p.long, line...)
			line, err = p.r.ReadSlice('\n')
		}
		line = append(p.long, line...)
	}
	switch {
	case err == io.EOF && len(line) > 0:
		return nil, errors.New("its last line has no end")
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, errors.New("a line is longer than tap25 writes")
	}
	return line, err
}

// Write compares what is written with the next octets of the file.
func (p *part) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		piece := rest[:min(len(rest), bufferSize)]
		have, err := p.r.Peek(len(piece))
		if !bytes.Equal(have, piece) {
			return 0, errDiffers
		} else if err != nil {
			return 0, err
		}
		if _, err := p.r.Discard(len(piece)); err != nil {
			return 0, err
		}
		rest = rest[len(piece):]
	}
	return len(b), nil
}

var errDiffers = errors.New("differs")

// close reads the rest, and returns in what the whole file differs from the manifest.
func (p *part) close() error {
	if p.broken != nil {
		return p.broken
	}
	defer p.file.Close()
	if _, err := io.Copy(io.Discard, p.r); err != nil {
		return fmt.Errorf("cannot be read: %w", err)
	}
	info, err := p.file.Stat()
	if err != nil {
		return fmt.Errorf("cannot be read: %w", err)
	}
	if info.Size() != p.want.Bytes {
		return fmt.Errorf("has %s bytes, and the manifest says %s", numeral.Grouped(info.Size()), numeral.Grouped(p.want.Bytes))
	}
	if hex.EncodeToString(p.sum.Sum(nil)) != p.want.SHA256 {
		return errors.New("is not the file that was signed: its SHA-256 is another than in the manifest")
	}
	return nil
}
