package spool

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"tap25/capture/capturetest"
)

// sample is the bytes of a segment of many blocks of a few records each, and where those stand.
type sample struct {
	seg   Segment
	data  []byte
	first []int // the first record of each records block, and their number
	start []int // offset of each records block
	end   []int // offset behind it
	want  [][]byte
}

// newSample makes a segment of about that many bytes.
func newSample(t testing.TB, size int64) sample {
	t.Helper()
	s := open(t, bare(fastDir(t)))
	m := sample{}
	n := 0
	for s.Stats().Bytes < size-2000 {
		before := s.Stats().Bytes
		m.first = append(m.first, n)
		for range 6 {
			m.want = append(m.want, bytes.Repeat(record(n), 7))
			if err := s.Append(m.want[n]); err != nil {
				t.Fatal(err)
			}
			n++
		}
		if err := s.Sync(); err != nil {
			t.Fatal(err)
		}
		if before == 0 {
			before = int64(headerSize + len("tap")) // the start block
		}
		m.start, m.end = append(m.start, int(before)), append(m.end, int(s.Stats().Bytes))
	}
	m.first = append(m.first, n)
	if err := s.Seal("the key"); err != nil {
		t.Fatal(err)
	}
	m.seg = s.Sealed()[0]
	data, err := os.ReadFile(m.seg.Path)
	if err != nil {
		t.Fatal(err)
	}
	m.data = data
	return m
}

// survivors are the records of all blocks that none of the bytes in [from, to) belong to.
func (m sample) survivors(from, to int) []int {
	var want []int
	for i := range m.start {
		if to <= m.start[i] || from >= m.end[i] {
			for n := m.first[i]; n < m.first[i+1]; n++ {
				want = append(want, n)
			}
		}
	}
	return want
}

// check reads damaged data and asserts that exactly these records are left, and the others counted.
func (m sample) check(t testing.TB, data []byte, want []int) {
	t.Helper()
	c := scan(data, m.seg.id())
	records, d := c.recordsOf(m.seg.Records, int64(len(data)))
	if d.Records != m.seg.Records-len(want) || len(records) != len(want) {
		t.Fatalf("%d records and %d damaged, want %d of %d", len(records), d.Records, len(want), m.seg.Records)
	}
	for i, r := range records {
		if !bytes.Equal(r, m.want[want[i]]) {
			t.Fatalf("record %d is wrong", want[i])
		}
	}
	var sum int64
	for _, r := range d.Ranges {
		sum += r.Length
	}
	if sum != d.Bytes || d.Bytes > int64(len(data)) {
		t.Fatalf("%d bytes in ranges, %d said", sum, d.Bytes)
	}
}

func TestDamage_EveryByteFlipped(t *testing.T) {
	t.Parallel()
	m := newSample(t, 64<<10)
	m.check(t, m.data, upTo(m.seg.Records))
	for i := range m.data {
		flip := byte(1 << (i % 8))
		m.data[i] ^= flip
		m.check(t, m.data, m.survivors(i, i+1))
		m.data[i] ^= flip
	}
}

func TestDamage_CutAtEveryOffset(t *testing.T) {
	t.Parallel()
	m := newSample(t, 64<<10)
	for i := range m.data {
		m.check(t, m.data[:i], m.survivors(i, len(m.data)))
	}
}

func TestDamage_PagesZeroed(t *testing.T) {
	m := newSample(t, 64<<10)
	for _, page := range []int{512, 4096, 16384} {
		for from := 0; from < len(m.data); from += page {
			to := min(from+page, len(m.data))
			data := slices.Clone(m.data)
			clear(data[from:to])
			m.check(t, data, m.survivors(from, to))
		}
	}
}

func TestDamage_BlocksSwappedOrRepeatedLoseNothing(t *testing.T) {
	m := newSample(t, 64<<10)
	block := func(i int) []byte { return m.data[m.start[i]:m.end[i]] }
	for i := range m.start {
		for k := range i {
			data := slices.Concat(m.data[:m.start[k]], block(i), m.data[m.end[k]:m.start[i]], block(k),
				m.data[m.end[i]:])
			m.check(t, data, upTo(m.seg.Records))
		}
		m.check(t, slices.Concat(m.data[:m.end[i]], block(i), m.data[m.end[i]:]), upTo(m.seg.Records))
		m.check(t, slices.Concat(m.data[:m.start[i]], []byte("noise"), m.data[m.start[i]:]), upTo(m.seg.Records))
	}
}

