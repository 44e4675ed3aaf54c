package replay

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"tap25/store/spool"
)

// checkpoint records which files of a directory are done: all their rows are in sealed segments. It is a file in the
// spool.
type checkpoint struct {
	path  string
	Files []doneFile `json:"files"` // in the order in which they were read
}

// doneFile is a file as it was when it was read.
type doneFile struct {
	Name   string    `json:"name"`
	Size   int64     `json:"size"`
	Digest string    `json:"sha256"`
	Last   time.Time `json:"last_packet"`
}

// readCheckpoint reads the checkpoint of a spool. If there is none, it returns an empty one.
func readCheckpoint(dir string) (*checkpoint, error) {
	c := &checkpoint{path: filepath.Join(dir, "follow.json")}
	b, err := os.ReadFile(c.path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err == nil {
		err = json.Unmarshal(b, c)
	}
	if err != nil {
		return nil, fmt.Errorf("read the checkpoint: %w", err)
	}
	return c, nil
}

func (c *checkpoint) find(name string) *doneFile {
	if i := slices.IndexFunc(c.Files, func(d doneFile) bool { return d.Name == name }); i >= 0 {
		return &c.Files[i]
	}
	return nil
}

// done adds a file, removes files that no longer exist, and writes the checkpoint.
func (c *checkpoint) done(file doneFile, exists map[string]bool) error {
	c.Files = slices.DeleteFunc(c.Files, func(d doneFile) bool { return d.Name == file.Name || !exists[d.Name] })
	c.Files = append(c.Files, file)
	b, err := json.MarshalIndent(c, "", "\t")
	if err == nil {
		err = spool.ReplaceFile(c.path, b)
	}
	if err != nil {
		return fmt.Errorf("write the checkpoint: %w", err)
	}
	return nil
}
