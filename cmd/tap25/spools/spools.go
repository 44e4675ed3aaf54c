// Package spools shows the files of the spools on this machine. It only reads, also while others write.
package spools

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"tap25/store"
	"tap25/store/numeral"
	"tap25/store/spool"
	"tap25/store/stream"
)

// Files are files of spools, the oldest first.
type Files struct {
	list []spool.File
	one  bool // the user has named this file, and no directory
}

// Find returns the files of a directory, or the one file of that path; of "", the files of all spools in the state
// directory.
func Find(path string) (*Files, error) {
	if path != "" {
		list, err := spool.Inspect(path)
		return &Files{list, len(list) == 1 && list[0].Path == path}, err
	}
	list, err := All()
	return &Files{list: list}, err
}

// All returns the files of all spools in the state directory, the oldest first.
func All() (files []spool.File, err error) {
	base, err := stream.SpoolBase()
	if err != nil {
		return nil, err
	}
	dirs, err := os.ReadDir(base)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list the spools: %w", err)
	}
	for _, dir := range dirs {
		if !dir.IsDir() {
			continue
		}
		more, err := spool.Inspect(filepath.Join(base, dir.Name()))
		if err != nil {
			return nil, err
		}
		files = append(files, more...)
	}
	slices.SortStableFunc(files, func(a, b spool.File) int { return cmp.Compare(a.Sequence, b.Sequence) })
	return files, nil
}

// List writes a line for each file.
func (files *Files) List(stdout, _ io.Writer) error {
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "BEGUN\tSTATE\tRECORDS\tBYTES\tKEY")
	for _, f := range files.list {
		records := "-" // unknown without reading the file
		if f.State == spool.Waiting || f.State == spool.Kept {
			records = grouped(f.Records)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", time.UnixMicro(int64(f.Sequence)).UTC().Format(time.RFC3339), f.State,
			records, grouped(f.Bytes), f.Key)
	}
	return w.Flush()
}

// Verify reads every segment and reports damage. It is an error if there is any.
func (files *Files) Verify(stdout, stderr io.Writer) error {
	segments, records, bad := 0, 0, 0
	for _, f := range files.list {
		name := filepath.Base(f.Path)
		if f.State == spool.Damaged {
			fmt.Fprintf(stdout, "%s: holds damaged bytes that were set aside\n", name)
			continue
		}
		file, _, d, err := spool.ReadFile(f.Path)
		if errors.Is(err, fs.ErrNotExist) { // loaded meanwhile
			continue
		}
		segments++
		records += file.Records - d.Records
		switch {
		case err != nil:
			bad++
			fmt.Fprintf(stderr, "tap25: %v\n", err)
		case d.Records > 0 || d.Bytes > 0:
			bad++
			fmt.Fprintf(stdout, "%s: %s of %s records lost, %s bytes damaged at", name, grouped(d.Records),
				grouped(file.Records), grouped(d.Bytes))
			for _, r := range d.Ranges {
				fmt.Fprintf(stdout, " %d+%d", r.Offset, r.Length)
			}
			fmt.Fprintln(stdout)
		}
	}
	fmt.Fprintf(stdout, "%s segments, %s intact records, %s segments damaged\n", grouped(segments), grouped(records),
		grouped(bad))
	if bad > 0 {
		return fmt.Errorf("verify spool: %s segments are damaged; tap25 will still load their intact records",
			grouped(bad))
	}
	return nil
}

// Dump prints the waiting rows and coverage. It prints refused and kept ones only if asked for their file.
func (files *Files) Dump(stdout, stderr io.Writer) error {
	w := bufio.NewWriter(stdout)
	var failed error
	for _, f := range files.list {
		if f.State == spool.Damaged || (f.State == spool.Refused || f.State == spool.Kept) && !files.one {
			continue
		}
		_, groups, d, err := spool.ReadFile(f.Path)
		if errors.Is(err, fs.ErrNotExist) { // loaded meanwhile
			continue
		}
		if err == nil && d.Records > 0 {
			err = fmt.Errorf("%s: %s records are damaged", filepath.Base(f.Path), grouped(d.Records))
		}
		failed = errors.Join(failed, err)
		for _, g := range groups {
			if g.Reason != "" {
				fmt.Fprintf(stderr, "%s records refused: %s\n", grouped(len(g.Records)), g.Reason)
			}
			if err := dumpRecords(w, g.Records); err != nil {
				return err
			}
		}
	}
	return errors.Join(w.Flush(), failed)
}

func dumpRecords(w io.Writer, records [][]byte) error {
	for _, record := range records {
		line, err := lineOf(record)
		if err != nil {
			return err
		}
		if _, err := w.Write(append(line, '\n')); err != nil {
			return fmt.Errorf("write rows to standard output: %w", err)
		}
	}
	return nil
}

// lineOf returns a row as JSON, or a record of coverage, in an object of its own.
func lineOf(record []byte) (line []byte, err error) {
	if store.IsCoverage(record) {
		c, err := store.ParseCoverage(record)
		if err == nil {
			line, err = json.Marshal(map[string]*store.Coverage{"coverage": c})
		}
		return line, err
	}
	e, err := store.ParseRow(record)
	if err == nil {
		line, err = e.MarshalJSON()
	}
	return line, err
}

// grouped is a number for people.
func grouped[N int | int64](n N) string { return numeral.Grouped(int64(n)) }
