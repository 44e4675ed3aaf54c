package store

import (
	"crypto/ed25519"

	"tap25/reassembly/smtp"
	"tap25/store/evidence"
)

// CaseRow is a row that a case opens: one recipient of one mail, once.
type CaseRow struct {
	Envelope smtp.Envelope // the most complete row of all that show this recipient of this mail
	Sensors  []string      // all sensors that have it, sorted
	Copies   int64         // rows of mail that it stands for
}

// Leaf returns the leaf that the row has in the tree of its segment and day: that of all its stored columns in COPY's
// binary form (docs/evidence.md).
func (r *CaseRow) Leaf() evidence.Hash {
	return evidence.Leaf(widen(nil, AppendRow(nil, &r.Envelope)))
}

// CaseTree is the tree of a segment's rows of a day's partition, with the link that signs its root.
type CaseTree struct {
	Link, Signature []byte
	Key             ed25519.PublicKey
	Day             int32 // UTC, from 1970-01-01
	Leaves          []evidence.Hash
}
