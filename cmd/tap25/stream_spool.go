package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"tap25/store"
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

func (s *stream) openSpool() error {
	dirs := s.cfg.dirs
	if len(dirs) == 0 {
		base, err := spoolBase()
		if err != nil {
			return err
		}
		dirs = []string{filepath.Join(base, sensorDir(s.cfg.sensor))}
	}
	cfg := spool.Config{Sensor: s.cfg.sensor, Rereadable: s.cfg.rereadable, MaxBytes: s.cfg.limits.bytes, MaxAge: s.cfg.limits.age, Keep: s.cfg.limits.keep}
	if s.cfg.waits { // Seal alone cuts
		cfg.SegmentRecords, cfg.SegmentBytes, cfg.SegmentAge = -1, -1, -1
	}
	var err error
	for _, cfg.Dir = range dirs {
		if s.spool, err = spool.Open(cfg); err == nil || !errors.Is(err, spool.ErrBusy) {
			break
		}
	}
	if s.dir = cfg.Dir; errors.Is(err, spool.ErrBusy) {
		err = fmt.Errorf("%w: if it is for another tap, name that with --sensor, or another directory with --spool", err)
	}
	return err
}

// spoolBase is where the spools are, unless --spool says otherwise.
func spoolBase() (string, error) {
	state, err := store.StateDir()
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

// freeSpools lists the spools below base whose names begin with prefix and a number, and behind them one more.
func freeSpools(base, prefix string) (dirs []string) {
	for n := 0; ; n++ {
		dir := filepath.Join(base, fmt.Sprintf("%s-%d", prefix, n))
		dirs = append(dirs, dir)
		if _, err := os.Stat(dir); err != nil {
			return dirs
		}
	}
}
