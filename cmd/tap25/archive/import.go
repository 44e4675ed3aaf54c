package archive

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"tap25/cmd/tap25/rowfile"
	"tap25/store"
	"tap25/store/evidence"
)

// Importer brings exported files into a database.
type Importer struct {
	DB     *store.DB // which has been opened for loading
	Signer *store.Signer
	Done   func(FileReport) // called after each file of which rows were added, or were there
}

// FileReport is what became of a file.
type FileReport struct {
	Path        string
	Added, Held int64     // rows that were added, and that were there already
	First, Last time.Time // of the rows
	SignedBy    string    // fingerprint of the key that signed the manifest; "": there is no manifest
	Broken      bool      // an error has ended the import before all rows were loaded
}

// Import imports a file, or all files of a directory in the order of their days. Each is checked as a whole before a
// row of it is loaded. After an error, the same call adds what is missing.
func (i *Importer) Import(ctx context.Context, path string) error {
	i.DB.SignWith(i.Signer)
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	dir, names := path, []string(nil)
	if !info.IsDir() {
		dir, names = filepath.Dir(path), []string{filepath.Base(path)}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	defer root.Close()
	m, key, err := readManifest(root)
	switch _, missing := root.Lstat(named(root, manifestFile)); {
	case errors.Is(missing, fs.ErrNotExist):
		m, err = nil, nil
	case err == nil && (m.Form != Parquet || m.Question.Case != nil):
		err = fmt.Errorf("%s is of an export of a case, or not of Parquet: only an export of mail as Parquet can be "+
			"imported", manifestFile)
	}
	if err == nil && names == nil {
		names, err = filesOf(root, m)
	}
	if err != nil {
		return fmt.Errorf("import %s: %w", dir, err)
	}
	for _, name := range names {
		done, err := i.file(ctx, root, name, m)
		done.Path, done.Broken = filepath.Join(dir, name), err != nil
		if m != nil {
			done.SignedBy = evidence.Fingerprint(key).String()
		}
		if i.Done != nil && (err == nil || done.Added+done.Held > 0) {
			i.Done(done)
		}
		if err != nil {
			return fmt.Errorf("import %s: %w", done.Path, err)
		}
	}
	return nil
}

// filesOf returns the files of a directory, as its manifest names them, if there is one.
func filesOf(dir *os.Root, m *Manifest) (names []string, err error) {
	if m != nil {
		for _, f := range m.Files {
			if !nameForm.MatchString(f.Name) {
				return nil, errors.New(manifestFile + " names a file that is none of a day")
			}
			names = append(names, f.Name)
		}
		return names, nil
	}
	entries, err := fs.ReadDir(dir.FS(), ".") // sorted
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		switch {
		case e.Name() == named(dir, unfinishedFile):
			return nil, errors.New("the export into it was interrupted: run the same export again first")
		case nameForm.MatchString(e.Name()):
			names = append(names, e.Name())
		}
	}
	if len(names) == 0 {
		return nil, errors.New("it has no file such as mail-2026-01-31.parquet")
	}
	return names, nil
}

func (i *Importer) file(ctx context.Context, dir *os.Root, name string, m *Manifest) (done FileReport, err error) {
	f, err := rowfile.Open(dir, name)
	if err != nil {
		return done, err
	}
	defer f.Close()
	before, err := f.Stat()
	if err != nil {
		return done, err
	}
	digest, err := digestOf(ctx, f)
	if err != nil {
		return done, err
	}
	var want *File
	if m != nil {
		want = m.file(name)
		if want == nil {
			return done, errors.New(manifestFile + " beside it does not name it")
		}
		if want.Bytes != before.Size() || want.SHA256 != digest {
			return done, errors.New("is not the file that " + manifestFile + " describes: size or SHA-256 differ")
		}
	}
	rows, err := check(ctx, f)
	if err == nil && want != nil && want.Rows != rows {
		err = fmt.Errorf("has %d rows, and %d by %s", rows, want.Rows, manifestFile)
	}
	if err == nil {
		done, err = i.load(ctx, f, digest)
	}
	if after, statErr := f.Stat(); err == nil && (statErr != nil || after.ModTime() != before.ModTime() ||
		after.Size() != before.Size()) {
		err = errors.New("was written to meanwhile")
	}
	return done, err
}

func digestOf(ctx context.Context, f *os.File) (string, error) {
	sum, buffer := sha256.New(), make([]byte, 1<<20)
	for {
		n, err := f.Read(buffer)
		sum.Write(buffer[:n])
		switch {
		case err == io.EOF:
			return hex.EncodeToString(sum.Sum(nil)), nil
		case err != nil:
			return "", err
		case ctx.Err() != nil:
			return "", context.Cause(ctx)
		}
	}
}