func TestDamage_BlocksOfAnotherSegmentAreNotTaken(t *testing.T) {
	a, b := newSample(t, 8<<10), newSample(t, 8<<10)
	data := slices.Concat(b.data[:b.end[0]], a.data[a.end[0]:])
	want := []int{}
	for n := a.first[1]; n < a.seg.Records; n++ {
		want = append(want, n)
	}
	a.check(t, data, want)
	a.check(t, b.data, nil)
}

// A record is whatever a stranger sent: also the bytes of a block, with every checksum right.
func TestDamage_ForgedBlockInARecordIsNotTaken(t *testing.T) {
	s := open(t, bare(fastDir(t)))
	forged := newBlock(id{uint64(1), uint64(2)}, kindRecords, 0, 1, append([]byte{3, 0, 0, 0}, "bad"...))
	if err := s.Append(forged); err != nil {
		t.Fatal(err)
	}
	if err := s.Seal(""); err != nil {
		t.Fatal(err)
	}
	seg := s.Sealed()[0]
	data, err := os.ReadFile(seg.Path)
	if err != nil {
		t.Fatal(err)
	}
	data[bytes.Index(data, forged)-1] ^= 1 // the record's length: its block is damaged, so that the reader looks inside
	c := scan(data, seg.id())
	if records, d := c.recordsOf(seg.Records, int64(len(data))); len(records) != 0 || d.Records != 1 {
		t.Errorf("%d records, damage %+v", len(records), d)
	}
}

func TestDamage_FooledChecksumIsCaughtByTheSeal(t *testing.T) {
	m := newSample(t, 8<<10)
	data := m.data
	b := data[m.start[1]:m.end[1]]
	b[headerSize+4+8]++ // a byte of a record, or of the next one's length
	le := binary.LittleEndian
	le.PutUint32(b[20:], crc32.Checksum(b[headerSize:], castagnoli))
	le.PutUint32(b[48:], crc32.Checksum(b[:48], castagnoli))
	c := scan(data, m.seg.id())
	records, d := c.recordsOf(m.seg.Records, int64(len(data)))
	if len(records) != 0 || d.Records != m.seg.Records || d.Bytes != int64(len(data)) {
		t.Errorf("%d records, damage %+v", len(records), d)
	}
}

