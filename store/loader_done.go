package store

import (
	"fmt"

	"tap25/store/spool"
)

// done ends the waiting of a segment that is loaded, and counts its rows.
func (l *Loader) done(s segment, rows int, added bool) error {
	if !added && !s.Reentered {
		n, err := l.countAside(s)
		if err != nil {
			return err
		}
		rows = len(s.rows) - n
	}
	if err := l.cfg.Spool.Loaded(s.Segment, s.damage); err != nil {
		return err
	}
	delete(l.left, s.Path)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case s.Reentered && added:
		l.stats.Reloaded += int64(rows)
	case s.Reentered: // the answer to its COMMIT was lost
	case added:
		l.stats.Added += int64(rows)
	default:
		l.stats.Held += int64(rows)
	}
	return nil
}

// countAside returns how many rows of a segment were set aside before its load was committed. If an earlier process did
// so, the spool is to count them.
func (l *Loader) countAside(s segment) (n int, err error) {
	if left, ok := l.left[s.Path]; ok {
		return len(s.rows) - len(left), nil
	}
	groups, err := spool.ReadRefused(s.Segment)
	if err != nil {
		return 0, fmt.Errorf("count the rows that were set aside: %w", err)
	}
	for _, g := range groups {
		if err := l.cfg.Spool.SetAside(s.Segment, g.Records, g.Reason); err != nil {
			return 0, err
		}
		n += len(g.Records)
	}
	return n, nil
}
