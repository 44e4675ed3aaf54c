package rows

import (
	"encoding/json"
	"slices"
	"strings"

	"tap25/reassembly/smtp"
)

// The formats.
const (
	JSON = "json" // an object a line
	CSV  = "csv"  // RFC 4180, with a line of names
	TSV  = "tsv"  // the same cells with a tab between them and no quotes, with a line of names
)

// Formats returns the names of the formats.
func Formats() []string { return []string{JSON, CSV, TSV} }

// Form says how rows are written. The zero Form is that of docs/record.md: JSON lines of all columns.
type Form struct {
	Format      string   // "": JSON
	Columns     []string // of [Columns], in the order wanted; nil: all that a row has
	CommunityID bool     // each row has [CommunityIDColumn], as its last column unless Columns names it
}

// Columns returns the names of the columns that a row may have.
func Columns() []string { return append(columnsOfRow(), CommunityIDColumn) }

func columnsOfRow() []string { return NamesIn((&smtp.Envelope{}).AppendJSON(nil)) }

// names returns the columns of the form.
func (f Form) names() []string {
	names := slices.Clone(f.Columns)
	if names == nil {
		names = columnsOfRow()
	}
	if f.CommunityID && !slices.Contains(names, CommunityIDColumn) {
		names = append(names, CommunityIDColumn)
	}
	return names
}

// NamesIn returns the keys of a JSON object of this project, in their order.
func NamesIn(object []byte) (names []string) {
	d := json.NewDecoder(strings.NewReader(string(object)))
	_, _ = d.Token() // the brace
	for d.More() {
		key, _ := d.Token()
		name, _ := key.(string)
		names = append(names, name)
		var value json.RawMessage
		_ = d.Decode(&value)
	}
	return names
}
