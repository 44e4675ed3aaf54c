// Package rows writes rows as text: JSON lines, CSV or TSV, with all of their columns or some.
//
// The JSON line of a row (docs/record.md) comes first; each other form is made of that line, so none says anything
// else. A disclosure uses the same CSV.
//
//	writer.go        rows to a writer, which may be slow or go away
//	form.go          which form, which columns
//	lines.go         the line of a row
//	cell.go          a text as a cell of CSV or TSV
//	communityid.go   the identifier that other tools have for a connection
package rows
