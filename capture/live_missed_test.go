package capture

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestReadMissed_AsTheKernelCounts compares the answer with what sysfs shows of every interface.
func TestReadMissed_AsTheKernelCounts(t *testing.T) {
	got, err := readMissed()
	if err != nil {
		t.Fatal(err)
	}
	names, err := os.ReadDir("/sys/class/net")
	if err != nil {
		t.Fatal(err)
	}
	number := func(path string) uint64 {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, name := range names {
		dir := "/sys/class/net/" + name.Name()
		if _, err := os.Stat(dir + "/ifindex"); err != nil { // such as bonding_masters
			continue
		}
		index := int(number(dir + "/ifindex"))
		if n, ok := got[index]; !ok || n != number(dir+"/statistics/rx_missed_errors") {
			t.Errorf("%s: %d, %v", name.Name(), n, ok)
		}
	}
}
