package evidence

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/bits"
	"slices"
)

// Hash is a SHA-256.
type Hash [sha256.Size]byte

// String returns the hexadecimal digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// LeafPrefix is the octet before the data of a leaf when it is hashed (RFC 6962 section 2.1).
const LeafPrefix = 0

// Leaf returns the hash of a leaf (RFC 6962 section 2.1): SHA-256(0x00 || data).
func Leaf(data []byte) Hash { return LeafOf(append([]byte{LeafPrefix}, data...)) }

// LeafOf is Leaf of data that follow a LeafPrefix, without a copy.
func LeafOf(prefixed []byte) Hash { return sha256.Sum256(prefixed) }

// node returns the hash of an inner node (RFC 6962 section 2.1): SHA-256(0x01 || left || right).
func node(left, right Hash) Hash {
	var b [1 + 2*sha256.Size]byte
	b[0] = 1
	copy(b[1:], left[:])
	copy(b[1+sha256.Size:], right[:])
	return sha256.Sum256(b[:])
}

// Sort sorts leaves by their octets. The trees of this package are over sorted leaves, so that a root does not depend
// on the order in which a database returns rows.
func Sort(leaves []Hash) {
	// About one hash falls in each of these buckets, which are sorted then: half the time of a plain sort.
	shift := 64 - bits.Len(uint(len(leaves)))
	bucket := func(h *Hash) uint64 { return binary.BigEndian.Uint64(h[:]) >> shift }
	ends := make([]int, 1<<(64-shift)+1)
	for i := range leaves {
		ends[bucket(&leaves[i])+1]++
	}
	for i := range ends[1:] {
		ends[i+1] += ends[i]
	}
	starts, sorted := slices.Clone(ends), make([]Hash, len(leaves))
	for i := range leaves {
		b := bucket(&leaves[i])
		sorted[ends[b]] = leaves[i]
		ends[b]++
	}
	for b, end := range ends[:len(ends)-1] {
		if its := sorted[starts[b]:end]; len(its) > 1 {
			slices.SortFunc(its, func(a, b Hash) int { return bytes.Compare(a[:], b[:]) })
		}
	}
	copy(leaves, sorted)
}

// Root returns the root of the tree over sorted leaves (RFC 6962 section 2.1). That of no leaf is SHA-256 of nothing.
func Root(leaves []Hash) Hash {
	if len(leaves) == 0 {
		return sha256.Sum256(nil)
	}
	var stack []Hash // roots of full subtrees, the largest first: the set bits of the number of leaves so far
	for i, h := range leaves {
		for range bits.TrailingZeros(^uint(i)) { // the new leaf completes as many subtrees
			h = node(stack[len(stack)-1], h)
			stack = stack[:len(stack)-1]
		}
		stack = append(stack, h)
	}
	root := stack[len(stack)-1]
	for _, left := range slices.Backward(stack[:len(stack)-1]) {
		root = node(left, root)
	}
	return root
}

// Proof proves that a leaf is in a tree: an audit path (RFC 6962 section 2.1.1).
type Proof struct {
	Index uint64 // of the leaf among the sorted ones, from 0
	Size  uint64 // number of leaves
	Path  []Hash // from the leaf up
}

var errProof = errors.New("the proof does not have the form of one")

// Root returns the root that the proof leads to from a leaf (RFC 9162 section 2.1.3.2). It proves something only if the
// caller compares that with a signed root of as many leaves. The error is of a path whose length does not fit the size.
func (p Proof) Root(leaf Hash) (Hash, error) {
	if p.Index >= p.Size {
		return Hash{}, errProof
	}
	h, index, last := leaf, p.Index, p.Size-1
	for _, other := range p.Path {
		if last == 0 {
			return Hash{}, errProof
		}
		if index&1 == 1 || index == last {
			h = node(other, h)
			for index&1 == 0 && index != 0 { // levels at which the last subtree has no neighbour
				index, last = index>>1, last>>1
			}
		} else {
			h = node(h, other)
		}
		index, last = index>>1, last>>1
	}
	if last != 0 {
		return Hash{}, errProof
	}
	return h, nil
}
