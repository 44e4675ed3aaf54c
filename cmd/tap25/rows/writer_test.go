package rows

import (
	"errors"
	"testing"

	"tap25/reassembly/smtp"
)

// full takes so many octets and no more.
type full int

func (f *full) Write(p []byte) (int, error) {
	n := min(int(*f), len(p))
	if *f -= full(n); n < len(p) {
		return n, errors.New("full")
	}
	return n, nil
}

// TestWriter_CountsRowsThatWereNotTaken has a line of names, which is no row.
func TestWriter_CountsRowsThatWereNotTaken(t *testing.T) {
	const name, row = len("mail_no\n"), len("7\n")
	for _, c := range []struct {
		takes int
		want  int64
	}{{0, 3}, {name - 1, 3}, {name, 3}, {name + row - 1, 3}, {name + row, 2}, {name + 3*row, 0}} {
		takes, failed := full(c.takes), false
		w := NewWriter(&takes, Form{Format: TSV, Columns: []string{"mail_no"}}, func(error) { failed = true })
		for range 3 {
			w.Emit(&smtp.Envelope{MailNo: 7})
		}
		err := w.Flush()
		if n := w.Unwritten(); n != c.want || failed != (c.want > 0) || (err != nil) != failed {
			t.Errorf("of %d octets: %d unwritten, want %d; failed %v, %v", c.takes, n, c.want, failed, err)
		}
	}
}
