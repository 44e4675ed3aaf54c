package archive

import (
	"errors"
	"fmt"

	"io/fs"
	"os"
	"strings"
	"syscall"

	"tap25/cmd/tap25/disclose"
	"tap25/cmd/tap25/rowfile"
)

// temporary ends the name of a file that is not whole. No engine takes it for one of a day: it begins as that of the
// manifest does.
const temporary = ".tmp"

func temporaryOf(name string) string { return "_" + name + temporary }

// directory is where an export goes. A file has its name only once it is whole and durable.
type directory struct {
	path string
	root *os.Root
	lock *os.File
}

// openDirectory opens a directory for an export, and makes it if it does not exist. Nobody else may write to it, so
// that no link in it leads elsewhere. It keeps other exports out until close.
func openDirectory(path string) (d *directory, err error) {
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("export: %w", err)
	}
	info, err := os.Lstat(path)
	if err == nil && !isOwn(info) {
		err = fmt.Errorf("%s must be a directory of this user's that nobody else may read: mode 0700", path)
	}
	if err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	d = &directory{path: path}
	if d.root, err = os.OpenRoot(path); err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	if d.lock, err = d.root.Open("."); err == nil {
		var opened os.FileInfo
		if opened, err = d.lock.Stat(); err == nil && !os.SameFile(info, opened) {
			err = fmt.Errorf("%s was replaced", path)
		}
	}
	if err == nil && syscall.Flock(int(d.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		err = fmt.Errorf("another export writes to %s", path)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("export: %w", err), d.close())
	}
	return d, nil
}

func isOwn(info os.FileInfo) bool {
	owner, ok := info.Sys().(*syscall.Stat_t)
	return ok && info.IsDir() && info.Mode().Perm() == 0o700 && int(owner.Uid) == os.Geteuid()
}

func (d *directory) close() error {
	err := d.root.Close()
	if d.lock != nil {
		err = errors.Join(err, d.lock.Close())
	}
	return err
}

// resume returns the manifest of the export that was interrupted here; nil if the directory is empty. It removes files
// that are not whole. The error is for any other directory.
func (d *directory) resume() (*Manifest, error) {
	entries, err := fs.ReadDir(d.root.FS(), ".")
	if err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	begun, others := false, 0
	for _, e := range entries {
		switch {
		case e.Name() == manifestFile:
			return nil, fmt.Errorf("export: %s has a whole export: name another directory", d.path)
		case strings.HasSuffix(e.Name(), temporary):
		case e.Name() == unfinishedFile:
			begun = true
		default:
			others++
		}
	}
	if !begun && others > 0 {
		return nil, fmt.Errorf("export: the directory %s is not empty: name another", d.path)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), temporary) {
			if err := d.root.Remove(e.Name()); err != nil {
				return nil, fmt.Errorf("export: %w", err)
			}
		}
	}
	if !begun {
		return nil, nil
	}
	text, err := rowfile.ReadSmall(d.root, unfinishedFile, maxManifest)
	if err != nil {
		return nil, fmt.Errorf("export: %s %w", unfinishedFile, err)
	}
	m, err := parseManifest(text)
	if err != nil {
		return nil, fmt.Errorf("export: %s %w", unfinishedFile, err)
	}
	for _, f := range m.Files {
		if info, err := d.root.Lstat(f.Name); err != nil || !info.Mode().IsRegular() || info.Size() != f.Bytes {
			return nil, fmt.Errorf("export: %s of the interrupted export is not as it was written: delete %s", f.Name,
				d.path)
		}
	}
	return m, nil
}

// discard removes the files of an export that has failed, and the directory.
func (d *directory) discard(files []File) (err error) {
	for _, f := range files {
		err = errors.Join(err, d.root.Remove(f.Name))
	}
	return errors.Join(err, d.root.Remove(unfinishedFile), os.Remove(d.path))
}

// out is a file that is not whole yet.
type out struct {
	*rowfile.File
	dir  *directory
	name string
}

func (d *directory) create(name string) (*out, error) {
	f, err := rowfile.Create(d.root, temporaryOf(name))
	return &out{f, d, name}, err
}

// finish gives the file its name, in place of one that has it.
func (o *out) finish() (f disclose.File, err error) {
	f.Name = o.name
	if f.Bytes, f.SHA256, err = o.Close(); err == nil {
		err = o.dir.root.Rename(temporaryOf(o.name), o.name)
	}
	return f, errors.Join(err, o.dir.lock.Sync())
}

// drop removes the file.
func (o *out) drop() error {
	_, _, err := o.Close()
	return errors.Join(err, o.dir.root.Remove(temporaryOf(o.name)))
}

// put writes a whole file.
func (d *directory) put(name string, text []byte) error {
	o, err := d.create(name)
	if err != nil {
		return err
	}
	if _, err := o.Write(text); err != nil {
		return errors.Join(err, o.drop())
	}
	_, err = o.finish()
	return err
}
