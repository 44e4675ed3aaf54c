package disclose

import (
	"bytes"
	"cmp"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"sort"

	"tap25/store"
	"tap25/store/evidence"
)

// prover finds the proofs of rows. Trees come in the database's order and rows in that of time, so a file holds the
// proofs meanwhile; in memory, a row takes about 80 bytes.
type prover struct {
	leaves []numbered   // of the rows; sorted by their leaves once prove has begun
	proofs []placed     // by the number of the row, from 0
	links  []signedLink // that proofs name
	tally  tally
	file   *os.File // the proofs' lines
	size   int64
}

type signedLink struct {
	line *linkLine
	hash evidence.Hash
}

// numbered is the leaf of a row.
type numbered struct {
	leaf evidence.Hash
	row  int64 // from 1
}

// placed is where the line of a row's proof is.
type placed struct {
	at     int64
	length int32
	link   int32  // index in links, from 1; 0: it has no proof
	reason string // why not
}

func (p *prover) add(leaf evidence.Hash) {
	p.leaves = append(p.leaves, numbered{leaf, int64(len(p.leaves)) + 1})
}

// prove looks for the rows in the trees, in a file of its own in dir.
func (p *prover) prove(dir string, trees iter.Seq2[*store.CaseTree, error]) (err error) {
	if p.file, err = os.OpenFile(filepath.Join(dir, "proofs.tmp"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return err
	}
	slices.SortFunc(p.leaves, func(a, b numbered) int { return bytes.Compare(a.leaf[:], b.leaf[:]) })
	p.proofs = make([]placed, len(p.leaves))
	for tree, err := range trees {
		if err != nil {
			return err
		}
		if err := p.tree(tree); err != nil {
			return err
		}
	}
	return nil
}

// tree looks for the rows in a tree. If the tree is not that of its link, its rows have no proof for that reason.
func (p *prover) tree(t *store.CaseTree) error {
	evidence.Sort(t.Leaves)
	signed := &linkLine{t.Link, t.Signature, t.Key}
	hash, l, err := openLink(signed, 0)
	tree := evidence.NewTree(t.Leaves)
	sound := err == nil && slices.Contains(l.days, evidence.DayRows{Table: evidence.Envelopes,
		Day: t.Day, Rows: uint64(len(t.Leaves)), Root: tree.Root()})
	form := rowProof{Link: hash.String(), Day: dateOf(t.Day)}
	linked := false
	for index, leaf := range t.Leaves {
		for _, row := range p.rowsOf(leaf) {
			at := &p.proofs[row-1]
			if at.link > 0 {
				continue // of two rows that are the same, each has a proof once
			} else if !sound {
				at.reason = notTheRoot
				continue
			}
			if !linked {
				p.links, linked = append(p.links, signedLink{signed, hash}), true
			}
			proof := form
			proof.Number, proof.Index = row, uint64(index)
			for _, h := range tree.Prove(index).Path {
				proof.Path = append(proof.Path, h[:])
			}
			if err := p.place(at, &proof); err != nil {
				return err
			}
			p.tally.add(l)
		}
	}
	return nil
}

// rowsOf returns the numbers of the rows with a leaf.
func (p *prover) rowsOf(leaf evidence.Hash) (rows []int64) {
	first := sort.Search(len(p.leaves), func(i int) bool { return bytes.Compare(p.leaves[i].leaf[:], leaf[:]) >= 0 })
	for _, x := range p.leaves[first:] {
		if x.leaf != leaf {
			break
		}
		rows = append(rows, x.row)
	}
	return rows
}

// place keeps a proof, by the last link of links.
func (p *prover) place(at *placed, proof *rowProof) error {
	line := appendProof(nil, &proofLine{Row: proof})
	*at = placed{at: p.size, length: int32(len(line)), link: int32(len(p.links))}
	p.size += int64(len(line))
	_, err := p.file.Write(line)
	return err
}

// write writes proofs.jsonl.
func (p *prover) write(w io.Writer) error {
	var links window
	for i, at := range p.proofs {
		if at.link == 0 {
			reason := cmp.Or(at.reason, notSigned)
			p.tally.miss(reason)
			w.Write(appendProof(nil, &proofLine{Row: &rowProof{Number: int64(i) + 1, Unproven: reason}}))
			continue
		}
		if l := p.links[at.link-1]; links.links[l.hash] == nil {
			line := appendProof(nil, &proofLine{Link: l.line})
			links.add(l.hash, &link{size: len(line)})
			w.Write(line)
		}
		if _, err := io.Copy(w, io.NewSectionReader(p.file, at.at, int64(at.length))); err != nil {
			return err
		}
	}
	return nil
}
