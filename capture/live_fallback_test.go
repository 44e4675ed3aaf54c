package capture

import (
	"strings"
	"testing"

	"tap25/bpf"
)

// TestLive_FallsBackWhateverTheDriverRefusesWith has a veth with fewer queues than its peer sends by, for which its
// driver refuses XDP with ENOSPC.
func TestLive_FallsBackWhateverTheDriverRefusesWith(t *testing.T) {
	inNamespace(t)
	command(t, "ip link add few0 numrxqueues 1 numtxqueues 1 type veth peer name many0 numrxqueues 4 numtxqueues 4")
	command(t, "ip link set few0 up")
	if l, err := OpenLive(LiveConfig{Interfaces: []string{"few0"}, Mode: bpf.Native}); err == nil ||
		!strings.Contains(err.Error(), "--xdp generic") {
		t.Errorf("native: %v, %v", l, err)
	}
	l := openLive(t, LiveConfig{Interfaces: []string{"few0"}})
	if s, err := l.Stats(); err != nil || s.Links[0].Native {
		t.Errorf("%v, %+v", err, s.Links)
	}
	if _, err := OpenLive(LiveConfig{Interfaces: []string{"few0"}}); err == nil ||
		!strings.Contains(err.Error(), "another tap25") {
		t.Errorf("the second: %v", err)
	}
}
