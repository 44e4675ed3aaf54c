package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"

	"tap25/reassembly/smtp"
	"tap25/store"
	"tap25/store/stream"
)

// replaySegment is the number of rows of a replay's segment. The names of segments depend on it: do not change it.
const replaySegment = 10000

// keyed cuts the rows of a replay into segments and names them by a digest of their rows. So replaying a capture again, under any
// name or compression, adds only missing rows.
type keyed struct {
	stream *stream.Stream
	files  *capturesHeld // nil: standard input
	sum    hash.Hash
	rows   int

	repeated int64 // rows of files that the database holds
}

func newKeyed(s *stream.Stream, files *capturesHeld) *keyed {
	return &keyed{stream: s, files: files, sum: sha256.New()}
}

func (k *keyed) emit(e *smtp.Envelope) error {
	if k.stream.Discards() {
		k.stream.Emit(e)
		return nil
	}
	record := store.AppendRow(nil, e)
	if k.files.repeats(len(record)) {
		k.repeated++
		return nil
	}
	var length [4]byte
	binary.LittleEndian.PutUint32(length[:], uint32(len(record)))
	k.sum.Write(length[:])
	k.sum.Write(record)
	k.stream.Put(record)
	if k.rows++; k.rows < replaySegment {
		return nil
	}
	return k.seal()
}

// seal seals the open segment, if it has rows.
func (k *keyed) seal() error {
	if k.rows == 0 || k.stream.Discards() {
		return nil
	}
	key := "replay-" + hex.EncodeToString(k.sum.Sum(nil))
	k.sum.Reset()
	k.rows = 0
	return k.stream.Seal(key)
}
