package stream

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"tap25/store/cluster"
	"tap25/store/spool"
)

// Limits bound the spool, as its disk does. Zero values are the defaults of the spool.
type Limits struct {
	Bytes int64
	Age   time.Duration // of the oldest waiting row, from which on no more rows are accepted; 0: no limit
	Keep  time.Duration // how long loaded rows stay
}

// LargestSegment is how many octets of rows a source may emit between two calls of Seal.
const LargestSegment = 64 << 20

// mostKeep is what --spool-keep may be: the database forgets the names of segments after a month.
const mostKeep = 10 * 24 * time.Hour

// Check returns an error for limits that make no sense.
func (l *Limits) Check() error {
	if l.Bytes < 2*LargestSegment || l.Age < 0 || l.Keep < 0 || l.Keep > mostKeep {
		return fmt.Errorf("--spool-bytes must be at least %d (twice the largest segment), --spool-age must not be "+
			"negative, and --spool-keep must be 0 to %s", 2*LargestSegment, mostKeep)
	}
	return nil
}

// mostReplays bounds the replays into one database that run on one machine at once, and so the number of their spools.
// A replay uses the first directory that is free.
const mostReplays = 1000

// spoolDirs returns the directories that the spool may use, in the order in which they are tried.
func (s *Stream) spoolDirs() (iter.Seq[string], error) {
	switch {
	case s.cfg.Spools != "":
		return func(yield func(string) bool) {
			for n := 0; n < mostReplays && yield(fmt.Sprintf("%s-%d", s.cfg.Spools, n)); n++ {
			}
		}, nil
	case len(s.cfg.Dirs) > 0:
		return slices.Values(s.cfg.Dirs), nil
	}
	base, err := SpoolBase()
	return slices.Values([]string{filepath.Join(base, sensorDir(s.cfg.Sensor))}), err
}

// openSpool opens the first of the directories that no other process has open. Opening locks the directory, so that
// each of several processes gets its own.
func (s *Stream) openSpool() error {
	dirs, err := s.spoolDirs()
	if err == nil && len(s.cfg.Dirs) == 0 {
		_, err = cluster.MakeStateDir()
	}
	if err != nil {
		return err
	}
	cfg := spool.Config{
		Sensor: s.cfg.Sensor, Rereadable: s.cfg.Rereadable,
		MaxBytes: s.cfg.Limits.Bytes, MaxAge: s.cfg.Limits.Age, Keep: s.cfg.Limits.Keep,
	}
	if s.cfg.Waits { // Seal alone cuts
		cfg.SegmentRecords, cfg.SegmentBytes, cfg.SegmentAge = -1, -1, -1
	}
	for cfg.Dir = range dirs {
		if s.spool, err = spool.Open(cfg); err == nil || !errors.Is(err, spool.ErrBusy) {
			break
		}
	}
	s.dir = cfg.Dir
	switch {
	case errors.Is(err, spool.ErrBusy) && s.cfg.Spools != "":
		err = fmt.Errorf("%w: %d replays into this database run already; wait until one ends, or name another "+
			"directory with --spool", err, mostReplays)
	case errors.Is(err, spool.ErrBusy):
		err = fmt.Errorf("%w; for another tap, name it with --sensor or name another directory with --spool", err)
	}
	return err
}

// SpoolBase is the directory of all spools, unless --spool names another.
func SpoolBase() (string, error) {
	state, err := cluster.StateDir()
	return filepath.Join(state, "spool"), err
}

// sensorDir escapes a sensor's name for use as the name of a directory, which must be neither . nor .. nor hidden.
func sensorDir(sensor string) string {
	name := spool.EscapeName(sensor)
	if strings.HasPrefix(name, ".") {
		name = "%2E" + name[1:]
	}
	return name
}

// LeftSpools lists the spools in a directory that are named NAME-NUMBER.
func LeftSpools(base string, names ...string) (dirs []string, err error) {
	entries, err := os.ReadDir(base)
	if err != nil {
		return nil, fmt.Errorf("list the spools: %w", err)
	}
	for _, e := range entries {
		i := strings.LastIndexByte(e.Name(), '-')
		if i < 0 || !e.IsDir() || !slices.Contains(names, e.Name()[:i]) {
			continue
		}
		if n, err := strconv.ParseUint(e.Name()[i+1:], 10, 16); err == nil && n < mostReplays {
			dirs = append(dirs, filepath.Join(base, e.Name()))
		}
	}
	return dirs, nil
}
