package scope

import (
	"fmt"
	"sync/atomic"

	"tap25/reassembly/smtp"
	"tap25/store/numeral"
)

// Gate lets rows through that are in the scope in force, and counts the others. Its methods may be called by any
// goroutine. The zero Gate has no scope and lets every row through.
type Gate struct {
	scope  atomic.Pointer[Scope]
	counts [ruleCount]atomic.Int64
	none   atomic.Int64 // rows dropped since the last that was kept, or since the scope changed
}

// Counts are the rows that a gate has judged.
type Counts struct {
	Kept    int64
	Dropped map[string]int64 // by rule; nil if there was never a scope
	None    int64            // dropped since the last that was kept, or since the scope changed
}

// Set puts a scope in force, or none if it is nil: for the rows that pass from now on.
func (g *Gate) Set(s *Scope) {
	g.scope.Store(s)
	g.none.Store(0)
}

// Scope returns the scope in force, or nil.
func (g *Gate) Scope() *Scope { return g.scope.Load() }

// Pass reports whether a row is in scope, and takes out of it the addresses that are not.
func (g *Gate) Pass(e *smtp.Envelope) bool {
	s := g.scope.Load()
	if s == nil {
		g.counts[ByEverything].Add(1)
		return true
	}
	v := s.Judge(e)
	g.counts[v.Rule].Add(1)
	if !v.Keep {
		g.none.Add(1)
		return false
	}
	if g.none.Load() != 0 {
		g.none.Store(0)
	}
	v.Strip(e)
	return true
}

// Counts returns what has been counted.
func (g *Gate) Counts() Counts {
	c := Counts{None: g.none.Load()}
	dropped, any := map[string]int64{}, g.scope.Load() != nil
	for r := range ruleCount {
		n := g.counts[r].Load()
		if r.Keeps() {
			c.Kept += n
		} else {
			dropped[r.String()] = n
			any = any || n > 0
		}
	}
	if any {
		c.Dropped = dropped
	}
	return c
}

// Sum returns the number of rows that were dropped.
func (c Counts) Sum() (n int64) {
	for _, k := range c.Dropped {
		n += k
	}
	return n
}

// suspicious is how many rows in a row out of scope are reason for a warning.
const suspicious = 1000

// KeepsNothingText is the warning about a scope that keeps nothing.
const KeepsNothingText = "the scope keeps nothing: it has no domain, and no network that is not left out"

// Warning returns a text that says what share of the rows was kept, if so many have been dropped since the last one
// that the scope may be wrong; else "".
func (c Counts) Warning() string {
	if c.None < suspicious {
		return ""
	}
	total := c.Kept + c.Sum()
	return fmt.Sprintf("none of the last %s rows is in scope: the scope has kept %s of %s rows (%.1f %%)",
		numeral.Grouped(c.None), numeral.Grouped(c.Kept), numeral.Grouped(total), 100*float64(c.Kept)/float64(total))
}
