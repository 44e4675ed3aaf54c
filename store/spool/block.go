package spool

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"hash/crc32"
)

const (
	magic      = "\x89tap25\r\n"
	version    = 4
	headerSize = 52

	// maxPayload bounds what a corrupted length may make the reader look at.
	maxPayload = 1 << 20

	// blockPayload is the size at which a block is full: small, since it is what one damaged byte loses.
	blockPayload = 64 << 10

	// MaxRecord is the length of the largest record in bytes.
	MaxRecord = maxPayload - 4

	// maxRecords bounds the records of a segment: eight decimal digits in its name.
	maxRecords = 99_999_999
)

type kind uint8

const (
	kindStart kind = 1 + iota
	kindRecords
	kindSeal
	kindNote
)

// newSum returns the checksum with which a seal of a version covers the payloads of all records blocks. Seals of
// version 0 have none.
func newSum(version uint8) hash.Hash {
	if version == 1 {
		return sha256.New()
	}
	return crc32.NewIEEE()
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// header is the header of a block, drawn in doc.go.
type header struct {
	version  uint8
	kind     kind
	encoding uint16
	length   uint32
	records  uint32
	sum      uint32
	index    uint64
	id
}

// id is what the blocks of a segment and its name share.
type id struct{ seq, run uint64 }

// put writes the header into the first bytes of a block, before its payload.
func (h header) put(block []byte) {
	payload := block[headerSize:]
	copy(block, magic)
	block[8], block[9] = h.version, byte(h.kind)
	le := binary.LittleEndian
	le.PutUint16(block[10:], h.encoding)
	le.PutUint32(block[12:], uint32(len(payload)))
	le.PutUint32(block[16:], h.records)
	le.PutUint32(block[20:], crc32.Checksum(payload, castagnoli))
	le.PutUint64(block[24:], h.index)
	le.PutUint64(block[32:], h.seq)
	le.PutUint64(block[40:], h.run)
	le.PutUint32(block[48:], crc32.Checksum(block[:48], castagnoli))
}

// parseHeader reads the header at the beginning of b, of this version or an older one.
func parseHeader(b []byte) (h header, ok bool) {
	le := binary.LittleEndian
	if len(b) < headerSize || string(b[:8]) != magic || crc32.Checksum(b[:48], castagnoli) != le.Uint32(b[48:]) {
		return h, false
	}
	h = header{
		version: b[8], kind: kind(b[9]), encoding: le.Uint16(b[10:]), length: le.Uint32(b[12:]),
		records: le.Uint32(b[16:]),
		sum:     le.Uint32(b[20:]), index: le.Uint64(b[24:]), id: id{le.Uint64(b[32:]), le.Uint64(b[40:])},
	}
	return h, h.version <= version && h.encoding == 0 && h.length <= maxPayload &&
		h.index <= maxRecords && h.index+uint64(h.records) <= maxRecords
}

// newBlock makes a whole block.
func newBlock(of id, k kind, index, records int, payload []byte) []byte {
	b := append(make([]byte, headerSize, headerSize+len(payload)), payload...)
	header{version: version, kind: k, records: uint32(records), index: uint64(index), id: of}.put(b)
	return b
}

// seal is the payload of a seal block.
type seal struct {
	version uint8
	total   int
	sum     []byte // nil in version 0
	key     string
	sensor  string
}

func (s seal) payload() []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(s.total))
	b = append(b, s.sum...)
	b = append(append(b, byte(len(s.key))), s.key...)
	return append(b, s.sensor...)
}

func parseSeal(version uint8, b []byte) (s seal, ok bool) {
	if len(b) < 8 {
		return s, false
	}
	total := binary.LittleEndian.Uint64(b)
	if total > maxRecords {
		return s, false
	}
	s.version, s.total, b = version, int(total), b[8:]
	if version == 0 {
		s.sensor = string(b)
		return s, true
	}
	size := newSum(version).Size()
	if len(b) <= size || len(b[size+1:]) < int(b[size]) {
		return s, false
	}
	key := size + 1
	end := key + int(b[size])
	s.sum, s.key, s.sensor = b[:size], string(b[key:end]), string(b[end:])
	return s, true
}

// splitRecords cuts the payload of a records block; nil if it is not exactly that many records.
func splitRecords(payload []byte, n uint32) [][]byte {
	if n == 0 || uint64(n)*4 > uint64(len(payload)) {
		return nil
	}
	records := make([][]byte, 0, n)
	for range n {
		if len(payload) < 4 {
			return nil
		}
		length := binary.LittleEndian.Uint32(payload)
		if payload = payload[4:]; uint64(length) > uint64(len(payload)) {
			return nil
		}
		records = append(records, payload[:length:length])
		payload = payload[length:]
	}
	if len(payload) > 0 {
		return nil
	}
	return records
}
