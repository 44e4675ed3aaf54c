package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

var le = binary.LittleEndian

func gzipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(data)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zstandard(t testing.TB, data []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll(data, nil)
}

// forms are a capture in all the ways in which it may be packed, among them in several members or frames.
func forms(t testing.TB, capture []byte) map[string][]byte {
	half := len(capture) / 2
	return map[string][]byte{
		"plain":                 capture,
		"gzip":                  gzipped(t, capture),
		"gzip in members":       slices.Concat(gzipped(t, capture[:half]), gzipped(t, nil), gzipped(t, capture[half:])),
		"zstd":                  zstandard(t, capture),
		"zstd in frames":        slices.Concat(zstandard(t, capture[:half]), zstandard(t, capture[half:])),
		"zstd, first a skipped": slices.Concat([]byte{0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9}, zstandard(t, capture)),
	}
}

func TestFiles_PackedAndFromStandardInput(t *testing.T) {
	for format, capture := range map[string][]byte{"pcap": pcapFile(le, pcapNanoseconds, sent),
		"pcapng": pcapngFile(le, sent)} {
		for form, data := range forms(t, capture) {
			t.Run(format+" "+form, func(t *testing.T) {
				frames, err := read(nil, write(t, data))
				if d := cmp.Diff(sent, frames); d != "" || err != nil {
					t.Error("from a file:", err, d)
				}
				frames, err = read(iotest.OneByteReader(bytes.NewReader(data)), "-")
				if d := cmp.Diff(sent, frames); d != "" || err != nil {
					t.Error("from standard input:", err, d)
				}
			})
		}
	}
}

func TestFiles_SeveralAreOneStream(t *testing.T) {
	paths := []string{
		write(t, pcapFile(le, pcapNanoseconds, sent)),
		write(t, gzipped(t, pcapngFile(binary.BigEndian, sent))),
		"-",
		write(t, pcapFile(le, pcapNanoseconds, nil)),
		write(t, zstandard(t, pcapFile(le, pcapNanoseconds, sent[:1]))),
	}
	frames, err := read(bytes.NewReader(pcapngFile(le, sent[1:])), paths...)
	if err != nil {
		t.Fatal(err)
	}
	want := slices.Concat(sent, fromFile(1, sent), fromFile(2, sent[1:]), fromFile(4, sent[:1]))
	if d := cmp.Diff(want, frames); d != "" {
		t.Error(d)
	}
}

func TestFiles_ProgressEndsAtTheTotal(t *testing.T) {
	a, b := pcapFile(le, pcapNanoseconds, sent), gzipped(t, pcapngFile(le, sent))
	f := OpenFiles([]string{write(t, a), write(t, b)}, nil)
	defer f.Close()
	if done, total := f.Progress(); done != 0 || total != int64(len(a)+len(b)) {
		t.Errorf("at the start: %d of %d", done, total)
	}
	if _, err := drain(f); err != nil {
		t.Fatal(err)
	}
	if done, total := f.Progress(); done != total {
		t.Errorf("at the end: %d of %d", done, total)
	}
}

func TestFiles_CompressedAndCutAtEveryByte(t *testing.T) {
	capture := pcapFile(le, pcapNanoseconds, sent)
	for form, data := range map[string][]byte{"gzip": gzipped(t, capture), "zstd": zstandard(t, capture)} {
		for n := range data {
			frames, err := read(nil, write(t, data[:n]))
			if len(frames) > len(sent) || !cmp.Equal(sent[:len(frames)], append([]got{}, frames...)) {
				t.Errorf("%s cut at %d: frames that were not sent", form, n)
			}
			if _, ok := errors.AsType[*FileError](err); !ok {
				t.Errorf("%s cut at %d: %v, want a FileError", form, n, err)
			}
		}
	}
}

