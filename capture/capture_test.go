package capture

import (
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// got is a Frame that outlives Next.
type got struct {
	Time     time.Time
	Data     string
	Length   int
	LinkType uint16
	File     int
}

func drain(f *Files) (frames []got, err error) {
	for {
		var fr Frame
		if err := f.Next(&fr); err == io.EOF {
			return frames, nil
		} else if err != nil {
			return frames, err
		}
		frames = append(frames, got{fr.Time, string(fr.Data), fr.Length, fr.LinkType, fr.File})
	}
}

func read(stdin io.Reader, paths ...string) ([]got, error) {
	f := OpenFiles(paths, stdin)
	defer f.Close()
	return drain(f)
}

func write(t testing.TB, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "capture")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// sent are the frames of the test captures: whole, empty, and cut by the snaplen at the last moment a pcap can tell.
var sent = []got{
	{time.Unix(1_700_000_000, 123_456_789).UTC(), "first frame", 11, 1, 0},
	{time.Unix(1_700_000_001, 0).UTC(), "", 0, 1, 0},
	{time.Unix(4_294_967_295, 999_999_999).UTC(), "cut by snaplen", 1514, 1, 0},
}

// inMicroseconds is what a file with that resolution keeps of frames.
func inMicroseconds(frames []got) []got {
	cut := make([]got, len(frames))
	for i, fr := range frames {
		fr.Time = fr.Time.Truncate(time.Microsecond)
		cut[i] = fr
	}
	return cut
}

// fromFile is what frames look like as those of the i-th file.
func fromFile(i int, frames []got) []got {
	of := make([]got, len(frames))
	for k, fr := range frames {
		fr.File = i
		of[k] = fr
	}
	return of
}

type order interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// pcapFile writes a pcap file field by field.
func pcapFile(o order, magic uint32, frames []got) []byte {
	b := o.AppendUint32(nil, magic)
	b = o.AppendUint16(b, 2)
	b = o.AppendUint16(b, 4)
	b = append(b, make([]byte, 8)...)
	b = o.AppendUint32(b, 0) // a snaplen of 0 is no limit
	b = o.AppendUint32(b, 1)
	for _, fr := range frames {
		fraction := uint32(fr.Time.Nanosecond())
		if magic != pcapNanoseconds {
			fraction /= 1000
		}
		for _, v := range []uint32{uint32(fr.Time.Unix()), fraction, uint32(len(fr.Data)), uint32(fr.Length)} {
			b = o.AppendUint32(b, v)
		}
		if magic == pcapModified {
			b = append(b, 1, 2, 3, 4, 5, 6, 7, 8)
		}
		b = append(b, fr.Data...)
	}
	return b
}

// block writes a pcapng block.
func block(o order, typ uint32, body ...byte) []byte {
	for len(body)%4 != 0 {
		body = append(body, 0)
	}
	b := o.AppendUint32(nil, typ)
	b = o.AppendUint32(b, uint32(len(body)+12))
	b = append(b, body...)
	return o.AppendUint32(b, uint32(len(body)+12))
}

func section(o order) []byte {
	b := o.AppendUint32(nil, byteOrderMagic)
	b = o.AppendUint16(b, 1)
	b = o.AppendUint16(b, 0)
	return block(o, blockSection, o.AppendUint64(b, 1<<64-1)...)
}

func iface(o order, link uint16, snaplen uint32, options ...byte) []byte {
	b := o.AppendUint16(nil, link)
	b = o.AppendUint16(b, 0)
	return block(o, blockInterface, append(o.AppendUint32(b, snaplen), options...)...)
}

// option writes an option; the code of the last one may be 0.
func option(o order, code uint16, value ...byte) []byte {
	b := o.AppendUint16(nil, code)
	b = append(o.AppendUint16(b, uint16(len(value))), value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func enhanced(o order, index uint32, ticks uint64, data string, length int, options ...byte) []byte {
	b := o.AppendUint32(nil, index)
	return block(o, blockEnhanced, append(packetBody(o, b, ticks, data, length), options...)...)
}

func obsolete(o order, index uint16, ticks uint64, data string, length int) []byte {
	b := o.AppendUint16(nil, index)
	b = o.AppendUint16(b, 7) // drops
	return block(o, blockPacket, packetBody(o, b, ticks, data, length)...)
}

func packetBody(o order, b []byte, ticks uint64, data string, length int) []byte {
	b = o.AppendUint32(b, uint32(ticks>>32))
	b = o.AppendUint32(b, uint32(ticks))
	b = o.AppendUint32(b, uint32(len(data)))
	b = append(o.AppendUint32(b, uint32(length)), data...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func simple(o order, data string, length int) []byte {
	return block(o, blockSimple, append(o.AppendUint32(nil, uint32(length)), data...)...)
}

// pcapngFile writes frames as one section with one interface of nanoseconds.
func pcapngFile(o order, frames []got) []byte {
	b := append(section(o), iface(o, 1, 0, append(option(o, optionTSResol, 9), option(o, optionEnd)...)...)...)
	b = append(b, block(o, 5, make([]byte, 12)...)...) // interface statistics: to be skipped
	for _, fr := range frames {
		b = append(b, enhanced(o, 0, uint64(fr.Time.UnixNano()), fr.Data, fr.Length,
			option(o, 1, []byte("why")...)...)...)
	}
	return b
}
