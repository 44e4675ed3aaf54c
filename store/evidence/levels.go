package evidence

// Tree is a tree over sorted leaves (RFC 6962 section 2.1) that gives the proofs of many of them: it holds all its
// nodes.
type Tree struct{ levels [][]Hash } // from the leaves to the root

// NewTree makes the tree over sorted leaves, which it keeps.
func NewTree(leaves []Hash) *Tree {
	t := &Tree{levels: [][]Hash{leaves}}
	for len(leaves) > 1 {
		above := make([]Hash, 0, (len(leaves)+1)/2)
		for i := 0; i+1 < len(leaves); i += 2 {
			above = append(above, node(leaves[i], leaves[i+1]))
		}
		if len(leaves)%2 == 1 { // the last one has no neighbour until a level where it has
			above = append(above, leaves[len(leaves)-1])
		}
		leaves = above
		t.levels = append(t.levels, leaves)
	}
	return t
}

// Root returns what the function [Root] returns of the leaves.
func (t *Tree) Root() Hash { return Root(t.levels[len(t.levels)-1]) }

// Prove returns the proof of the leaf with that index, which must be less than their number.
func (t *Tree) Prove(index int) Proof {
	p := Proof{Index: uint64(index), Size: uint64(len(t.levels[0]))}
	for _, level := range t.levels {
		if next := index ^ 1; next < len(level) {
			p.Path = append(p.Path, level[next])
		}
		index /= 2
	}
	return p
}
