package disclose

import (
	"fmt"
	"io"
	"time"

	"tap25/store/numeral"
)

// maxDifferences is the most differences that a report names; it counts the others.
const maxDifferences = 50

// Report is what [Verify] found.
type Report struct {
	Manifest    *Manifest    `json:"manifest"`   // nil if it cannot be read
	Signer      string       `json:"signer"`     // fingerprint of the key that signed the manifest; "" if none fits
	StampedAt   *time.Time   `json:"stamped_at"` // by the time stamp of the manifest, if there is one that fits
	Evidence    Evidence     `json:"evidence"`   // of the proofs that hold
	Differences []Difference `json:"differences"`
	More        int64        `json:"more_differences"` // differences that are not in Differences
	Notes       []string     `json:"notes"`            // what was not checked, and why
}

// Difference is a fault of a directory. It quotes nothing of it but names of files.
type Difference struct {
	File string `json:"file"`
	Row  int64  `json:"row"` // of rows.jsonl, from 1; 0: of the file as a whole
	Text string `json:"text"`
}

func (d Difference) String() string {
	if d.Row > 0 {
		return fmt.Sprintf("%s, row %d: %s", d.File, d.Row, d.Text)
	}
	return d.File + ": " + d.Text
}

// OK reports whether the directory is what its signer wrote, and every proof in it holds.
func (r *Report) OK() bool { return len(r.Differences) == 0 }

func (r *Report) differ(file string, row int64, text string) {
	if len(r.Differences) == maxDifferences {
		r.More++
		return
	}
	r.Differences = append(r.Differences, Difference{file, row, text})
}

// Write writes the report for people. It holds strings of strangers: w escapes them if it is a terminal.
func (r *Report) Write(w io.Writer) {
	if m := r.Manifest; m != nil {
		fmt.Fprintf(w, "case %q, %s rows, disclosed by %q at %s\n", m.Case, numeral.Grouped(m.Rows), m.Made.By,
			m.Made.At.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	if r.Signer != "" {
		fmt.Fprintf(w, "signed with the key %s\n", r.Signer)
	}
	if r.StampedAt != nil {
		fmt.Fprintf(w, "stamped at %s\n", r.StampedAt.Format("2006-01-02 15:04:05 UTC"))
	}
	for _, k := range r.Evidence.Keys {
		fmt.Fprintf(w, "%s rows are proven by sensor %q with the key %s\n", numeral.Grouped(k.Rows), k.Sensor, k.Fingerprint)
	}
	for _, u := range r.Evidence.Unproven {
		fmt.Fprintf(w, "%s rows have no proof: %s\n", numeral.Grouped(u.Rows), u.Reason)
	}
	for _, note := range r.Notes {
		fmt.Fprintf(w, "note: %s\n", note)
	}
	for _, d := range r.Differences {
		fmt.Fprintf(w, "DIFFERS: %s\n", d)
	}
	if r.More > 0 {
		fmt.Fprintf(w, "DIFFERS: %s more\n", numeral.Grouped(r.More))
	}
	if r.OK() {
		text := "verified: nothing differs from what these keys have signed"
		if m := r.Manifest; m != nil && r.Evidence.Proven < m.Rows {
			text += fmt.Sprintf(", but of %s rows no sensor's signature is here", numeral.Grouped(m.Rows-r.Evidence.Proven))
		}
		fmt.Fprintln(w, text)
	}
}
