package capture

import (
	"bytes"
	"encoding/binary"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// seeds gives each kind of capture and of damage, plain or packed, to a fuzz target.
func seeds(f *testing.F) {
	for _, o := range []order{binary.LittleEndian, binary.BigEndian} {
		for _, magic := range []uint32{pcapMicroseconds, pcapNanoseconds, pcapModified} {
			f.Add(pcapFile(o, magic, sent))
		}
		f.Add(pcapngFile(o, sent))
		f.Add(slices.Concat(section(o), iface(o, 276, 3, option(o, optionTSResol, 0xff)...), simple(o, "abc", 9), obsolete(o, 0, 1<<63, "abc", 9)))
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

// bounded fails where the window grew beyond what the input can account for.
func bounded(t *testing.T, f *Files, input int) {
	if have := len(f.win.buf); have > max(readSize, 4*input) {
		t.Errorf("a buffer of %d octets for an input of %d", have, input)
	}
}

// naive reads a pcap file of version 2.4 in the simplest way, and says whether it is sound to its end.
func naive(b []byte) (frames []got, sound, known bool) {
	if len(b) < 24 {
		return nil, false, false
	}
	var o binary.ByteOrder = binary.LittleEndian
	if b[0] == 0xa1 {
		o = binary.BigEndian
	}
	unit := map[uint32]int64{0xa1b2c3d4: 1000, 0xa1b23c4d: 1}[o.Uint32(b)]
	if unit == 0 || o.Uint16(b[4:]) != 2 || o.Uint16(b[6:]) != 4 {
		return nil, false, false
	}
	link := uint16(o.Uint32(b[20:]))
	for b = b[24:]; len(b) >= 16; {
		captured, length := o.Uint32(b[8:]), int(o.Uint32(b[12:]))
		if captured > 1<<20 || int(captured) > len(b)-16 {
			return frames, false, true
		}
		at := time.Unix(int64(o.Uint32(b)), int64(o.Uint32(b[4:]))*unit).UTC()
		frames = append(frames, got{at, string(b[16 : 16+captured]), max(length, int(captured)), link, 0})
		b = b[16+captured:]
	}
	return frames, len(b) == 0, true
}

func FuzzPcap(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		files := OpenFiles([]string{"-"}, bytes.NewReader(data))
		defer files.Close()
		frames, err := drain(files)
		bounded(t, files, len(data))
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

// FuzzPcapng reads what comes behind a sound section header; each frame must be a piece of the input, in order.
func FuzzPcapng(f *testing.F) {
	for _, o := range []order{binary.LittleEndian, binary.BigEndian} {
		f.Add(pcapngFile(o, sent)[28:], o == binary.BigEndian)
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
		frames, _ := drain(files)
		bounded(t, files, len(data))
		rest := data
		for _, fr := range frames {
			at := bytes.Index(rest, []byte(fr.Data))
			if at < 0 {
				t.Fatal("a frame that is not in the input at its place")
			}
			rest = rest[at+len(fr.Data):]
			if fr.Length < len(fr.Data) || fr.Time.Before(minTime) || fr.Time.After(maxTime) {
				t.Fatal("a frame with an impossible length or time")
			}
		}
	})
}

// FuzzAny reads anything, packed or not, without panic; the time that
// unpacking may take is bounded by a limit on the frames.
func FuzzAny(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		const enough = 1 << 16
		files := OpenFiles([]string{"-"}, bytes.NewReader(data))
		defer files.Close()
		for range enough {
			var fr Frame
			if err := files.Next(&fr); err == io.EOF {
				return
			} else if err != nil {
				if err.Error() == "" {
					t.Error("an error that says nothing")
				}
				return
			}
		}
	})
}