// bad are inputs that are no sound capture, with a word that their error must have and how many frames come before it.
func bad(t testing.TB) map[string]struct {
	data   []byte
	word   string
	offset int64
	frames int
} {
	be := binary.BigEndian
	ng := func(blocks ...[]byte) []byte { return append(section(be), slices.Concat(blocks...)...) }
	one := pcapFile(le, pcapMicroseconds, inMicroseconds(sent[:1]))
	ok := enhanced(be, 0, 0, "a", 1)
	changed := func(b []byte, at int, v uint32) []byte {
		b = bytes.Clone(b)
		be.PutUint32(b[at:], v)
		return b
	}
	type c = struct {
		data   []byte
		word   string
		offset int64
		frames int
	}
	return map[string]c{
		"empty":         {nil, "empty", 0, 0},
		"one byte":      {[]byte{0xd4}, "not a capture", 0, 0},
		"text":          {[]byte("Received: by a mailbox, not a capture"), "not a capture", 0, 0},
		"zeros":         {make([]byte, 1<<20), "not a capture", 0, 0},
		"zeros, packed": {gzipped(t, make([]byte, 64<<20)), "not a capture", 0, 0},
		"packed twice":  {gzipped(t, gzipped(t, one)), "not a capture", 0, 0},
		"empty, packed": {gzipped(t, nil), "empty", 0, 0},
		"gzip with a wrong checksum": {changed(gzipped(t, one), len(gzipped(t, one))-8, 0x12345678), "gzip",
			int64(len(one)), 1},
		"pcap version 9": {[]byte{0xd4, 0xc3, 0xb2, 0xa1, 9, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
			1, 0, 0, 0}, "version 9.4", 4, 0},
		"pcap frame of 4 GB": {append(bytes.Clone(one), bytes.Repeat([]byte{0xff}, 99)...), "4294967295",
			int64(len(one)), 1},
		"pcapng without byte order": {changed(section(be), 8, 0), "not a capture", 0, 0},
		"pcapng version 2":          {changed(section(be), 12, 2<<16), "version 2.0", 0, 0},
		"section header too short":  {block(be, blockSection, 0x1a, 0x2b, 0x3c, 0x4d), "too short", 0, 0},
		"block of 4 GB":             {ng(changed(ok, 4, 1<<32-4)), "4294967292", 28, 0},
		"unknown block of 4 GB":     {ng(changed(block(be, 99), 4, 1<<32-4)), "4294967292", 28, 0},
		"block of 0 octets":         {ng(changed(ok, 4, 0)), "no block can have", 28, 0},
		"block of odd length":       {ng(changed(block(be, 99), 4, 13)), "no block can have", 28, 0},
		"two lengths differ": {ng(iface(be, 1, 0), ok, changed(ok, len(ok)-4, 16)), "lengths", 28 + 20 + 36,
			1},
		"skipped block's lengths":  {ng(changed(block(be, 99), 8, 16)), "lengths", 28, 0},
		"packet longer than block": {ng(iface(be, 1, 0), changed(ok, 20, 5)), "claims 5", 48, 0},
		"packet block too short": {ng(iface(be, 1, 0), block(be, blockEnhanced, make([]byte, 16)...)),
			"too short", 48, 0},
		"packet without interface":     {ng(ok), "interface 0", 28, 0},
		"interface not there":          {ng(iface(be, 1, 0), enhanced(be, 1, 0, "a", 1)), "interface 1", 48, 0},
		"interface of another section": {ng(iface(be, 1, 0), section(be), ok), "interface 0", 76, 0},
		"simple without interface":     {ng(simple(be, "a", 1)), "interface 0", 28, 0},
		"simple too short":             {ng(iface(be, 1, 0), block(be, blockSimple)), "too short", 48, 0},
		"simple longer than block":     {ng(iface(be, 1, 0), simple(be, "abcd", 5)), "claims 5", 48, 0},
		"interface block too short":    {ng(block(be, blockInterface)), "too short", 28, 0},
		"option longer than its block": {ng(iface(be, 1, 0, 0, 9, 0, 9)), "option", 28, 0},
		"too many interfaces": {ng(bytes.Repeat(iface(be, 1, 0), maxInterfaces+1)), "interfaces",
			28 + 20*maxInterfaces, 0},
	}
}

