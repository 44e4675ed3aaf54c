package main

import (
	"bufio"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"

	"tap25/store"
	"tap25/store/evidence"
	"tap25/store/stamp"
)

// mostWitnesses bounds the lines of witnesses: those of a hundred sensors for more than a year.
const mostWitnesses = 1 << 20

// witnessReader reads witnesses into a configuration.
type witnessReader struct {
	cfg         *store.VerifyConfig
	authorities *x509.CertPool // that may have stamped; nil: any

	lines  map[[sha256.Size]byte]int // where cfg.Witnesses has a line
	faults []store.Finding
}

// read reads the checkpoints and time stamps among the lines of a file; other lines are skipped, and of long ones the
// rest.
func (w *witnessReader) read(path string, stdin io.Reader) error {
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return fmt.Errorf("read the witness: %w", err)
		}
		defer f.Close()
		stdin = f
	}
	if w.lines == nil {
		w.lines = map[[sha256.Size]byte]int{}
	}
	before := len(w.cfg.Witnesses)
	in := bufio.NewReaderSize(stdin, 2*stamp.Max)
	for number := 1; ; number++ {
		line, err := in.ReadSlice('\n')
		if c, ok := evidence.FindCheckpoint(line); ok {
			w.lines[sha256.Sum256([]byte(c.String()))] = len(w.cfg.Witnesses)
			w.cfg.Witnesses = append(w.cfg.Witnesses, c)
		} else if response, ok := evidence.FindTimestamp(line); ok {
			w.stamp(response, fmt.Sprintf("%s, line %d", path, number))
		}
		if len(w.cfg.Witnesses) > mostWitnesses {
			return fmt.Errorf("read the witness: more than %d lines; give it the latest ones", mostWitnesses)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return fmt.Errorf("read the witness: %w", err)
		}
	}
	if len(w.cfg.Witnesses) == before {
		return fmt.Errorf("read the witness: %s has no line of evidence", path)
	}
	return nil
}

// stamp enters a time stamp at its checkpoint, or a fault.
func (w *witnessReader) stamp(response []byte, where string) {
	s, err := stamp.Read(response)
	if err == nil && w.authorities != nil {
		err = s.Check(w.authorities)
	}
	if err != nil {
		w.fault(where, err.Error())
		return
	}
	at, ok := w.lines[s.Hash]
	if !ok {
		w.fault(where, "is of a line that is not before it")
		return
	}
	w.cfg.Witnesses[at].Stamped = s.Time
}

// mostFaults bounds the faults: a witness may be anybody's.
const mostFaults = 100

func (w *witnessReader) fault(where, what string) {
	if len(w.faults) < mostFaults {
		w.faults = append(w.faults, store.Finding{What: "the time stamp in the witness " + where + ": " + what})
	}
}
