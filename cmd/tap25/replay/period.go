package replay

import "time"

// Period is what is not earlier than Since and earlier than Before. A zero time sets no limit.
type Period struct{ Since, Before time.Time }

func (p Period) has(t time.Time) bool {
	return !t.Before(p.Since) && (p.Before.IsZero() || t.Before(p.Before))
}

// clip returns the part of a time that is in the period, and whether there is one.
func (p Period) clip(since, before time.Time) (from, to time.Time, some bool) {
	if since.Before(p.Since) {
		since = p.Since
	}
	if !p.Before.IsZero() && p.Before.Before(before) {
		before = p.Before
	}
	return since, before, since.Before(before)
}
