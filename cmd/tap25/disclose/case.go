package disclose

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"

	"tap25/store"
	"tap25/store/cluster"
	"tap25/store/evidence"
)

// KeyFile is the name of the private key of whoever discloses, in the state directory.
const KeyFile = "disclosure.key"

// OpenKey reads the private key at path, or makes it; of "", the one in the state directory. made reports the second.
func OpenKey(path string) (key *evidence.Key, made bool, err error) {
	if path == "" {
		dir, err := cluster.MakeStateDir()
		if err != nil {
			return nil, false, fmt.Errorf("open the key: %w", err)
		}
		path = filepath.Join(dir, KeyFile)
	}
	return evidence.OpenKey(path)
}

// Settings are how a directory is made.
type Settings struct {
	Dir     string
	Key     *evidence.Key
	Zone    *time.Location
	Version string // of tap25
	Stamp   string // URL of a time-stamping authority (RFC 3161); "": none
}

// Case asks a question on a case, which the database records, and writes the answer to a directory as [Write] does.
func Case(ctx context.Context, db *store.DB, q store.CaseQuestion, s Settings) (*Manifest, error) {
	if err := isFree(s.Dir); err != nil {
		return nil, err
	}
	a, err := db.AskCase(ctx, q)
	if err != nil {
		return nil, err
	}
	m := Manifest{
		Case: q.Case, Question: Question{Since: utc(q.Since), Before: utc(q.Before), Target: q.Target},
		Access: Access{Number: a.Number, SHA256: a.SHA256}, Rows: a.Rows,
		Made: Made{At: a.At.UTC(), By: a.By, Version: s.Version},
	}
	if s.Stamp != "" {
		m.Made.StampedBy = &s.Stamp
	}
	for _, w := range a.Warrants {
		m.Warrants = append(m.Warrants, Warrant{
			ID: w.ID, LegalBasis: w.Basis, Applicant: w.Applicant, Approver: w.Approver, ApprovedAt: utc(w.ApprovedAt),
			Targets: w.Targets, Since: w.Since.UTC(), Before: w.Before.UTC(), ValidUntil: w.ValidTill.UTC(),
		})
	}
	if m.Completeness, err = ParseCompleteness(a.Completeness); err != nil {
		return nil, err
	}
	return Write(ctx, s.Dir, Source{Manifest: m, Rows: db.CaseMail(ctx, q), Trees: db.CaseTrees(ctx, a.Number),
		Key: s.Key, Zone: s.Zone})
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}

// noCompleteness is the sentence of an answer about whose period nothing was recorded.
const noCompleteness = "What share of this period was observed is not recorded: that no mail is shown does not mean " +
	"that there was none."

// ParseCompleteness reads the row of completeness(), whose columns are not known here.
func ParseCompleteness(row []byte) (c Completeness, err error) {
	c = Completeness{Sentence: noCompleteness, Values: []Value{}}
	if row == nil {
		return c, nil
	}
	d := json.NewDecoder(bytes.NewReader(row))
	d.Token() // the brace
	for d.More() {
		name, _ := d.Token()
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return c, fmt.Errorf("read the completeness: %w", err)
		}
		v := Value{Name: fmt.Sprint(name)}
		var text string
		if json.Unmarshal(value, &text) != nil { // no text: a number, a list
			text = string(value)
		}
		if string(value) != "null" {
			v.Value = &text
		}
		if v.Name == "sentence" && v.Value != nil {
			c.Sentence = text
			continue
		}
		c.Values = append(c.Values, v)
	}
	return c, nil
}
