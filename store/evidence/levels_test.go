package evidence_test

import (
	"encoding/binary"
	"reflect"
	"testing"

	"tap25/store/evidence"
)

func TestTree_ProvesWhatTheRecursionProves(t *testing.T) {
	var leaves []evidence.Hash
	for n := range 70 {
		tree := evidence.NewTree(leaves)
		if tree.Root() != evidence.Root(leaves) {
			t.Errorf("%d leaves: another root", n)
		}
		for i := range leaves {
			if got, want := tree.Prove(i), evidence.Prove(leaves, i); !reflect.DeepEqual(got, want) {
				t.Errorf("leaf %d of %d: %d hashes, want %d", i, n, len(got.Path), len(want.Path))
			}
		}
		leaves = append(leaves, evidence.Leaf(binary.BigEndian.AppendUint32(nil, uint32(n))))
	}
}
