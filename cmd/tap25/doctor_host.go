package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"tap25/bpf"
)

// hostFactsNow asks the kernel. The XDP program is loaded, and attached to nothing.
func hostFactsNow() hostFacts {
	h := hostFacts{landlock: hasLandlock(), missing: bpf.MissingCapabilities()}
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
		f, err := bpf.Load(bpf.Config{RingBytes: os.Getpagesize()})
		if h.load = err; err == nil {
			_ = f.Close()
		}
	}
	jit, err := os.ReadFile("/proc/sys/net/core/bpf_jit_enable")
	h.jit = err != nil || strings.TrimSpace(string(jit)) != "0" // absent: always on
	state, err := unix.Adjtimex(&unix.Timex{})
	h.clock, h.unsynced = err, state == unix.TIME_ERROR
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit) == nil {
		h.memlock = limit.Cur
	}
	h.available = availableMemory()
	return h
}

// availableMemory is the least of what the machine has left and what this control group may still take.
func availableMemory() uint64 {
	var least uint64
	for line := range linesOf("/proc/meminfo") {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "MemAvailable:" {
			kib, _ := strconv.ParseUint(fields[1], 10, 64)
			least = kib << 10
		}
	}
	for line := range linesOf("/proc/self/cgroup") {
		if path, ok := strings.CutPrefix(line, "0::"); ok {
			dir := filepath.Join("/sys/fs/cgroup", path)
			most, err := readNumber(filepath.Join(dir, "memory.max")) // "max" is none
			used, usedErr := readNumber(filepath.Join(dir, "memory.current"))
			if err == nil && usedErr == nil && most-min(used, most) < least {
				least = most - min(used, most)
			}
		}
	}
	return least
}

func linesOf(path string) func(yield func(string) bool) {
	text, _ := os.ReadFile(path)
	return func(yield func(string) bool) {
		for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
			if !yield(s.Text()) {
				return
			}
		}
	}
}

func readNumber(path string) (uint64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
}
