package spool

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// blockOf builds a block of any version from doc.go's table, by hand.
func blockOf(version, kind byte, of id, index, records int, payload []byte) []byte {
	le := binary.LittleEndian
	table := crc32.MakeTable(crc32.Castagnoli)
	b := []byte{0x89, 't', 'a', 'p', '2', '5', '\r', '\n', version, kind, 0, 0}
	b = le.AppendUint32(b, uint32(len(payload)))
	b = le.AppendUint32(b, uint32(records))
	b = le.AppendUint32(b, crc32.Checksum(payload, table))
	b = le.AppendUint64(b, uint64(index))
	b = le.AppendUint64(b, of.seq)
	b = le.AppendUint64(b, of.run)
	b = le.AppendUint32(b, crc32.Checksum(b, table))
	return append(b, payload...)
}

// fixture is a segment of three records in a version's form.
func fixture(version byte, of id) []byte {
	le := binary.LittleEndian
	var records []byte
	for n := range 3 {
		records = append(le.AppendUint32(records, uint32(len(record(n)))), record(n)...)
	}
	seal := append(le.AppendUint64(nil, 3), "tap"...)
	if version > 0 {
		sum := sha256.Sum256(records)
		seal = slices.Concat(le.AppendUint64(nil, 3), sum[:], []byte{0}, []byte("tap"))
	}
	return slices.Concat(blockOf(version, 1, of, 0, 0, []byte("tap")), blockOf(version, 2, of, 0, 3, records),
		blockOf(version, 3, of, 3, 0, seal))
}

func TestVersion_OlderIsReadSealedAndNot(t *testing.T) {
	for old := range byte(version) {
		for _, name := range []string{sealedName(id{5, 6}, 3, ""), id{5, 6}.hidden(suffixOpen)} {
			c := bare(fastDir(t))
			c.Sensor = "another"
			if err := os.WriteFile(filepath.Join(c.Dir, name), fixture(old, id{5, 6}), 0o600); err != nil {
				t.Fatal(err)
			}
			s := open(t, c)
			wantNumbers(t, s, 3)
			if seg := s.Sealed()[0]; seg.Sensor != "tap" || seg.Key != "0000000000000005-0000000000000006" {
				t.Errorf("version %d: segment %+v", old, seg)
			}
			appendRecords(t, s, 3, 5)
			if err := s.Seal(""); err != nil {
				t.Fatal(err)
			}
			wantNumbers(t, s, 5)
		}
	}
}

func TestVersion_OlderSealIsHeldAgainstItsRecords(t *testing.T) {
	data := fixture(1, id{5, 6})
	seal := blockOf(1, 3, id{5, 6}, 3, 0, slices.Concat(binary.LittleEndian.AppendUint64(nil, 3), make([]byte, 33),
		[]byte("tap")))
	c := scan(slices.Concat(data[:len(data)-len(seal)], seal), id{5, 6})
	if records, d := c.recordsOf(3, int64(len(data))); len(records) != 0 || d.Records != 3 {
		t.Errorf("%d records, damage %+v", len(records), d)
	}
}

func TestVersion_NewerIsKeptAndCounted(t *testing.T) {
	for _, name := range []string{sealedName(id{5, 6}, 3, ""), id{5, 6}.hidden(suffixOpen),
		id{5, 6}.hidden(suffixDraft)} {
		c := bare(fastDir(t))
		path := filepath.Join(c.Dir, name)
		if err := os.WriteFile(path, fixture(version+1, id{5, 6}), 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, c)
		if st := s.Stats(); st.Newer != 1 || st.Found != 0 || len(s.Sealed()) != 0 {
			t.Errorf("stats %+v", st)
		}
		if _, _, err := s.Read(Segment{Path: path, Records: 3, Sequence: 5, run: 6}); !errors.Is(err, ErrNewer) {
			t.Errorf("read: %v", err)
		}
		if file, _, _, err := ReadFile(path); !errors.Is(err, ErrNewer) || file.State != Newer {
			t.Errorf("read file: %+v %v", file, err)
		}
		appendRecords(t, s, 0, 5)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
}

func TestVersion_DamagedVersionByteIsDamage(t *testing.T) {
	m := newSample(t, 8<<10)
	m.data[8] = version + 1
	m.check(t, m.data, upTo(m.seg.Records))
	c := scan(m.data, m.seg.id())
	if c.refused() {
		t.Error("refused for one byte")
	}
}
