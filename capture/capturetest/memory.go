package capturetest

import "runtime"

// Allocated returns how many octets are allocated while f runs: by f, if nothing else runs meanwhile.
func Allocated(f func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}
