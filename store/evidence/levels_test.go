package evidence

import (
	"encoding/binary"
	"math/bits"
	"reflect"
	"testing"
)

// naivePath is the audit path of a leaf as RFC 6962 section 2.1.1 defines it.
func naivePath(leaves []Hash, index int) []Hash {
	if len(leaves) == 1 {
		return nil
	}
	k := 1 << (bits.Len(uint(len(leaves)-1)) - 1) // the largest power of two below their number
	if index < k {
		return append(naivePath(leaves[:k], index), Root(leaves[k:]))
	}
	return append(naivePath(leaves[k:], index-k), Root(leaves[:k]))
}

func TestTree_ProvesAsTheRFCDefinesIt(t *testing.T) {
	var leaves []Hash
	for n := range 70 {
		tree := NewTree(leaves)
		if tree.Root() != Root(leaves) {
			t.Errorf("%d leaves: another root", n)
		}
		for i := range leaves {
			want := Proof{Index: uint64(i), Size: uint64(n), Path: naivePath(leaves, i)}
			if got := tree.Prove(i); !reflect.DeepEqual(got, want) {
				t.Errorf("leaf %d of %d: %d hashes, want %d", i, n, len(got.Path), len(want.Path))
			}
		}
		leaves = append(leaves, Leaf(binary.BigEndian.AppendUint32(nil, uint32(n))))
	}
}
