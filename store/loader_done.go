package store

import (
	"fmt"

	"tap25/store/spool"
)

// tally counts records.
type tally struct{ rows, coverage int64 }

func tallyOf(records [][]byte) (n tally) {
	for _, r := range records {
		if IsCoverage(r) {
			n.coverage++
		} else {
			n.rows++
		}
	}
	return n
}

func (n tally) less(o tally) tally { return tally{n.rows - o.rows, n.coverage - o.coverage} }

// done ends the waiting of a segment of which these records are loaded, and counts them.
func (l *Loader) done(s segment, records [][]byte, added bool) error {
	n := tallyOf(records)
	if !added && !s.Reentered {
		aside, err := l.countAside(s)
		if err != nil {
			return err
		}
		n = tallyOf(s.rows).less(aside)
	}
	if err := l.cfg.Spool.Loaded(s.Segment, s.damage); err != nil {
		return err
	}
	delete(l.left, s.Path)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case s.Reentered && added:
		l.stats.Reloaded += n.rows + n.coverage
		return nil
	case s.Reentered: // the answer to its COMMIT was lost
		return nil
	case added:
		l.stats.Added += n.rows
	default:
		l.stats.Held += n.rows
	}
	l.stats.Coverage += n.coverage
	return nil
}

// countAside counts the records of a segment that were set aside before its load was committed. If an earlier process
// did so, the spool is to count them.
func (l *Loader) countAside(s segment) (n tally, err error) {
	if left, ok := l.left[s.Path]; ok {
		return tallyOf(s.rows).less(tallyOf(left)), nil
	}
	groups, err := spool.ReadRefused(s.Segment)
	if err != nil {
		return n, fmt.Errorf("count the rows that were set aside: %w", err)
	}
	for _, g := range groups {
		if err := l.cfg.Spool.SetAside(s.Segment, g.Records, g.Reason); err != nil {
			return n, err
		}
		more := tallyOf(g.Records)
		n = tally{n.rows + more.rows, n.coverage + more.coverage}
	}
	return n, nil
}
