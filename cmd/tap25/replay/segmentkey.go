package replay

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
)

// segmentRows is the number of rows of a replay's segment. The names of segments depend on it: do not change it.
const segmentRows = 10000

// segment is a segment of a replay, which is named by a digest of its rows. So replaying a capture again, under any
// name or compression, adds only missing rows.
type segment struct {
	sum  hash.Hash
	rows int
}

func newSegment() segment { return segment{sum: sha256.New()} }

func (s *segment) add(record []byte) {
	var length [4]byte
	binary.LittleEndian.PutUint32(length[:], uint32(len(record)))
	s.sum.Write(length[:])
	s.sum.Write(record)
	s.rows++
}

// end returns the key of the segment, and begins the next.
func (s *segment) end() (key string) {
	key = "replay-" + hex.EncodeToString(s.sum.Sum(nil))
	s.sum.Reset()
	s.rows = 0
	return key
}
