package disclose

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"tap25/store/evidence"
)

// format is the version of the directory's form. A change of any file's form takes a new number.
const format = 1

// The files of a directory. tap25 opens no other, whatever a manifest names.
const (
	rowsJSON      = "rows.jsonl"
	rowsCSV       = "rows.csv"
	rowsParquet   = "rows.parquet"
	proofsFile    = "proofs.jsonl"
	pageFile      = "index.html"
	manifestFile  = "manifest.json"
	signatureFile = "manifest.json.sig"
	stampFile     = "manifest.json.tsr"
)

// Manifest is manifest.json: what a directory says about its rows. Times are UTC.
type Manifest struct {
	Format       int          `json:"format"`
	Case         string       `json:"case"`
	Question     Question     `json:"question"`
	Access       Access       `json:"access"`
	Made         Made         `json:"made"`
	Warrants     []Warrant    `json:"warrants"`
	Completeness Completeness `json:"completeness"`
	Rows         int64        `json:"rows"`
	Zone         Zone         `json:"time_zone"`
	Evidence     Evidence     `json:"evidence"`
	Files        []File       `json:"files"`
	PublicKey    string       `json:"public_key"` // of whoever discloses: PEM, SubjectPublicKeyInfo (RFC 8410)
}

// Question is what was asked of the case. Nil is without bound.
type Question struct {
	Since  *time.Time `json:"since"`
	Before *time.Time `json:"before"`
	Target *string    `json:"target"`
}

// Access is the database's record of the read.
type Access struct {
	Number int64  `json:"number"`
	SHA256 string `json:"sha256"` // of the rows, as ask_case computed it; hexadecimal
}

// Made is who made the directory, when and with what.
type Made struct {
	At      time.Time `json:"at"`
	By      string    `json:"by"` // login
	Version string    `json:"version"`

	// URL of the time-stamping authority that has stamped the manifest; nil: none has
	StampedBy *string `json:"stamped_by"`
}

// Warrant is one that opened the case. One from before tap25 asked for approvals has no approver.
type Warrant struct {
	ID         int64      `json:"id"`
	LegalBasis string     `json:"legal_basis"`
	Applicant  string     `json:"applicant"`
	Approver   *string    `json:"approver"`
	ApprovedAt *time.Time `json:"approved_at"`
	Targets    []string   `json:"targets"`
	Since      time.Time  `json:"since"`
	Before     time.Time  `json:"before"`
	ValidUntil time.Time  `json:"valid_until"`
}

// Completeness is what completeness() answers for the period: its sentence, and its columns with their values as text.
type Completeness struct {
	Sentence string  `json:"sentence"`
	Values   []Value `json:"values"`
}

// Value is a column of a row; nil is null.
type Value struct {
	Name  string  `json:"name"`
	Value *string `json:"value"`
}

// Evidence is how many rows proofs.jsonl proves, and whose keys it rests on.
type Evidence struct {
	Proven   int64      `json:"proven"`
	Unproven []Unproven `json:"unproven"`
	Keys     []Key      `json:"keys"`
}

// Unproven counts rows without a proof, by the reason.
type Unproven struct {
	Reason string `json:"reason"`
	Rows   int64  `json:"rows"`
}

// Key is a sensor's public key, and the number of rows whose proofs rest on it.
type Key struct {
	Sensor      string `json:"sensor"`
	Fingerprint string `json:"fingerprint"`
	Rows        int64  `json:"rows"`
}

// File is a file of the directory.
type File struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// append appends the manifest's text, of which there is one for a manifest.
func (m *Manifest) append(b []byte) ([]byte, error) {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the manifest: %w", err)
	}
	return append(append(b, text...), '\n'), nil
}

// parseManifest reads what append wrote, and returns an error for any other text. It does so by writing the manifest
// again, as rowfile.ParseJSON does.
func parseManifest(text []byte) (*Manifest, error) {
	var form struct {
		Format int     `json:"format"`
		Form   *string `json:"form"` // of exports alone
	}
	if err := json.Unmarshal(text, &form); err != nil {
		return nil, errors.New("is not JSON")
	}
	if form.Form != nil {
		return nil, errors.New("is of an export, and not of a disclosure: 'tap25 import' checks its signature and its " +
			"files before it loads them")
	}
	if form.Format != format {
		return nil, fmt.Errorf("has format %d; this tap25 reads format %d", form.Format, format)
	}
	var m Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, errors.New("is not a manifest as tap25 writes it")
	}
	if again, err := m.append(nil); err != nil || !bytes.Equal(again, text) {
		return nil, errors.New("is not a manifest as tap25 writes it")
	}
	return &m, nil
}

// times returns all times that the page shows beside those of rows.
func (m *Manifest) times() []*time.Time {
	times := []*time.Time{&m.Made.At, m.Question.Since, m.Question.Before}
	for _, w := range m.Warrants {
		times = append(times, w.ApprovedAt, &w.Since, &w.Before, &w.ValidUntil)
	}
	return slices.DeleteFunc(times, func(t *time.Time) bool { return t == nil })
}

// checkFiles checks that the manifest describes these files, in this order.
func (m *Manifest) checkFiles() error {
	names := []string{rowsJSON, rowsCSV, rowsParquet, proofsFile, pageFile}
	for i, name := range names {
		if len(m.Files) != len(names) || m.Files[i].Name != name || m.Files[i].Bytes < 0 {
			return errors.New("does not describe the files of a disclosure")
		}
	}
	return nil
}

// key returns the public key of whoever disclosed.
func (m *Manifest) key() (ed25519.PublicKey, error) {
	key, err := evidence.ParsePublicKey([]byte(m.PublicKey), "public_key")
	if err != nil || string(evidence.PublicPEM(key)) != m.PublicKey {
		return nil, errors.New("has no public key of Ed25519 in PEM")
	}
	return key, nil
}
