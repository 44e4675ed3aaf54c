package spool

import (
	"errors"
	"fmt"
)

// sealing is a draft whose file is written whole and whose last fsync is running.
type sealing struct {
	*draft
	synced chan struct{} // closed when it is over
	err    error         // of it
}

func (d *sealing) over() bool {
	select {
	case <-d.synced:
		return true
	default:
		return false
	}
}

// maxSealing is how many files are synced at once: their fsyncs share commits of the file system's journal.
const maxSealing = 4

// Seal seals the open segment, if it has records, under a key of at most 200 bytes; under a key of the spool's own if
// that is "". Errors are those of [Spool.Sync]: [os.ErrClosed], [ErrFull], or the file system's. After an error the
// records are still in memory, and the next Sync or Seal tries again. A key that is too long, as it is or escaped for a
// file name, is an error too, and seals nothing.
func (s *Spool) Seal(key string) error {
	if err := checkKey(key); err != nil {
		return fmt.Errorf("seal segment: %w", err)
	}
	s.mu.Lock()
	s.cut(key)
	s.mu.Unlock()
	return s.Sync()
}

// seal ends a draft's file, and begins its last fsync.
func (s *Spool) seal(d *draft) error {
	f := d.file
	end := seal{version, f.records, f.sum.Sum(nil), d.key, s.cfg.Sensor}
	if err := s.writeBlock(f, newBlock(f.id, kindSeal, f.records, 0, end.payload())); err != nil {
		return err
	}
	sealed := &sealing{draft: d, synced: make(chan struct{})}
	s.sealing = append(s.sealing, sealed)
	go func() {
		defer close(sealed.synced)
		sealed.err = s.disk.fsync(f.File)
	}()
	return nil
}

// finishSeals waits until at most the given number of files that are being sealed are not durable. It renames the
// others, and later files that are durable too. After a failure no file is being sealed.
func (s *Spool) finishSeals(left int) error {
	var err error
	named := false
	for len(s.sealing) > left || named && len(s.sealing) > 0 && s.sealing[0].over() {
		d := s.sealing[0]
		<-d.synced
		if err = d.err; err != nil {
			break
		}
		s.sealing = s.sealing[1:]
		s.queueRename(d.draft, d.file.records, d.key)
		s.renames[len(s.renames)-1].done = d.draft
		named = true
	}
	if err == nil && named {
		err = s.finishRenames()
	}
	if err == nil {
		return nil
	}
	for _, d := range s.sealing { // the later ones too: they would sort before the fresh file of the one that failed
		<-d.synced
		s.abandon(d.draft, err)
	}
	s.sealing = nil
	return errors.Join(err, s.finishRenames())
}
