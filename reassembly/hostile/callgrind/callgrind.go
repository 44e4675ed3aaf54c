// Package callgrind tells valgrind's callgrind when to count instructions, if the program runs under it. Without
// valgrind its functions do nothing. Nothing of the product uses it.
package callgrind

// The requests of valgrind/callgrind.h.
const (
	dumpStats = 'C'<<24 | 'T'<<16
	zeroStats = dumpStats + 1
	start     = dumpStats + 4
)

// Zero begins to count from zero.
func Zero() { ask(zeroStats) }

// Start begins to count, if valgrind was run with --instr-atstart=no. What is not counted runs ten times as fast.
func Start() { ask(start) }

// Dump writes what was counted to the next numbered file.
func Dump() { ask(dumpStats) }

func ask(code uintptr) { request(&[6]uintptr{code}) }
