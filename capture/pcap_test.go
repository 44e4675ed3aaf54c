package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPcap_EveryMagicInBothByteOrders(t *testing.T) {
	for _, o := range []order{binary.LittleEndian, binary.BigEndian} {
		for magic, want := range map[uint32][]got{
			pcapMicroseconds: inMicroseconds(sent),
			pcapNanoseconds:  sent,
			pcapModified:     inMicroseconds(sent),
		} {
			t.Run(fmt.Sprintf("%v %x", o, magic), func(t *testing.T) {
				frames, err := read(nil, write(t, pcapFile(o, magic, sent)))
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(want, frames); d != "" {
					t.Error(d)
				}
			})
		}
	}
}

func TestPcap_HeaderFields(t *testing.T) {
	file := func(change func([]byte)) []byte {
		b := pcapFile(binary.LittleEndian, pcapMicroseconds, sent[:1])
		change(b)
		return b
	}
	frame := inMicroseconds(sent)[0]
	with := func(change func(*got)) got {
		fr := frame
		change(&fr)
		return fr
	}
	for name, c := range map[string]struct {
		file []byte
		want got
	}{
		"frame longer than the snaplen": {file(func(b []byte) { b[16] = 3 }), frame},
		"linux cooked v2": {file(func(b []byte) {
			b[20], b[21] = 276&0xff, 276>>8
		}), with(func(g *got) { g.LinkType = 276 })},
		"FCS length beside link type": {file(func(b []byte) { b[23] = 0x24 }), frame},
		"original length too short":   {file(func(b []byte) { b[36] = 2 }), frame},
		"lengths swapped by version 2.2": {file(func(b []byte) { b[6], b[32], b[36] = 2, 60, 11 }),
			with(func(g *got) { g.Length = 60 })},
		"lengths swapped in version 2.3": {file(func(b []byte) { b[6], b[32], b[36] = 3, 60, 11 }),
			with(func(g *got) { g.Length = 60 })},
		"microseconds over a million": {file(func(b []byte) { binary.LittleEndian.PutUint32(b[28:], 1<<32-1) }),
			with(func(g *got) { g.Time = g.Time.Truncate(1e9).Add((1<<32 - 1) * 1e3) })},
	} {
		t.Run(name, func(t *testing.T) {
			frames, err := read(nil, write(t, c.file))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff([]got{c.want}, frames); d != "" {
				t.Error(d)
			}
		})
	}
}

// complete returns how many of the pieces that end at ends a file cut at n still holds.
func complete(ends []int, n int) (pieces int) {
	for _, end := range ends {
		if end <= n {
			pieces++
		}
	}
	return pieces
}

func TestPcap_CutAtEveryByte(t *testing.T) {
	whole := pcapFile(binary.BigEndian, pcapNanoseconds, sent)
	var ends []int
	for i := range sent {
		ends = append(ends, len(pcapFile(binary.BigEndian, pcapNanoseconds, sent[:i+1])))
	}
	clean := append([]int{pcapHeader}, ends...)
	for n := 1; n <= len(whole); n++ {
		testCut(t, whole, n, complete(ends, n), isOneOf(n, clean))
	}
}

func isOneOf(n int, list []int) bool {
	for _, v := range list {
		if n == v {
			return true
		}
	}
	return false
}

// testCut reads the first n octets: the frames before the cut, and an error at the cut unless it is a clean one.
func testCut(t *testing.T, whole []byte, n, frames int, clean bool) {
	t.Helper()
	have, err := read(nil, write(t, whole[:n]))
	if d := cmp.Diff(sent[:frames], append([]got{}, have...)); d != "" {
		t.Errorf("cut at %d: %s", n, d)
	}
	if clean {
		if err != nil {
			t.Errorf("cut at %d, which is clean: %v", n, err)
		}
		return
	}
	fe, ok := errors.AsType[*FileError](err)
	switch {
	case !ok:
		t.Errorf("cut at %d: %v, want a FileError", n, err)
	case n >= 4 && fe.Offset != int64(n):
		t.Errorf("cut at %d: reported at %d: %v", n, fe.Offset, err)
	}
}
