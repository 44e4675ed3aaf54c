package evidence

import (
	"crypto/ed25519"
	"errors"
	"fmt"
)

// The ways in which a link is not the next of its chain.
var (
	ErrSignature = errors.New("the signature is not that of the chain's key")
	ErrPrev      = errors.New("it does not name the hash of the link before it")
	ErrNumber    = errors.New("its number does not follow")
	ErrChain     = errors.New("it belongs to another sensor or another key")
)

// Checker checks the links of one chain, the first one first.
type Checker struct {
	Sensor string
	Key    ed25519.PublicKey

	Number uint64 // of the last link, as it was stored; 0: none yet
	Hash   Hash   // of the last link
}

// Next checks the next link, and returns it if it can be read. After an error, which names one of the errors of this
// package, the chain continues after this link as it is, so that one change is reported once.
func (c *Checker) Next(encoded, signature []byte) (*Link, error) {
	l, err := ParseLink(encoded)
	before, number := c.Hash, c.Number
	c.Hash = HashOf(encoded)
	if err != nil {
		c.Number++
		return nil, err
	}
	c.Number = l.Number
	var problems []error
	if !ed25519.Verify(c.Key, encoded, signature) {
		problems = append(problems, ErrSignature)
	}
	if l.Sensor != c.Sensor || l.Key != Fingerprint(c.Key) {
		problems = append(problems, ErrChain)
	}
	if l.Prev != before {
		problems = append(problems, ErrPrev)
	}
	if uint64(len(l.Lost)) > l.LostCount || l.Number <= number || l.Number-number-1 != l.LostCount {
		problems = append(problems, fmt.Errorf("%w: %d after %d", ErrNumber, l.Number, number))
	}
	return l, errors.Join(problems...)
}

// DayRoot returns the root over the roots of a day: the tree over the sorted leaves that these make, each of the
// octets of [Link.Append] for a root.
func DayRoot(roots []DayRows) Hash {
	leaves := make([]Hash, len(roots))
	for i, d := range roots {
		leaves[i] = Leaf(d.append(nil))
	}
	Sort(leaves)
	return Root(leaves)
}
