package doctor

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"tap25/bpf"
	"tap25/cmd/tap25/confine"
	"tap25/store/cluster"
)

// hostFactsNow asks the kernel. It loads the XDP program, but attaches it to nothing.
func hostFactsNow() hostFacts {
	h := hostFacts{landlock: confine.HasLandlock(), missing: bpf.MissingCapabilities()}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		h.kernel = unix.ByteSliceToString(name.Release[:])
		_, _ = fmt.Sscanf(h.kernel, "%d.%d", &h.major, &h.minor)
	}
	if fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err == nil {
		_ = unix.Close(fd)
	} else if errors.Is(err, unix.EPERM) {
		h.missing = append(h.missing, "CAP_NET_RAW")
	}
	if len(h.missing) == 0 {
		f, err := bpf.Load(bpf.Config{Interfaces: []string{"lo"}, RingBytes: os.Getpagesize()})
		if h.load = err; err == nil {
			_ = f.Close()
		}
	}
	jit, err := os.ReadFile("/proc/sys/net/core/bpf_jit_enable")
	h.jit = err != nil || strings.TrimSpace(string(jit)) != "0" // no such file: always on
	state, err := unix.Adjtimex(&unix.Timex{})
	h.clock, h.unsynced = err, state == unix.TIME_ERROR
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit) == nil {
		h.memlock = limit.Cur
	}
	h.available = cluster.AvailableMemory()
	return h
}
