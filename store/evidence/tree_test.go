package evidence

import (
	"encoding/hex"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// The leaves and roots that Certificate Transparency publishes as test vectors of RFC 6962.
func TestRoot_VectorsOfCertificateTransparency(t *testing.T) {
	inputs := []string{"", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"}
	roots := []string{
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", // printf '' | sha256sum
		"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
		"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
		"aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
		"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
		"4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
		"76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
		"ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
		"5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
	}
	var leaves []Hash
	for n, want := range roots {
		if got := Root(leaves).String(); got != want {
			t.Errorf("%d leaves: %s, want %s", n, got, want)
		}
		if n < len(inputs) {
			input, err := hex.DecodeString(inputs[n])
			if err != nil {
				t.Fatal(err)
			}
			leaves = append(leaves, Leaf(input))
		}
	}
}

// naiveRoot is the definition of RFC 6962 section 2.1, word for word.
func naiveRoot(d []Hash) Hash {
	if len(d) == 1 {
		return d[0]
	}
	k := 1
	for 2*k < len(d) {
		k *= 2
	}
	return node(naiveRoot(d[:k]), naiveRoot(d[k:]))
}

func TestSort_SortsAnyHashes(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for n := range 300 {
		leaves := make([]Hash, n)
		for i := range leaves {
			leaves[i][r.IntN(32)], leaves[i][0] = byte(r.Uint32()), byte(r.Uint32()&r.Uint32()) // many begin alike
		}
		want := slices.Clone(leaves)
		slices.SortFunc(want, func(a, b Hash) int { return strings.Compare(a.String(), b.String()) })
		if Sort(leaves); !slices.Equal(leaves, want) {
			t.Fatalf("%d hashes are in the wrong order", n)
		}
	}
}

func randomLeaves(r *rand.Rand, n int) []Hash {
	leaves := make([]Hash, n)
	for i := range leaves {
		leaves[i] = Leaf([]byte{byte(r.Uint32()), byte(r.Uint32())})
	}
	Sort(leaves)
	return leaves
}

func TestProof_LeadsToTheRootAndNoOtherDoes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := 1; n < 70; n++ {
		leaves := randomLeaves(r, n)
		root := naiveRoot(leaves)
		if Root(leaves) != root {
			t.Fatalf("%d leaves: another root than that of the definition", n)
		}
		for i, leaf := range leaves {
			p := NewTree(leaves).Prove(i)
			if got, err := p.Root(leaf); err != nil || got != root {
				t.Fatalf("leaf %d of %d: %v", i, n, err)
			}
			if got, err := p.Root(Leaf([]byte("another"))); err == nil && got == root {
				t.Errorf("leaf %d of %d: another leaf has the same proof", i, n)
			}
			for name, bad := range map[string]Proof{
				"longer":  {p.Index, p.Size, append(slices.Clone(p.Path), root)},
				"outside": {p.Size, p.Size, p.Path},
			} {
				if got, err := bad.Root(leaf); err == nil {
					t.Errorf("leaf %d of %d: a %s path leads to %s", i, n, name, got)
				}
			}
			if len(p.Path) > 0 {
				if _, err := (Proof{p.Index, p.Size, p.Path[1:]}).Root(leaf); err == nil {
					t.Errorf("leaf %d of %d: a shorter path is one", i, n)
				}
			}
		}
	}
}

func TestRoot_IsTheSameInAnyOrderOfTheRows(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	leaves := randomLeaves(r, 100)
	mixed := slices.Clone(leaves)
	r.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
	Sort(mixed)
	if Root(mixed) != Root(leaves) {
		t.Error("the root depends on the order of the rows")
	}
}

func FuzzProof(f *testing.F) {
	f.Add(uint64(3), uint64(7), []byte("some octets of a path, too few for a hash or enough for some of them"))
	f.Add(^uint64(0)-1, ^uint64(0), make([]byte, 64*len(Hash{})))
	f.Fuzz(func(t *testing.T, index, size uint64, octets []byte) {
		p := Proof{Index: index, Size: size}
		for ; len(octets) >= len(Hash{}); octets = octets[len(Hash{}):] {
			p.Path = append(p.Path, Hash(octets))
		}
		if _, err := p.Root(Hash{}); err == nil && (index >= size || len(p.Path) > 64) {
			t.Errorf("a proof of %d in %d with %d hashes", index, size, len(p.Path))
		}
	})
}
