package archive

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"tap25/cmd/tap25/disclose"
	"tap25/cmd/tap25/rowfile"
	"tap25/store/evidence"
)

// formatVersion is the version of the directory's form.
const formatVersion = 1

// The files of a directory beside those of days. Engines that are given a directory pass over names that begin so.
const (
	manifestFile   = "_manifest.json"
	signatureFile  = "_manifest.json.sig"
	unfinishedFile = "_unfinished.json" // the manifest so far, of an export that has not ended
)

// maxManifest is the most octets of a manifest.
const maxManifest = 16 << 20

// named returns the name that a file beside those of days has in a directory. In older exports it has no underscore.
func named(dir *os.Root, file string) string {
	old := strings.TrimPrefix(file, "_")
	if _, err := dir.Lstat(file); errors.Is(err, fs.ErrNotExist) {
		if _, err := dir.Lstat(old); err == nil {
			return old
		}
	}
	return file
}

// Manifest is _manifest.json: what a directory says about its rows. Times are UTC.
type Manifest struct {
	Format       int                   `json:"format"`
	Question     Question              `json:"question"`
	Form         string                `json:"form"` // of the files of days: parquet, csv or json
	TimeZone     string                `json:"time_zone"`
	Made         Made                  `json:"made"`
	Database     *Database             `json:"database"` // nil: an auditor does not learn it
	Access       *disclose.Access      `json:"access"`   // nil: of no case
	Completeness disclose.Completeness `json:"completeness"`
	Chains       []string              `json:"chains"` // their last links, as in a witness
	Rows         int64                 `json:"rows"`
	Files        []File                `json:"files"`
	PublicKey    string                `json:"public_key"` // of whoever exports: PEM, SubjectPublicKeyInfo (RFC 8410)
}

// Question is what was asked. Nil is without bound.
type Question struct {
	Case    *string    `json:"case"`
	Since   *time.Time `json:"since"`
	Before  *time.Time `json:"before"`
	Sensors []string   `json:"sensors"` // none: all
}

// Made is who made the directory, when and with what.
type Made struct {
	At      time.Time `json:"at"`
	By      string    `json:"by"` // login
	Version string    `json:"version"`
}

// Database is the database that the rows are from.
type Database struct {
	Identity string `json:"identity"`
	Schema   int32  `json:"schema"`
}

// File is the file of a day.
type File struct {
	disclose.File
	Rows int64 `json:"rows"`
}

func (m *Manifest) text() ([]byte, error) {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the manifest: %w", err)
	}
	return append(text, '\n'), nil
}

// parseManifest reads what text returned, and returns an error for anything else.
func parseManifest(text []byte) (*Manifest, error) {
	m := &Manifest{}
	if err := json.Unmarshal(text, m); err != nil || m.Format == 0 {
		return nil, errors.New("is not a manifest of an export")
	}
	if m.Format != formatVersion {
		return nil, fmt.Errorf("has format %d; this tap25 reads format %d", m.Format, formatVersion)
	}
	if again, err := m.text(); err != nil || !bytes.Equal(again, text) {
		return nil, errors.New("is not a manifest as tap25 writes it")
	}
	return m, nil
}

// readManifest reads the manifest of a directory and checks its signature. The key is that of whoever signed.
func readManifest(dir *os.Root) (m *Manifest, key ed25519.PublicKey, err error) {
	text, err := rowfile.ReadSmall(dir, named(dir, manifestFile), maxManifest)
	if err == nil {
		m, err = parseManifest(text)
	}
	if err == nil {
		key, err = evidence.ParsePublicKey([]byte(m.PublicKey), "public_key")
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s %w", manifestFile, err)
	}
	signature, err := rowfile.ReadSmall(dir, named(dir, signatureFile), ed25519.SignatureSize)
	if err == nil && !ed25519.Verify(key, text, signature) {
		err = errors.New("is not the signature of " + manifestFile + " by the key that it names")
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s %w", signatureFile, err)
	}
	return m, key, nil
}

// file returns what the manifest has of a file; nil if that is nothing.
func (m *Manifest) file(name string) *File {
	for i := range m.Files {
		if m.Files[i].Name == name {
			return &m.Files[i]
		}
	}
	return nil
}
