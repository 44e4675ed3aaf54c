package disclose

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"tap25/store"
	"tap25/store/evidence"
)

// The reasons for which a row has no proof.
const (
	notSigned = "no signed link has the row: it was recorded before links were signed, or it is kept aside, by a legal " +
		"hold or since its time is wrong, or it was added by other means: 'tap25 verify' of the database tells these apart"
	notTheRoot = "the rows of its segment are not those that were signed: 'tap25 verify' of the database names them"
)

var reasons = []string{notSigned, notTheRoot}

// A line of proofs.jsonl is a link, or the proof of a row. There is one proof for each row, in the order of rows.jsonl.
// A link comes before the first proof that names it, and again if the lines of other links since then have more octets
// than linkWindow: so nobody has to hold more of them.
type proofLine struct {
	Link *linkLine `json:"link,omitempty"`
	Row  *rowProof `json:"row,omitempty"`
}

// linkLine is a link as a sensor signed it (docs/evidence.md).
type linkLine struct {
	Encoded   []byte `json:"encoded"`
	Signature []byte `json:"signature"`
	Key       []byte `json:"key"` // public key of Ed25519
}

// rowProof proves that a row is in the tree of a link's day, or says why it does not.
type rowProof struct {
	Number   int64    `json:"number"`             // of the row, from 1
	Unproven string   `json:"unproven,omitempty"` // the reason; the rest is empty then
	Link     string   `json:"link,omitempty"`     // hash of the link, hexadecimal
	Day      string   `json:"day,omitempty"`      // UTC, 2026-01-31
	Index    uint64   `json:"index"`              // of the leaf in the tree, RFC 6962 section 2.1.1
	Path     [][]byte `json:"path,omitempty"`     // audit path, from the leaf up
}

// linkWindow is the octets of lines of links after which a link is written again.
const linkWindow = 16 << 20

func appendProof(b []byte, line *proofLine) []byte {
	text, _ := json.Marshal(line) // numbers, base64 and texts cannot fail
	return append(append(b, text...), '\n')
}

var errNotAProof = errors.New("is not a line as tap25 writes it")

// parseProof reads a line of appendProof, and returns an error for any other.
func parseProof(line []byte) (*proofLine, error) {
	var p proofLine
	if err := json.Unmarshal(line, &p); err != nil || (p.Link == nil) == (p.Row == nil) ||
		!bytes.Equal(appendProof(nil, &p), line) {
		return nil, errNotAProof
	}
	return &p, nil
}

// link is what proofs need of a link: the trees, and who signed it.
type link struct {
	sensor string
	key    evidence.Hash
	days   []evidence.DayRows
	size   int // octets of its line
}

// openLink checks a link's signature.
func openLink(l *linkLine, size int) (evidence.Hash, *link, error) {
	hash := evidence.HashOf(l.Encoded)
	parsed, err := evidence.ParseLink(l.Encoded)
	if err != nil {
		return hash, nil, fmt.Errorf("a link: %w", err)
	}
	if len(l.Key) != ed25519.PublicKeySize || !ed25519.Verify(l.Key, l.Encoded, l.Signature) {
		return hash, nil, errors.New("a link: the signature does not fit")
	}
	key := evidence.Fingerprint(l.Key)
	if parsed.Key != key || parsed.Kind != evidence.Segment {
		return hash, nil, errors.New("a link: it is another key's, or no segment's")
	}
	return hash, &link{parsed.Sensor, key, parsed.Days, size}, nil
}

// window holds the links that proofs may name: the last ones, up to linkWindow octets of lines.
type window struct {
	links map[evidence.Hash]*link
	order []evidence.Hash
	size  int
}

// add takes a link, and forgets the first ones. It does nothing if it has the link.
func (w *window) add(hash evidence.Hash, l *link) {
	if w.links == nil {
		w.links = map[evidence.Hash]*link{}
	}
	if w.links[hash] != nil {
		return
	}
	w.links[hash], w.order, w.size = l, append(w.order, hash), w.size+l.size
	for w.size > linkWindow && len(w.order) > 1 {
		w.size -= w.links[w.order[0]].size
		delete(w.links, w.order[0])
		w.order = w.order[1:]
	}
}

// prove checks that a row with this leaf, seen at that time, is in the tree that its proof names, and returns the link.
func (w *window) prove(p *rowProof, leaf evidence.Hash, seenAt time.Time, sensor string) (*link, error) {
	hash, err := parseHash(p.Link)
	l := w.links[hash]
	if err != nil || l == nil {
		return nil, errors.New("its proof names a link that is not there")
	}
	if p.Day != dateOf(store.DayNumber(seenAt)) {
		return nil, errors.New("its proof is of another day")
	}
	if l.sensor != sensor {
		return nil, errors.New("its proof is of another sensor")
	}
	proof := evidence.Proof{Index: p.Index}
	for _, octets := range p.Path {
		if len(octets) != len(evidence.Hash{}) {
			return nil, errors.New("its proof has not the form of one")
		}
		proof.Path = append(proof.Path, evidence.Hash(octets))
	}
	for _, d := range l.days {
		if d.Table != evidence.Envelopes || d.Day != store.DayNumber(seenAt) {
			continue
		}
		proof.Size = d.Rows
		if root, err := proof.Root(leaf); err == nil && root == d.Root {
			return l, nil
		}
		return nil, errors.New("it is not in the tree that its proof names: the row or the proof was changed")
	}
	return nil, errors.New("its proof names a tree that its link has not")
}

func dateOf(day int32) string { return store.DayOf(day).Format(time.DateOnly) }

func parseHash(text string) (h evidence.Hash, err error) {
	if len(text) != 2*len(h) {
		return h, errNotAProof
	}
	_, err = hex.Decode(h[:], []byte(text))
	return h, err
}
