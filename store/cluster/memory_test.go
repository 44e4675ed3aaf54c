package cluster

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAvailableMemory_IsTheLeastOfMachineAndControlGroups(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  uint64
	}{
		"nothing is known": {nil, 2000000},
		"no control group": {map[string]string{"proc/meminfo": "MemTotal: 9 kB\nMemAvailable:   1000 kB\n"},
			1000 << 10},
		"one of the first version": {map[string]string{"proc/meminfo": "MemAvailable: 1000 kB\n",
			"proc/self/cgroup": "4:memory:/a\n"}, 1000 << 10},
		"no limit": {map[string]string{"proc/meminfo": "MemAvailable: 1000 kB\n", "proc/self/cgroup": "0::/a\n",
			"sys/fs/cgroup/a/memory.max": "max\n", "sys/fs/cgroup/a/memory.current": "5\n"}, 1000 << 10},
		"its own limit": {map[string]string{"proc/meminfo": "MemAvailable: 1000 kB\n", "proc/self/cgroup": "0::/a\n",
			"sys/fs/cgroup/a/memory.max": "700000\n", "sys/fs/cgroup/a/memory.current": "100000\n"}, 600000},
		"more used than allowed": {map[string]string{"proc/meminfo": "MemAvailable: 1000 kB\n",
			"proc/self/cgroup":           "0::/a\n",
			"sys/fs/cgroup/a/memory.max": "700000\n", "sys/fs/cgroup/a/memory.current": "700001\n"}, 0},
		"the limit of one around it": {map[string]string{"proc/meminfo": "MemAvailable: 1000 kB\n",
			"proc/self/cgroup":               "0::/a/b/c\n",
			"sys/fs/cgroup/a/b/c/memory.max": "max\n", "sys/fs/cgroup/a/b/c/memory.current": "1\n",
			"sys/fs/cgroup/a/memory.max": "800000\n", "sys/fs/cgroup/a/memory.current": "300000\n"}, 500000},
		"a limit where /proc has processes alone": {map[string]string{"proc/self/cgroup": "0::/a\n",
			"sys/fs/cgroup/a/memory.max": "400000\n", "sys/fs/cgroup/a/memory.current": "1\n"}, 399999},
		"that of a container": {map[string]string{"proc/meminfo": "MemAvailable: 1000 kB\n",
			"proc/self/cgroup":         "0::/\n",
			"sys/fs/cgroup/memory.max": "400000\n", "sys/fs/cgroup/memory.current": "1\n"}, 399999},
	} {
		root := t.TempDir()
		for path, text := range c.files {
			path = filepath.Join(root, path)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := availableMemoryOf(root, 2000000); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
