//go:build !amd64

package callgrind

// Supported says whether there is a way to ask on this machine.
const Supported = false

func request(*[6]uintptr) {}
