package archive

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"

	"github.com/klauspost/compress/zstd"

	"tap25/cmd/tap25/rowfile"
	"tap25/cmd/tap25/rows"
	"tap25/store"
)

// Parquet is the form that can be imported.
const Parquet = "parquet"

// Forms are the forms of a file.
func Forms() []string { return []string{Parquet, rows.CSV, rows.JSON} }

// rowWriter writes the rows of a file.
type rowWriter interface {
	Add(*store.CaseRow) error
	Close() error // ends the rows, and closes no file
}

// extensions has what the name of a file ends with, by its form.
var extensions = map[string]string{Parquet: ".parquet", rows.CSV: ".csv.zst", rows.JSON: ".jsonl.zst"}

// nameOf returns the name of a day's file.
func nameOf(day time.Time, form string) string {
	return "mail-" + day.Format(time.DateOnly) + extensions[form]
}

// nameForm matches the names of the files that can be imported.
var nameForm = regexp.MustCompile(`^mail-\d{4}-\d\d-\d\d\.parquet$`)

// newRows writes rows in a form: of a case, with sensors and copies, or of the view mail.
func newRows(w io.Writer, form string, ofCase bool) (rowWriter, error) {
	switch {
	case form == Parquet && ofCase:
		return rowfile.NewParquet(w), nil
	case form == Parquet:
		return rowfile.NewMailParquet(w), nil
	case ofCase:
		return newLines(w, form, rowfile.AppendJSON)
	}
	return newLines(w, form, rowfile.AppendMailJSON)
}

// lines writes rows as lines, compressed with zstd.
type lines struct {
	w      *zstd.Encoder
	append func([]byte, *store.CaseRow) []byte // the line of JSON
	object []byte
	cells  *rows.Lines // makes the line of CSV of it; nil: it stays JSON
}

func newLines(w io.Writer, form string, object func([]byte, *store.CaseRow) []byte) (*lines, error) {
	z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	l := &lines{w: z, append: object}
	if form == rows.CSV {
		l.cells = rows.NewLines(rows.CSV, rows.NamesIn(object(nil, &store.CaseRow{})))
		l.cells.CRLF = true
		_, err = z.Write(l.cells.Header())
	}
	return l, err
}

func (l *lines) Add(r *store.CaseRow) error {
	l.object = l.append(l.object[:0], r)
	line := l.object
	if l.cells != nil {
		line = l.cells.Line(line)
	}
	_, err := l.w.Write(line)
	return err
}

func (l *lines) Close() error { return l.w.Close() }

var errOrder = errors.New("the rows do not come in the order of their time")
