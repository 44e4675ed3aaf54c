package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"tap25/capture/capturetest"
)

// seeds gives each kind of capture and of damage, plain or packed, to a fuzz target.
func seeds(f *testing.F) {
	for _, o := range []order{binary.LittleEndian, binary.BigEndian} {
		for _, magic := range []uint32{pcapMicroseconds, pcapNanoseconds, pcapModified} {
			f.Add(pcapFile(o, magic, sent))
		}
		f.Add(pcapngFile(o, sent))
		f.Add(slices.Concat(section(o), iface(o, 276, 3, option(o, optionTSResol, 0xff)...), simple(o, "abc", 9),
			obsolete(o, 0, 1<<63, "abc", 9)))
	}
	for _, data := range forms(f, pcapFile(le, pcapNanoseconds, sent)) {
		f.Add(data)
	}
	for _, c := range bad(f) {
		if len(c.data) < 1<<16 {
			f.Add(c.data)
		}
	}
}

// What reading may cost. Beside it stands what a reader needs for an input of any length.
const (
	mostMoved     = 4 // octets copied, for one of the input
	mostAllocated = 8
	readerNeeds   = 4 * readSize // the window, and what is read ahead of it
	unpackerNeeds = 64 << 20     // of zstd: two windows of 8 MiB, and what it decodes at once
)

// bounded reads data once more and asserts that the frames, the memory and what is copied follow from its length;
// packed, from what it unpacks to.
func bounded(t *testing.T, data []byte) {
	t.Helper()
	var files *Files
	var frames, octets int
	allocated := capturetest.Allocated(mostAllocated*int64(len(data))+readerNeeds, func() {
		frames, octets = 0, 0
		files = OpenFiles([]string{"-"}, bytes.NewReader(data))
		defer files.Close()
		var fr Frame
		for frames < enough && files.Next(&fr) == nil {
			frames++
			octets += len(fr.Data)
		}
	})
	input, needs := int(files.win.offset())+files.win.end-files.win.start, int64(readerNeeds)
	if len(data) >= 4 && isPacked(data) {
		needs += unpackerNeeds
	} else if input > len(data) {
		t.Errorf("%d octets read of %d", input, len(data))
	}
	input = max(input, len(data))
	w := &files.win
	if frames*pcapRecord+octets > input { // a simple packet block has 16 octets too
		t.Errorf("%d frames of %d octets in %d", frames, octets, input)
	}
	if w.moved > int64(mostMoved*input) || w.reads > int64(input)+128 {
		t.Errorf("%d octets copied and %d reads for an input of %d", w.moved, w.reads, input)
	}
	if have := len(w.buf); have > max(readSize, 4*input) || allocated > int64(mostAllocated*input)+needs {
		t.Errorf("a buffer of %d octets, %d allocated for an input of %d", have, allocated, input)
	}
}

// FuzzPcap holds the reader of pcap against a naive one.
func FuzzPcap(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		files := OpenFiles([]string{"-"}, bytes.NewReader(data))
		defer files.Close()
		frames, err := drain(files)
		bounded(t, data)
		want, sound, known := naive(data)
		if !known {
			return
		}
		if d := cmp.Diff(want, frames); d != "" {
			t.Error(d)
		}
		if (err == nil) != sound {
			t.Errorf("error %v, sound %v", err, sound)
		}
	})
}

// FuzzPcapng holds the reader of pcapng against a naive one. The input is what comes behind a sound section header.
func FuzzPcapng(f *testing.F) {
	for _, o := range []order{binary.LittleEndian, binary.BigEndian} {
		f.Add(pcapngFile(o, sent)[28:], o == binary.BigEndian)
		offset := option(o, optionTSOff, o.AppendUint64(nil, 1<<40)...)
		resol := option(o, optionTSResol, 0x80|10)
		f.Add(slices.Concat(iface(o, 276, 4, append(resol, offset...)...), simple(o, "abcd", 9),
			obsolete(o, 0, 3<<10, "abc", 9),
			section(binary.BigEndian), iface(binary.BigEndian, 1, 0),
			enhanced(binary.BigEndian, 0, 5, "x", 1)), o == binary.BigEndian)
	}
	for _, c := range bad(f) {
		if len(c.data) > 28 && len(c.data) < 1<<16 {
			f.Add(c.data[28:], true)
		}
	}
	f.Fuzz(func(t *testing.T, blocks []byte, bigEndian bool) {
		var o order = binary.LittleEndian
		if bigEndian {
			o = binary.BigEndian
		}
		data := append(section(o), blocks...)
		files := OpenFiles([]string{"-"}, bytes.NewReader(data))
		defer files.Close()
		frames, err := drain(files)
		bounded(t, data)
		want, sound := naivePcapng(data)
		if d := cmp.Diff(want, frames); d != "" {
			t.Error(d)
		}
		if (err == nil) != sound {
			t.Errorf("error %v, sound %v", err, sound)
		}
	})
}

// FuzzAny reads anything, packed or not: in one piece and octet by octet it gives the same frames and the same error,
// and packed (where it is not packed already) the same frames. What unpacking may take is bounded by a limit on the
// frames.
func FuzzAny(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		bounded(t, data)
		want, err := some(bytes.NewReader(data))
		frames, again := some(iotest.OneByteReader(bytes.NewReader(data)))
		if d := cmp.Diff(want, frames); d != "" {
			t.Errorf("octet by octet: %s", d)
		}
		if fmt.Sprint(err) != fmt.Sprint(again) {
			t.Errorf("%v; octet by octet: %v", err, again)
		}
		if err != nil && err.Error() == "" {
			t.Error("an error that says nothing")
		}
		if len(data) < 4 || isPacked(data) {
			return
		}
		frames, again = some(bytes.NewReader(gzipped(t, data)))
		if d := cmp.Diff(want, frames); d != "" || fmt.Sprint(err) != fmt.Sprint(again) {
			t.Errorf("%v; packed: %v; %s", err, again, d)
		}
	})
}

// isPacked goes by the magic numbers of gzip and zstd, and of the frames that zstd skips.
func isPacked(b []byte) bool {
	m := binary.LittleEndian.Uint32(b)
	return m&0xffff == 0x8b1f || m == 0xfd2fb528 || m>>4 == 0x184d2a5
}

// enough frames are read of what unpacks to any number.
const enough = 1 << 12

// some reads no more than so many frames.
func some(r io.Reader) (frames []got, err error) {
	files := OpenFiles([]string{"-"}, r)
	defer files.Close()
	for len(frames) < enough {
		var fr Frame
		if err := files.Next(&fr); err == io.EOF {
			return frames, nil
		} else if err != nil {
			return frames, err
		}
		frames = append(frames, got{fr.Time, string(fr.Data), fr.Length, fr.LinkType, fr.File})
	}
	return frames, nil
}