func TestDamage_IsKeptAsideAndCounted(t *testing.T) {
	s := open(t, bare(fastDir(t)))
	appendRecords(t, s, 0, 10)
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	at := s.Stats().Bytes
	appendRecords(t, s, 10, 14)
	if err := s.Seal("k"); err != nil {
		t.Fatal(err)
	}
	seg := s.Sealed()[0]
	data, err := os.ReadFile(seg.Path)
	if err != nil {
		t.Fatal(err)
	}
	data[at+headerSize] ^= 0x40
	if err := os.WriteFile(seg.Path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	records, d, err := s.Read(seg)
	if err != nil || len(records) != 10 || d.Records != 4 || len(d.Ranges) != 1 {
		t.Fatalf("%d records, damage %+v, error %v", len(records), d, err)
	}
	if err := s.Loaded(seg, d); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Damaged != 4 || st.Loaded != 10 {
		t.Errorf("stats %+v", st)
	}
	kept, err := os.ReadFile(seg.Path + ".damaged")
	r := d.Ranges[0]
	if err != nil || r.Offset != at || !bytes.Contains(kept, data[r.Offset:r.Offset+r.Length]) {
		t.Errorf("range %+v, error %v, kept %d bytes", r, err, len(kept))
	}
}

// A block of key damage: the seal, and the start, may be lost; the key stands in the name.
func TestDamage_KeyAndSensorOutliveTheirBlocks(t *testing.T) {
	c := bare(fastDir(t))
	s := open(t, c)
	appendRecords(t, s, 0, 10)
	if err := s.Seal("the key"); err != nil {
		t.Fatal(err)
	}
	seg := s.Sealed()[0]
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(seg.Path)
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range []int{0, bytes.LastIndex(data, []byte(magic))} {
		bad := slices.Clone(data)
		clear(bad[from : from+headerSize])
		if err := os.WriteFile(seg.Path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, c)
		if got := s.Sealed()[0]; got.Key != "the key" || got.Sensor != "tap" {
			t.Errorf("segment %+v", got)
		}
		wantNumbers(t, s, 10)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDamage_OpenNeverRefuses opens a spool whose every file is something else than it should be.
func TestDamage_OpenNeverRefuses(t *testing.T) {
	dir := fastDir(t)
	i := id{1, 2}
	garbage := bytes.Repeat([]byte("\x89tap25\r\n\x01"), 1000)
	for name, data := range map[string][]byte{
		sealedName(i, 5, ""): nil, sealedName(id{2, 2}, maxRecords, "k"): garbage, "x.seg": garbage, "-.seg": nil,
		id{3, 3}.hidden(suffixOpen): garbage, id{4, 3}.hidden(suffixDraft): garbage, id{5, 3}.hidden(suffixOpen): nil,
		id{6, 3}.hidden(suffixTmp): garbage, sealedName(id{^uint64(0), 1}, 3, ""): garbage[:100], ".open": nil,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, sealedName(id{9, 9}, 3, "")), 0o700); err != nil {
		t.Fatal(err)
	}
	s := open(t, bare(dir))
	if st := s.Stats(); st.Found != 5+maxRecords+3 {
		t.Errorf("stats %+v", st)
	}
	for _, seg := range s.Sealed() {
		records, d, err := s.Read(seg)
		if err != nil || len(records) != 0 || d.Records != seg.Records {
			t.Errorf("%d records, damage %+v, error %v", len(records), d, err)
		}
		if err := s.Loaded(seg, d); err != nil {
			t.Error(err)
		}
	}
	if kept, _ := filepath.Glob(filepath.Join(dir, "*"+suffixDamaged)); len(kept) != 4 {
		t.Errorf("kept aside: %d files", len(kept))
	}
	appendRecords(t, s, 0, 3)
	if err := s.Seal(""); err != nil {
		t.Fatal(err)
	}
	wantNumbers(t, s, 3)
}

// nested is a file of damaged blocks in each other's payloads: intact headers, and sums that are wrong, or that are
// right though the payload is not what the header says.
func nested(n int, of id, right bool) []byte {
	data := make([]byte, n*headerSize)
	// the innermost first: an outer one's sum covers it
	for off := len(data) - headerSize; off >= 0; off -= headerSize {
		end := min(off+headerSize+maxPayload, len(data))
		header{version: version, kind: kindRecords, records: uint32(end-off-headerSize) / 4, id: of}.put(data[off:end])
		if !right {
			data[off+20]++ // of the sum
			binary.LittleEndian.PutUint32(data[off+48:], crc32.Checksum(data[off:off+48], castagnoli))
		}
	}
	return data
}

// Whoever can write a spool's files decides how long reading them takes, unless what is looked at is bounded.
func TestScan_LooksAtNestedBlocksAFewTimesOnly(t *testing.T) {
	of := id{1, 2}
	for _, right := range []bool{false, true} {
		checkScan(t, nested(4000, of, right), of, 10)
	}
}

// checkScan scans a file: every octet is looked at so many times at most, the memory follows from it, and the counts
// add up.
func checkScan(t *testing.T, data []byte, of id, count int) {
	const (
		mostLooks = mostLooked + 2 + headerSize/len(magic) + 1 // of an octet; a header may begin at every eighth
		// allocated for one of the file: 24 for a record of no octet, which takes 4
		mostOctets  = 64
		mostForScan = 64 << 10
	)
	var c content
	var records [][]byte
	var d Damage
	most := int64(mostOctets*len(data) + mostForScan)
	allocated := capturetest.Allocated(most, func() {
		c = scan(data, of)
		records, d = c.recordsOf(count, int64(len(data)))
	})
	if most := mostLooks*len(data) + headerSize + 2*min(len(data), maxPayload); c.looked > most {
		t.Errorf("%d octets looked at of a file of %d, more than %d", c.looked, len(data), most)
	}
	if allocated > most {
		t.Errorf("%d octets allocated for a file of %d, more than %d", allocated, len(data), most)
	}
	var bytes int64
	for _, r := range records {
		bytes += int64(len(r)) + 4
	}
	if len(records)+d.Records != count || d.Bytes < 0 || d.Bytes > int64(len(data)) || bytes > int64(len(data)) {
		t.Errorf("%d records of %d bytes, damage %+v, of %d", len(records), bytes, d, count)
	}
}

func FuzzScan(f *testing.F) {
	m := newSample(f, 8<<10)
	i := m.seg.id()
	f.Add(m.data, i.seq, i.run, m.seg.Records)
	f.Add(m.data[m.start[1]:], i.seq, i.run, 1000)
	f.Add([]byte(magic), uint64(0), uint64(0), 0)
	f.Add(nested(20, i, false), i.seq, i.run, 0)
	f.Add(nested(20, i, true), i.seq, i.run, 0)
	f.Fuzz(func(t *testing.T, data []byte, seq, run uint64, count int) {
		if count >= 0 && count <= maxRecords {
			checkScan(t, data, id{seq, run}, count)
		}
	})
}
