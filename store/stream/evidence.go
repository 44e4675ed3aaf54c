package stream

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"tap25/store"
	"tap25/store/cluster"
	"tap25/store/evidence"
	"tap25/store/stamp"
)

// OpenKey opens the private key that a path names, or makes it; an empty path is that of the state directory.
func OpenKey(path string) (key *evidence.Key, made bool, err error) {
	if path != "" {
		return evidence.OpenKey(path)
	}
	dir, err := cluster.MakeStateDir()
	if err != nil {
		return nil, false, fmt.Errorf("make the key: %w", err)
	}
	path = filepath.Join(dir, evidence.KeyFile)
	key, made, err = evidence.OpenKey(path)
	if err == nil && made && os.Geteuid() == 0 {
		err = giveKey(path)
	}
	if errors.Is(err, os.ErrPermission) {
		err = fmt.Errorf("%w; name a key of this user's with --key", err)
	}
	return key, made, err
}

// giveKey gives a key that root has made to the owner of its directory, who will start the tap: but not to the user of
// the private cluster's server, which could read it.
func giveKey(path string) error {
	dir := filepath.Dir(path)
	if _, err := os.Lstat(filepath.Join(dir, "data")); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t)
	return os.Lchown(path, int(owner.Uid), int(owner.Gid))
}

// openSigner opens the key, and the witness.
func (s *Stream) openSigner() error {
	key, made, err := OpenKey(s.cfg.Key)
	if err != nil {
		return err
	}
	s.signer = &store.Signer{Key: key, Version: s.cfg.Version, Dir: s.dir}
	if made {
		s.cfg.Log.Info().Stringer("fingerprint", key.Fingerprint()).
			Msg("made the key that signs what is loaded; note its fingerprint outside of this machine and the database")
	}
	if s.cfg.Timestamp != "" {
		if s.cfg.Witness == "" {
			return errors.New("time stamps need a witness, which keeps them: name its file with --witness")
		}
		if _, err := stamp.Port(s.cfg.Timestamp); err != nil {
			return fmt.Errorf("--timestamp: %w", err)
		}
	}
	if s.cfg.Witness != "" {
		s.witness, err = os.OpenFile(s.cfg.Witness, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	}
	return err
}

const (
	// checkpointEvery is how often the heads of the chains are logged.
	checkpointEvery = time.Hour

	// lookAtHeadsEvery is how soon the first links of a chain are.
	lookAtHeadsEvery = 5 * time.Second

	// lastStamps is how long the end waits for time stamps.
	lastStamps = 5 * time.Second
)

// checkpoints logs the heads of the chains at the start and hourly, until ctx ends. Close logs them once more.
func (s *Stream) checkpoints(ctx context.Context) {
	tick := time.NewTicker(lookAtHeadsEvery)
	defer tick.Stop()
	for last := time.Now(); ; {
		due := time.Since(last) >= checkpointEvery
		if due {
			last = time.Now()
		}
		s.logHeads(ctx, due)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// logHeads logs the heads of chains that were not logged yet; all that have grown if due. The end of ctx ends the wait
// for time stamps.
func (s *Stream) logHeads(ctx context.Context, due bool) {
	for _, head := range s.signer.Heads() {
		name := head.Database + " " + head.Sensor
		before, known := s.logged[name]
		if known && (!due || before == head) {
			continue
		}
		s.logged[name] = head
		s.cfg.Log.Info().Msg(head.String())
		if s.witness == nil {
			continue
		}
		if _, err := s.witness.WriteString(head.String() + "\n"); s.unwitnessed.Rings(err != nil) {
			s.cfg.Log.Error().Err(err).Msg("cannot write to the witness; the log has its lines")
		} else if err == nil && s.cfg.Timestamp != "" {
			s.stamp(ctx, head.String())
		}
	}
}

// stamp has a line of the witness time-stamped. A later stamp confirms what this one would have, since a chain's head
// names all before it.
func (s *Stream) stamp(ctx context.Context, line string) {
	response, err := stamp.Ask(ctx, s.cfg.Timestamp, []byte(line))
	if err == nil {
		_, err = s.witness.WriteString(evidence.TimestampLine(response) + "\n")
	}
	if s.unstamped.Rings(err != nil) {
		s.cfg.Log.Error().Err(err).Msg("a line of the witness has no time stamp; the next ones are still asked for")
	}
}

// endSigning logs the heads that the stream leaves.
func (s *Stream) endSigning() error {
	ctx, stop := context.WithTimeout(context.Background(), lastStamps)
	defer stop()
	s.logHeads(ctx, true)
	if s.witness == nil {
		return nil
	}
	return s.witness.Close()
}