func TestFiles_BadInputNamesFileAndOffset(t *testing.T) {
	for name, c := range bad(t) {
		t.Run(name, func(t *testing.T) {
			path := write(t, c.data)
			frames, err := read(nil, path)
			fe, ok := errors.AsType[*FileError](err)
			if !ok {
				t.Fatalf("%v, want a FileError", err)
			}
			if fe.Path != path || fe.Offset != c.offset || !strings.Contains(fe.Error(), c.word) {
				t.Errorf("%v: want path %s, offset %d and %q", err, path, c.offset, c.word)
			}
			if len(frames) != c.frames {
				t.Errorf("%d frames before it, want %d", len(frames), c.frames)
			}
		})
	}
}

func TestFiles_WhatIsNoFile(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	for path, want := range map[string]string{t.TempDir(): "directory", missing: "no such file"} {
		_, err := read(nil, path)
		if fe, ok := errors.AsType[*FileError](err); !ok || fe.Path != path || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want a FileError that says %q", err, want)
		}
	}
	good := write(t, pcapFile(le, pcapNanoseconds, sent))
	frames, err := read(nil, good, missing)
	if len(frames) != len(sent) || err == nil {
		t.Errorf("%d frames and %v before a file that is missing", len(frames), err)
	}
}

func TestFiles_AnErrorStands(t *testing.T) {
	f := OpenFiles([]string{write(t, nil), write(t, pcapFile(le, pcapNanoseconds, sent))}, nil)
	defer f.Close()
	_, first := drain(f)
	if _, second := drain(f); first == nil || second != first {
		t.Errorf("%v, then %v", first, second)
	}
}

func fifo(t testing.TB) string {
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFiles_FIFOWhoseWriterComesLater(t *testing.T) {
	path := fifo(t)
	f := OpenFiles([]string{path}, nil)
	defer f.Close()
	failed := make(chan error, 1)
	go func() { failed <- os.WriteFile(path, pcapFile(le, pcapNanoseconds, sent), 0) }()
	frames, err := drain(f)
	if d := cmp.Diff(sent, frames); d != "" || err != nil {
		t.Error(err, d)
	}
	if err := <-failed; err != nil {
		t.Error(err)
	}
}

func TestFiles_UnnamedPipeThatIsOverAlready(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w.Close()
	path := fmt.Sprintf("/proc/self/fd/%d", r.Fd())
	if _, err := read(nil, path); err == nil || !strings.Contains(err.Error(), "empty") {
		t.Errorf("%v, want that it is empty", err)
	}
}

func TestFiles_CloseEndsANextThatWaits(t *testing.T) {
	whole := pcapFile(le, pcapNanoseconds, sent)
	for name, head := range map[string][]byte{"no writer": nil, "plain": whole, "gzip": flushedGzip(t, whole)} {
		t.Run(name, func(t *testing.T) {
			path := fifo(t)
			f := OpenFiles([]string{path}, nil)
			if head != nil {
				w, err := os.OpenFile(path, os.O_RDWR, 0)
				if err != nil {
					t.Fatal(err)
				}
				defer w.Close()
				w.Write(head)
			}
			testClose(t, f, head != nil)
		})
		t.Run(name+" on standard input", func(t *testing.T) {
			r, w := io.Pipe()
			defer w.Close()
			go w.Write(head)
			testClose(t, OpenFiles([]string{"-"}, r), head != nil)
		})
	}
}

// flushedGzip packs data so that all of it can be unpacked before the end of the file is there.
func flushedGzip(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(data)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// testClose reads what there is, if any, then waits for more, and is closed meanwhile.
func testClose(t *testing.T, f *Files, frames bool) {
	var fr Frame
	if frames {
		for range sent {
			if err := f.Next(&fr); err != nil {
				t.Fatal(err)
			}
		}
	}
	ended := make(chan error, 1)
	go func() { ended <- f.Next(&fr) }()
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	select {
	case err := <-ended:
		if err != os.ErrClosed {
			t.Errorf("Next returned %v, want os.ErrClosed", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("Next still waits after Close")
	}
	if err := f.Next(&fr); err != os.ErrClosed {
		t.Errorf("a later Next returned %v, want os.ErrClosed", err)
	}
}
