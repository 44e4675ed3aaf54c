package cluster

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// AvailableMemory returns the least of what the machine has left and what this control group and those around it may
// still take, in bytes; 0: not known. A unit with ProcSubset=pid does not see what is left: it counts on half of the
// machine, sysinfo(2).
func AvailableMemory() uint64 {
	var machine unix.Sysinfo_t
	_ = unix.Sysinfo(&machine)
	return availableMemoryOf("/", uint64(machine.Totalram)*uint64(machine.Unit)/2)
}

// availableMemoryOf reads proc(5) and cgroup v2 below another root.
func availableMemoryOf(root string, half uint64) uint64 {
	least := half
	for line := range linesOf(filepath.Join(root, "proc/meminfo")) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "MemAvailable:" {
			kib, _ := strconv.ParseUint(fields[1], 10, 64)
			least = kib << 10
		}
	}
	for line := range linesOf(filepath.Join(root, "proc/self/cgroup")) {
		group, ok := strings.CutPrefix(line, "0::")
		for ok {
			dir := filepath.Join(root, "sys/fs/cgroup", group)
			most, err := readNumber(filepath.Join(dir, "memory.max")) // "max" is none
			used, usedErr := readNumber(filepath.Join(dir, "memory.current"))
			if err == nil && usedErr == nil && most-min(used, most) < least {
				least = most - min(used, most)
			}
			ok = len(group) > 1
			group = filepath.Dir(group)
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
