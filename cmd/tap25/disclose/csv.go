package disclose

import (
	"tap25/cmd/tap25/rowfile"
	"tap25/cmd/tap25/rows"
	"tap25/store"
)

// newCSV makes the lines of rows.csv from those of rows.jsonl: the same columns in the same order, by RFC 4180.
func newCSV() *rows.Lines {
	l := rows.NewLines(rows.CSV, rows.NamesIn(rowfile.AppendJSON(nil, &store.CaseRow{})))
	l.CRLF = true
	return l
}
