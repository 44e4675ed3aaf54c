package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"tap25/reassembly/smtp"
	"tap25/store"
	"tap25/store/spool"
)

// output is the destination of the rows.
type output struct {
	emit  func(*smtp.Envelope)        // from any worker
	idle  func()                      // no frame waits at the moment
	close func(context.Context) error // writes or loads the rows that are left

	report func() *storeReport // nil: standard output
	health func(time.Time) (notLive, notReady []string)
	spool  string              // its directory, which only this user may read
	rights func(*rights) error // adds the rights that it needs
}

// openOutput opens standard output, on which a failed write ends the tap, or the stream to the database.
func openOutput(ctx context.Context, cmd *cobra.Command, s *sniffSettings, log zerolog.Logger, fail func(error)) (*output, error) {
	if s.json {
		out := newRows(cmd.OutOrStdout(), fail)
		return &output{
			emit: out.emit,
			idle: func() { _ = out.flush() }, // rows keeps the error and calls fail
			close: func(context.Context) error {
				err := out.flush()
				if n := out.unwritten(); err != nil && n > 0 {
					err = fmt.Errorf("%w: %d rows are lost", err, n)
				}
				return err
			},
		}, nil
	}
	cfg := streamConfig{db: s.db, limits: s.limits, sensor: s.sensor, log: log, stderr: cmd.ErrOrStderr(), endReaders: afterwards(s.endReaders)}
	if s.spool != "" {
		cfg.dirs = []string{s.spool}
	}
	if s.retention != "never" {
		cfg.retention, _ = store.ParseRetention(s.retention) // checked
	}
	st, err := openStream(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if st.db.Cluster != nil { // start it while tap25 still has the rights that this takes
		db, err := st.db.Connect(ctx)
		if err != nil {
			return nil, errors.Join(err, st.Close(ctx))
		}
		db.Close()
	}
	h := &loadHealth{}
	return &output{
		emit: st.Emit, idle: func() {}, close: st.Close, rights: st.rights, spool: st.dir,
		health: func(now time.Time) (notLive, notReady []string) { return h.judge(now, st.Stats()) },
		report: func() *storeReport { return reportOf(st.Stats()) },
	}, nil
}

func reportOf(s streamStats) *storeReport {
	return &storeReport{
		Spooled: s.spool.Appended, Lost: s.spool.Lost + s.lost, Loaded: s.spool.Loaded, Waiting: s.spool.Waiting + s.spool.Open + s.spool.Buffered,
		SetAside: s.spool.SetAside, Found: s.spool.Found, Damaged: s.spool.Damaged, Dropped: s.spool.Dropped, Away: s.loader.Err != nil,
		Kept: s.spool.Kept, KeptShort: s.spool.KeptShort, Reloading: s.spool.Reentering, Reloaded: s.loader.Reloaded,
	}
}

// rights adds the directories of the spool and of the private cluster, and the user to become if root started tap25.
func (s *stream) rights(r *rights) error {
	r.write = append(r.write, s.dir)
	if s.db.Cluster == nil {
		r.connect = append(r.connect, store.Ports(s.db.DSN)...)
		for _, file := range store.Files(s.db.DSN) {
			r.read = append(r.read, readablePath(file))
		}
		r.uid, r.gid = keeper(s.dir)
	} else {
		read, write := s.db.Cluster.Needs()
		r.read, r.write = append(r.read, read...), append(r.write, write...)
		r.uid, r.gid = s.db.Cluster.Owner()
		if os.Geteuid() == 0 {
			return s.db.Cluster.Give()
		}
	}
	return nil
}

// keeper returns the owner of a directory, or of one above it, that nobody else may enter, such as a state directory that holds a
// private cluster. -1 means that root needs no capability to enter.
func keeper(dir string) (uid, gid int) {
	uid, gid = -1, -1
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		st, err := os.Stat(dir)
		if err != nil {
			continue
		}
		owner, ok := st.Sys().(*syscall.Stat_t)
		if ok && owner.Uid != 0 && st.Mode().Perm()&0o001 == 0 {
			uid, gid = int(owner.Uid), int(owner.Gid)
		}
	}
	return uid, gid
}

// give changes the owner of a directory and of everything in it.
func give(dir string, uid, gid int) error {
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := os.Lchown(path, uid, gid); err != nil && !errors.Is(err, fs.ErrNotExist) { // loaded meanwhile
			return err
		}
		return nil
	})
	// The directory above, if it is the state directory's, lets its owner alone through.
	if base, baseErr := spoolBase(); err == nil && baseErr == nil && filepath.Dir(dir) == base {
		err = os.Lchown(base, uid, gid)
	}
	if err != nil {
		return fmt.Errorf("change the owner of the spool to the user that tap25 becomes: %w", err)
	}
	return nil
}

// loadStuck is how long segments may wait for a database that answers, without a row loaded. A slow load takes seconds.
const loadStuck = 5 * time.Minute

// loadHealth checks that loads make progress and that the spool accepts rows.
type loadHealth struct {
	mu     sync.Mutex
	loaded int64
	on     time.Time // when loads last made progress, or had nothing to do
	lost   int64
	full   time.Time
}

func (h *loadHealth) judge(now time.Time, s streamStats) (notLive, notReady []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	// A database that does not answer leaves tap25 live: the spool bridges the gap.
	loaded, waiting := s.spool.Loaded+s.spool.Reentered, s.spool.Waiting+s.spool.Reentering
	if loaded != h.loaded || waiting == 0 || s.loader.Err != nil || h.on.IsZero() {
		h.loaded, h.on = loaded, now
	}
	if now.Sub(h.on) > loadStuck {
		notLive = append(notLive, "loads make no progress")
	}
	if lost := s.spool.Lost + s.lost; lost != h.lost {
		h.lost, h.full = lost, now
	}
	switch {
	case !h.full.IsZero() && now.Sub(h.full) < time.Minute:
		notReady = append(notReady, "the spool is full: rows are lost")
	case errors.Is(s.spool.LastFault, spool.ErrFull):
		notReady = append(notReady, "the spool is full: rows wait in memory")
	case s.spool.LastFault != nil:
		notReady = append(notReady, "the spool's disk fails: rows wait in memory")
	}
	return notLive, notReady
}
