package decode

import (
	"encoding/binary"
	"math/bits"
)

// onesSum adds b to acc as RFC 1071 does, but in words of 64 bits in the
// machine's cheap order: the sum is the same modulo 2^16-1 up to a swap of its
// two octets, and a sum over a field and its complement is 0xffff either way.
// b must begin at an even offset of what is summed.
func onesSum(b []byte, acc uint64) uint64 {
	var c uint64
	for len(b) >= 64 {
		acc, c = bits.Add64(acc, binary.LittleEndian.Uint64(b), c)
		acc, c = bits.Add64(acc, binary.LittleEndian.Uint64(b[8:]), c)
		acc, c = bits.Add64(acc, binary.LittleEndian.Uint64(b[16:]), c)
		acc, c = bits.Add64(acc, binary.LittleEndian.Uint64(b[24:]), c)
		acc, c = bits.Add64(acc, binary.LittleEndian.Uint64(b[32:]), c)
		acc, c = bits.Add64(acc, binary.LittleEndian.Uint64(b[40:]), c)
		acc, c = bits.Add64(acc, binary.LittleEndian.Uint64(b[48:]), c)
		acc, c = bits.Add64(acc, binary.LittleEndian.Uint64(b[56:]), c)
		b = b[64:]
	}
	for len(b) >= 16 {
		acc, c = bits.Add64(acc, binary.LittleEndian.Uint64(b), c)
		acc, c = bits.Add64(acc, binary.LittleEndian.Uint64(b[8:]), c)
		b = b[16:]
	}
	if len(b) >= 8 {
		acc, c = bits.Add64(acc, binary.LittleEndian.Uint64(b), c)
		b = b[8:]
	}
	if len(b) >= 4 { // an IPv4 address, for one
		acc, c = bits.Add64(acc, uint64(binary.LittleEndian.Uint32(b)), c)
		b = b[4:]
	}
	var tail uint64
	for i, x := range b {
		tail |= uint64(x) << (8 * i)
	}
	acc, c = bits.Add64(acc, tail, c)
	acc, c = bits.Add64(acc, 0, c)
	return acc + c
}

// fold brings a sum down to 16 bits.
func fold(acc uint64) uint16 {
	acc = acc>>32 + acc&0xffffffff
	acc = acc>>16 + acc&0xffff
	acc = acc>>16 + acc&0xffff
	return uint16(acc>>16 + acc)
}

// pseudoSum is the sum of the pseudo header of RFC 9293 section 3.1 (RFC 8200
// section 8.1) for a TCP segment of n octets between addresses of 4 or 16.
func pseudoSum(src, dst []byte, n int) uint64 {
	const protocol = 6 << 24 // 32 bits in network order, as onesSum reads them
	acc := uint64(protocol) + uint64(bits.ReverseBytes32(uint32(n)))
	return onesSum(dst, onesSum(src, acc))
}

// wholeSum is what a sum over data with its own right checksum folds to.
const wholeSum = 0xffff

// checkTCP verifies a whole segment. offload reports that a wrong checksum is just
// the sum of the pseudo header, with its length or without, as hosts leave it for
// the network card to complete (Linux's CHECKSUM_PARTIAL, Windows' large send).
func checkTCP(src, dst, segment []byte) (good, offload bool) {
	const field = 16
	pseudo := pseudoSum(src, dst, len(segment))
	if fold(onesSum(segment, pseudo)) == wholeSum {
		return true, false
	}
	left := binary.LittleEndian.Uint16(segment[field:])
	return false, left == fold(pseudo) || left == fold(pseudoSum(src, dst, 0))
}

// checkIPv4 verifies an IPv4 header. offload reports that a wrong checksum is zero,
// which a sending host leaves for the card.
func checkIPv4(header []byte) (good, offload bool) {
	const field = 10
	if fold(onesSum(header, 0)) == wholeSum {
		return true, false
	}
	return false, header[field] == 0 && header[field+1] == 0
}

// plainSums reports whether both checksums of a segment in IPv4 without options are right. It is checkIPv4 and checkTCP
// without their loops over headers.
func plainSums(ip *[20]byte, segment []byte) bool {
	const protocol = 6 << 24 // as in pseudoSum
	word := func(i int) uint64 { return uint64(binary.LittleEndian.Uint32(ip[i:])) }
	addresses := word(12) + word(16)
	pseudo := addresses + protocol + uint64(bits.ReverseBytes32(uint32(len(segment))))
	return fold(addresses+word(0)+word(4)+word(8)) == wholeSum && fold(onesSum(segment, pseudo)) == wholeSum
}
