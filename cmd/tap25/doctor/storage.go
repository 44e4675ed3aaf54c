package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"tap25/cmd/tap25/spools"
	"tap25/store"
	"tap25/store/cluster"
	"tap25/store/evidence"
	"tap25/store/spool"
	"tap25/store/stream"
)

// storeFactsNow gathers the facts of the spool, the disks, the database and the evidence. It starts no server and makes
// no file.
func (f *facts) storeFactsNow(ctx context.Context) {
	s := &f.want
	f.spool = spoolFactsNow(s.Spool, s.SpoolBytes)
	var data string // directory of the private cluster
	f.database, data = databaseFactsNow(ctx, s)
	f.disks = append(f.disks, diskFactsNow("spool", f.spool.dir))
	if data != "" {
		if sameDisk(data, f.spool.dir) {
			f.disks[0].both = true
		} else {
			f.disks = append(f.disks, diskFactsNow("database", data))
		}
		last := &f.disks[len(f.disks)-1]
		last.growth, last.dropsIn = f.database.health.Growth, f.database.health.DropsIn
		if !f.database.health.Counted {
			last.dropsIn = -1
		}
	}
	if s.Key != "" || s.Witness != "" {
		f.evidence = evidenceFactsNow(s, f.spool.dir)
	}
}

// existing returns the nearest directory that there is: the path itself or one above it.
func existing(path string) string {
	for {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return path
		}
		path = filepath.Dir(path)
	}
}

// sameDisk reports whether two paths are, or would be, on one file system.
func sameDisk(a, b string) bool {
	var first, second unix.Stat_t
	return unix.Stat(existing(a), &first) == nil && unix.Stat(existing(b), &second) == nil && first.Dev == second.Dev
}

func spoolFactsNow(dir string, limit int64) *spoolFacts {
	f := &spoolFacts{dir: dir, limit: limit}
	all := dir == "" // the spools of all sensors in the state directory
	if all {
		if f.dir, f.err = stream.SpoolBase(); f.err != nil {
			return f
		}
	}
	there := existing(f.dir)
	if info, err := os.Stat(there); err == nil && !info.IsDir() {
		f.err = &fs.PathError{Op: "write", Path: there, Err: unix.ENOTDIR}
		return f
	}
	if f.err = unix.Access(there, unix.W_OK|unix.X_OK); f.err != nil {
		f.err = &fs.PathError{Op: "write", Path: there, Err: f.err}
		return f
	}
	if all || there == dir {
		files, err := spools.Find(dir)
		if f.err = err; err != nil {
			return f
		}
		f.waiting = files.Sum()
	}
	if f.waiting.Oldest != nil {
		f.age = time.Since(*f.waiting.Oldest)
	}
	disk := diskFactsNow("", f.dir)
	f.err = disk.err
	f.room = min(limit-f.waiting.Bytes, disk.free-spool.Reserve(disk.size))
	return f
}

func diskFactsNow(holds, dir string) diskFacts {
	f := diskFacts{holds: holds, dir: dir, dropsIn: -1}
	var s unix.Statfs_t
	f.err = unix.Statfs(existing(dir), &s)
	f.free, f.size = int64(s.Bavail)*s.Bsize, int64(s.Blocks)*s.Bsize
	return f
}

// databaseFactsNow asks the database. data is the directory of the private cluster, if it is that.
func databaseFactsNow(ctx context.Context, s *Settings) (f *databaseFacts, data string) {
	f = &databaseFacts{private: s.DSN == store.Local}
	var machine unix.Sysinfo_t
	if unix.Sysinfo(&machine) == nil {
		f.memory = int64(machine.Totalram) * int64(machine.Unit)
	}
	dsn := s.DSN
	if f.private {
		var dir string
		var c *cluster.Cluster
		if dir, f.err = cluster.StateDir(); f.err != nil {
			return f, ""
		}
		if c, f.err = cluster.New(dir); f.err != nil {
			return f, ""
		}
		data, dsn = c.DataDir(), c.DSN()
		if f.none = !c.Made(); !f.none {
			f.stopped = !c.Running(ctx)
		}
		if f.none || f.stopped {
			return f, data
		}
	}
	db, err := store.Open(ctx, dsn)
	if err != nil {
		f.err = err
		return f, data
	}
	defer db.Close()
	f.health, f.err = db.Health(ctx, s.Retention, time.Now())
	if f.err == nil {
		f.creators, f.err = db.Creators(ctx)
	}
	if f.err == nil {
		f.open, f.err = db.OpenToAll(ctx)
	}
	return f, data
}

func evidenceFactsNow(s *Settings, spoolDir string) *evidenceFacts {
	f := &evidenceFacts{key: s.Key, witness: s.Witness}
	if s.Key != "" {
		if _, err := evidence.LoadKey(s.Key); !errors.Is(err, fs.ErrNotExist) {
			f.keyErr = err
		} else if err := unix.Access(filepath.Dir(s.Key), unix.W_OK|unix.X_OK); err != nil { // the first start makes it
			f.keyErr = &fs.PathError{Op: "write", Path: filepath.Dir(s.Key), Err: err}
		}
	}
	if s.Witness != "" {
		path := s.Witness
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			path = filepath.Dir(path)
		}
		if err := unix.Access(path, unix.W_OK); err != nil {
			f.witnessErr = &fs.PathError{Op: "write", Path: path, Err: err}
		}
		f.sameDisk = sameDisk(path, spoolDir)
	}
	return f
}
