package main

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

	"github.com/spf13/pflag"

	"tap25/store/cluster"
	"tap25/store/spool"
)

// spoolLimits bound what waits for the database, beside the disk; zero values are the spool's defaults.
type spoolLimits struct {
	bytes int64
	age   time.Duration
	keep  time.Duration // how long what is loaded stays
}

// flags adds those that set the limits.
func (l *spoolLimits) flags(f *pflag.FlagSet) {
	f.Int64Var(&l.bytes, "spool-bytes", 10<<30, "size that the spool may reach; it also leaves 64 MiB of the disk free, or a sixteenth of a small one")
	f.DurationVar(&l.age, "spool-age", 0, "the spool takes no more rows while its oldest wait for longer, such as 720h (default any time)")
	f.DurationVar(&l.keep, "spool-keep", 10*time.Minute, "how long loaded rows stay in the spool, to be entered again where a standby without them becomes the database; "+
		"a quarter of --spool-bytes at most, and they go first when room is needed; 0 deletes them at once")
}

// mostKeep is what --spool-keep may be: the database forgets the names of segments after a month.
const mostKeep = 10 * 24 * time.Hour

// check refuses what makes no sense.
func (l *spoolLimits) check() error {
	if l.bytes < 2*partBytes || l.age < 0 || l.keep < 0 || l.keep > mostKeep {
		return &usageError{fmt.Errorf("--spool-bytes must be %d at least, twice what is sealed at once, --spool-age not negative, and --spool-keep from 0 to %s", 2*partBytes, mostKeep)}
	}
	return nil
}

// mostReplays bounds the replays into one database that run on one machine at once, and so the directories of their spools:
// the first that is free is used again.
const mostReplays = 1000

// spoolDirs are the directories that the spool may have, in the order in which they are tried.
func (s *stream) spoolDirs() (iter.Seq[string], error) {
	switch {
	case s.cfg.spools != "":
		return func(yield func(string) bool) {
			for n := 0; n < mostReplays && yield(fmt.Sprintf("%s-%d", s.cfg.spools, n)); n++ {
			}
		}, nil
	case len(s.cfg.dirs) > 0:
		return slices.Values(s.cfg.dirs), nil
	}
	base, err := spoolBase()
	return slices.Values([]string{filepath.Join(base, sensorDir(s.cfg.sensor))}), err
}

// openSpool opens the first of the directories that no other process has. To open it is to lock it, so of several processes that
// try at once each gets one of its own.
func (s *stream) openSpool() error {
	dirs, err := s.spoolDirs()
	if err != nil {
		return err
	}
	cfg := spool.Config{Sensor: s.cfg.sensor, Rereadable: s.cfg.rereadable, MaxBytes: s.cfg.limits.bytes, MaxAge: s.cfg.limits.age, Keep: s.cfg.limits.keep}
	if s.cfg.waits { // Seal alone cuts
		cfg.SegmentRecords, cfg.SegmentBytes, cfg.SegmentAge = -1, -1, -1
	}
	for cfg.Dir = range dirs {
		if s.spool, err = spool.Open(cfg); err == nil || !errors.Is(err, spool.ErrBusy) {
			break
		}
	}
	s.dir = cfg.Dir
	switch {
	case errors.Is(err, spool.ErrBusy) && s.cfg.spools != "":
		err = fmt.Errorf("%w: %d replays into this database run already: wait until one has ended, or name a directory with --spool", err, mostReplays)
	case errors.Is(err, spool.ErrBusy):
		err = fmt.Errorf("%w: if it is for another tap, name that with --sensor, or another directory with --spool", err)
	}
	return err
}

// spoolBase is where the spools are, unless --spool says otherwise.
func spoolBase() (string, error) {
	state, err := cluster.StateDir()
	return filepath.Join(state, "spool"), err
}

// sensorDir makes a file name of a sensor's name.
func sensorDir(sensor string) string {
	var b strings.Builder
	for i, c := range []byte(sensor) {
		if c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '-' || c == '_' || c == '.' && i > 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// leftSpools lists the spools in a directory whose names are one of these, a hyphen and a number.
func leftSpools(base string, names ...string) (dirs []string, err error) {
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
