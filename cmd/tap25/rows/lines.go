package rows

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"strings"
)

// Lines makes lines of JSON objects, as AppendJSON of [smtp.Envelope] makes them.
type Lines struct {
	CRLF bool // ends lines of CSV with CR LF, as RFC 4180 asks for, not with LF

	format string
	names  []string
	values map[string]json.RawMessage
	cells  []string
	line   bytes.Buffer
	csv    *csv.Writer
}

// NewLines makes lines of a format, with these keys of each object.
func NewLines(format string, names []string) *Lines {
	l := &Lines{format: format, names: names, values: map[string]json.RawMessage{}}
	l.csv = csv.NewWriter(&l.line)
	return l
}

// Header returns the line of names; none for JSON. It is valid until the next call, as that of Line is.
func (l *Lines) Header() []byte {
	if l.format == JSON {
		return nil
	}
	l.cells = append(l.cells[:0], l.names...)
	return l.join()
}

// Line returns the line of an object, with its end.
func (l *Lines) Line(object []byte) []byte {
	clear(l.values)
	_ = json.Unmarshal(object, &l.values) // made by AppendJSON, so it is one
	if l.format == JSON {
		return l.object()
	}
	l.cells = l.cells[:0]
	for _, name := range l.names {
		l.cells = append(l.cells, cellOf(name, l.values[name]))
	}
	return l.join()
}

// object makes an object of the wanted keys.
func (l *Lines) object() []byte {
	l.line.Reset()
	between := byte('{')
	for _, name := range l.names {
		l.line.WriteByte(between)
		l.line.WriteString(`"` + name + `":`)
		l.line.Write(l.values[name])
		between = ','
	}
	l.line.WriteString("}\n")
	return l.line.Bytes()
}

// join makes a line of the cells.
func (l *Lines) join() []byte {
	l.line.Reset()
	if l.format == TSV {
		l.line.WriteString(strings.Join(l.cells, "\t") + "\n") // no cell has a tab or a newline
		return l.line.Bytes()
	}
	l.csv.UseCRLF = l.CRLF
	_ = l.csv.Write(l.cells) // a bytes.Buffer takes all
	l.csv.Flush()
	return l.line.Bytes()
}
