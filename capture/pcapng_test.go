package capture

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPcapng_BothByteOrders(t *testing.T) {
	for _, o := range []order{binary.LittleEndian, binary.BigEndian} {
		t.Run(fmt.Sprint(o), func(t *testing.T) {
			frames, err := read(nil, write(t, pcapngFile(o, sent)))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(sent, frames); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestPcapng_SectionsInterfacesAndBlocks(t *testing.T) {
	be := binary.BigEndian
	at := func(sec, nsec int64) time.Time { return time.Unix(sec, nsec).UTC() }
	tsoffset := func(o order, v int64) []byte { return option(o, optionTSOff, o.AppendUint64(nil, uint64(v))...) }
	for name, c := range map[string]struct {
		blocks [][]byte
		want   []got
	}{
		"no packet":           {[][]byte{section(le), iface(le, 1, 0)}, nil},
		"section header only": {[][]byte{section(be)}, nil},
		"interface without options": {[][]byte{section(le), iface(le, 113, 0), enhanced(le, 0, 2_000_001, "a", 1)},
			[]got{{at(2, 1000), "a", 1, 113, 0}}},
		"two interfaces": {[][]byte{section(le), iface(le, 1, 0), iface(le, 276, 0, option(le, optionTSResol, 3)...),
			enhanced(le, 1, 1001, "b", 9), enhanced(le, 0, 1001, "a", 1)},
			[]got{{at(1, 1e6), "b", 9, 276, 0}, {at(0, 1_001_000), "a", 1, 1, 0}}},
		"sections of different byte orders": {[][]byte{section(le), iface(le, 1, 0), enhanced(le, 0, 1e6, "a", 1),
			section(be), iface(be, 101, 0), enhanced(be, 0, 2e6, "b", 1), section(le), iface(le, 12, 0),
			enhanced(le, 0, 3e6, "c", 1)},
			[]got{{at(1, 0), "a", 1, 1, 0}, {at(2, 0), "b", 1, 101, 0}, {at(3, 0), "c", 1, 12, 0}}},
		"simple packets": {[][]byte{section(be), iface(be, 1, 4), simple(be, "abcd", 9), simple(be, "xy", 2)},
			[]got{{at(0, 0), "abcd", 9, 1, 0}, {at(0, 0), "xy", 2, 1, 0}}},
		"simple packet without snaplen": {[][]byte{section(be), iface(be, 1, 0), simple(be, "abcdefg", 7)},
			[]got{{at(0, 0), "abcdefg", 7, 1, 0}}},
		"obsolete packet": {[][]byte{section(be), iface(be, 1, 0), obsolete(be, 0, 5e6, "abc", 60)},
			[]got{{at(5, 0), "abc", 60, 1, 0}}},
		"offset in seconds": {[][]byte{section(be), iface(be, 1, 0, tsoffset(be, -100)...),
			enhanced(be, 0, 250e6, "a", 1)},
			[]got{{at(150, 0), "a", 1, 1, 0}}},
		"offset beyond all time": {[][]byte{section(le), iface(le, 1, 0, tsoffset(le, math.MaxInt64)...),
			iface(le, 1, 0, tsoffset(le, math.MinInt64)...),
			enhanced(le, 0, math.MaxUint64, "a", 1), enhanced(le, 1, 0, "b", 1)}, []got{{maxTime, "a", 1, 1, 0},
			{minTime, "b", 1, 1, 0}}},
		"powers of two": {[][]byte{section(le), iface(le, 1, 0, option(le, optionTSResol, 0x80|10)...),
			enhanced(le, 0, 3<<10|512, "a", 1)},
			[]got{{at(3, 5e8), "a", 1, 1, 0}}},
		"unknown blocks": {[][]byte{section(le), block(le, 0x0bad, 1, 2, 3, 4), iface(le, 1, 0), block(le, 0x80000001),
			enhanced(le, 0, 0, "a", 1)},
			[]got{{at(0, 0), "a", 1, 1, 0}}},
	} {
		t.Run(name, func(t *testing.T) {
			frames, err := read(nil, write(t, slices.Concat(c.blocks...)))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, frames); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestPcapng_CutAtEveryByte(t *testing.T) {
	o := binary.LittleEndian
	whole := pcapngFile(o, sent)
	start := len(pcapngFile(o, nil))
	clean := []int{28, 28 + 32, start}
	var ends []int
	for i := range sent {
		ends = append(ends, len(pcapngFile(o, sent[:i+1])))
	}
	for n := 1; n <= len(whole); n++ {
		testCut(t, whole, n, complete(ends, n), isOneOf(n, append(clean, ends...)))
	}
}

// TestPcapng_TimeIsExact compares with the arithmetic of arbitrary precision, over every resolution.
func TestPcapng_TimeIsExact(t *testing.T) {
	for resol := range 256 {
		i := ngInterface{resol: uint8(resol)}
		base := int64(10)
		if resol&0x80 != 0 {
			base = 2
		}
		unit := new(big.Int).Exp(big.NewInt(base), big.NewInt(int64(resol&0x7f)), nil)
		for _, ts := range []uint64{0, 1, 999_999, 1 << 31, 1_700_000_000_123_456, 1_700_000_000_123_456_789, 1 << 63,
			math.MaxUint64} {
			nanos := new(big.Int).SetUint64(ts)
			nanos.Mul(nanos, big.NewInt(1e9)).Quo(nanos, unit)
			sec, nsec := new(big.Int).QuoRem(nanos, big.NewInt(1e9), new(big.Int))
			want := maxTime
			if sec.IsInt64() && sec.Int64() <= maxTime.Unix() {
				want = time.Unix(sec.Int64(), nsec.Int64()).UTC()
			}
			if have := i.time(ts); !have.Equal(want) {
				t.Errorf("resolution %#x, %d ticks: %v, want %v", resol, ts, have, want)
			}
		}
	}
}
