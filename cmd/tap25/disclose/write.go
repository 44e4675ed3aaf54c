package disclose

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"time"

	"tap25/store"
	"tap25/store/evidence"
	"tap25/store/stamp"
)

// Source is what a directory is made from.
type Source struct {
	Manifest Manifest // what is known beforehand: Write sets the rest
	Rows     iter.Seq2[*store.CaseRow, error]
	Trees    iter.Seq2[*store.CaseTree, error] // of the segments of the rows; read after Rows
	Key      *evidence.Key                     // of whoever discloses
	Zone     *time.Location
}

// Write makes the directory dir, which must not exist or be empty: all of it, or none if an error is returned. Only its
// owner may read it. It returns the manifest.
func Write(ctx context.Context, dir string, s Source) (m *Manifest, err error) {
	if err := isFree(dir); err != nil {
		return nil, err
	}
	unfinished := filepath.Clean(dir) + ".tmp"
	if err := os.Mkdir(unfinished, 0o700); err != nil {
		if errors.Is(err, fs.ErrExist) {
			err = fmt.Errorf("%w; another disclosure writes it, or one was interrupted: delete it then", err)
		}
		return nil, fmt.Errorf("disclose: %w", err)
	}
	w := writer{dir: unfinished, m: &s.Manifest}
	if err := errors.Join(w.write(ctx, &s), w.remove()); err != nil {
		return nil, errors.Join(fmt.Errorf("disclose: %w", err), os.RemoveAll(unfinished))
	}
	if err := errors.Join(syncDir(unfinished), os.Rename(unfinished, dir), syncDir(filepath.Dir(dir))); err != nil {
		return nil, errors.Join(fmt.Errorf("disclose: %w", err), os.RemoveAll(unfinished))
	}
	return w.m, nil
}

// isFree returns an error if a directory cannot be made there.
func isFree(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("disclose: %w", err)
	case len(entries) > 0:
		return fmt.Errorf("disclose: the directory %s is not empty: name another", dir)
	}
	return nil
}

// writer writes a directory.
type writer struct {
	dir    string
	m      *Manifest
	answer answer
	prover prover
}

// remove removes what only the writer needs.
func (w *writer) remove() error {
	if w.prover.file == nil {
		return nil
	}
	return errors.Join(w.prover.file.Close(), os.Remove(w.prover.file.Name()))
}

func (w *writer) write(ctx context.Context, s *Source) error {
	w.m.Format, w.m.PublicKey = format, string(evidence.PublicPEM(s.Key.Public()))
	w.m.Files = nil
	w.m.Zone = Zone{Name: s.Zone.String()}
	for _, t := range w.m.times() {
		w.m.Zone.add(*t, s.Zone)
	}
	if err := w.rows(ctx, s); err != nil {
		return err
	}
	if w.answer.sha256() != w.m.Access.SHA256 || w.answer.Rows != w.m.Rows {
		return errors.New("the rows are not those that the database recorded: ask again")
	}
	if err := w.proofs(s); err != nil {
		return err
	}
	page, err := w.create(pageFile)
	if err != nil {
		return err
	}
	err = writePage(page, w.m, &w.answer)
	if err = page.close(w.m, err); err != nil {
		return err
	}
	text, err := w.m.append(nil)
	if err != nil {
		return err
	}
	if w.m.Made.StampedBy != nil {
		response, err := stamp.Ask(ctx, *w.m.Made.StampedBy, text)
		if err == nil {
			err = writeFile(filepath.Join(w.dir, stampFile), response)
		}
		if err != nil {
			return err
		}
	}
	return errors.Join(writeFile(filepath.Join(w.dir, manifestFile), text),
		writeFile(filepath.Join(w.dir, signatureFile), s.Key.Sign(text)))
}

// rows writes the files that have the rows.
func (w *writer) rows(ctx context.Context, s *Source) (err error) {
	var outs []*out
	for _, name := range []string{rowsJSON, rowsCSV, rowsParquet} {
		o, err := w.create(name)
		if err != nil {
			return err
		}
		outs = append(outs, o)
	}
	cells, columns := newCSV(), newParquet(outs[2])
	outs[1].Write(cells.Header()) // the error stays until close
	var line []byte
	for r, rowErr := range s.Rows {
		if err = rowErr; err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			break
		}
		line = appendJSON(line[:0], r)
		outs[0].Write(line)
		outs[1].Write(cells.Line(line))
		if err = columns.add(r); err != nil {
			break
		}
		if w.answer.add(r) {
			w.m.Zone.add(r.Envelope.SeenAt, s.Zone)
		}
		w.prover.add(r.Leaf())
	}
	err = errors.Join(err, columns.close())
	for _, o := range outs {
		err = errors.Join(err, o.close(w.m, nil))
	}
	return err
}

// proofs writes proofs.jsonl.
func (w *writer) proofs(s *Source) error {
	if err := w.prover.prove(w.dir, s.Trees); err != nil {
		return err
	}
	o, err := w.create(proofsFile)
	if err != nil {
		return err
	}
	if err := o.close(w.m, w.prover.write(o)); err != nil {
		return err
	}
	w.m.Evidence = w.prover.tally.evidence()
	return nil
}

// out is a file that is written.
type out struct {
	f   *os.File
	w   *bufio.Writer
	sum hash.Hash
	n   int64
}

func (w *writer) create(name string) (*out, error) {
	f, err := os.OpenFile(filepath.Join(w.dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	o := &out{f: f, sum: sha256.New()}
	o.w = bufio.NewWriterSize(io.MultiWriter(f, o.sum), 64<<10)
	return o, nil
}

// Write implements io.Writer.
func (o *out) Write(b []byte) (int, error) {
	o.n += int64(len(b))
	return o.w.Write(b)
}

// close makes the file durable and enters it into the manifest, unless err is an error already.
func (o *out) close(m *Manifest, err error) error {
	err = errors.Join(err, o.w.Flush(), o.f.Sync(), o.f.Close())
	m.Files = append(m.Files, File{filepath.Base(o.f.Name()), o.n, hex.EncodeToString(o.sum.Sum(nil))})
	return err
}

func writeFile(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
