package disclose

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"time"

	"tap25/cmd/tap25/rowfile"
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
	if w.root, err = os.OpenRoot(unfinished); err == nil {
		err = errors.Join(w.write(ctx, &s), w.remove())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("disclose: %w", err), os.RemoveAll(unfinished))
	}
	if err := errors.Join(rowfile.SyncDir(unfinished), os.Rename(unfinished, dir), rowfile.SyncDir(filepath.Dir(dir))); err != nil {
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
	root   *os.Root // dir
	m      *Manifest
	answer answer
	prover prover
}

// remove removes what only the writer needs.
func (w *writer) remove() error {
	err := w.root.Close()
	if w.prover.file != nil {
		err = errors.Join(err, w.prover.file.Close(), os.Remove(w.prover.file.Name()))
	}
	return err
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
			err = rowfile.WriteFile(w.root, stampFile, response)
		}
		if err != nil {
			return err
		}
	}
	return errors.Join(rowfile.WriteFile(w.root, manifestFile, text),
		rowfile.WriteFile(w.root, signatureFile, s.Key.Sign(text)))
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
	cells, columns := newCSV(), rowfile.NewParquet(outs[2])
	outs[1].Write(cells.Header()) // the error stays until close
	var line []byte
	for r, rowErr := range s.Rows {
		if err = rowErr; err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			break
		}
		line = rowfile.AppendJSON(line[:0], r)
		outs[0].Write(line)
		outs[1].Write(cells.Line(line))
		if err = columns.Add(r); err != nil {
			break
		}
		if w.answer.add(r) {
			w.m.Zone.add(r.Envelope.SeenAt, s.Zone)
		}
		w.prover.add(r.Leaf())
	}
	err = errors.Join(err, columns.Close())
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

// create makes a file of the directory.
func (w *writer) create(name string) (*out, error) {
	f, err := rowfile.Create(w.root, name)
	return &out{f, name}, err
}

// out is a file that is written.
type out struct {
	*rowfile.File
	name string
}

// close makes the file durable and enters it into the manifest, unless err is an error already.
func (o *out) close(m *Manifest, err error) error {
	octets, digest, closed := o.Close()
	m.Files = append(m.Files, File{o.name, octets, digest})
	return errors.Join(err, closed)
}
