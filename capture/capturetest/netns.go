package capturetest

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// InNamespace runs f in a network namespace that 'ip netns' has made; sockets that f opens stay there. The error is
// that of entering the namespace, or of f.
func InNamespace(name string, f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		file, err := os.Open("/run/netns/" + name)
		if err == nil {
			defer file.Close()
			err = unix.Setns(int(file.Fd()), unix.CLONE_NEWNET)
		}
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}
