// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"errors"
	"testing"

	"tap25/capture/capturetest"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// load loads the program for a test, of one interface if the test names none.
func load(t testing.TB, cfg Config) *Filter {
	t.Helper()
	if cfg.Interfaces == nil {
		cfg.Interfaces = []string{"tap0"}
	}
	f, err := Load(cfg)
	if errors.Is(err, unix.EPERM) {
		capturetest.Missing(t, "bpf", "no right to load BPF programs")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// run runs the program on one frame and gives its action.
func run(t testing.TB, f *Filter, frame []byte) uint32 {
	t.Helper()
	action, err := f.objects.Tap25.Run(&ebpf.RunOptions{Data: frame})
	if err != nil {
		t.Fatal(err)
	}
	return action
}

// verdict runs the program on one frame and tells which counter it raised.
func verdict(t testing.TB, f *Filter, frame []byte) Verdict {
	t.Helper()
	before := stats(t, f)
	run(t, f, frame)
	after := stats(t, f)
	if after.Seen() != before.Seen()+1 {
		t.Fatalf("one frame raised the counters by %d", after.Seen()-before.Seen())
	}
	for v := range after.Verdicts {
		if after.Verdicts[v] != before.Verdicts[v] {
			return Verdict(v)
		}
	}
	panic("unreachable")
}

func stats(t testing.TB, f *Filter) Stats {
	t.Helper()
	s, err := f.Stats()
	if err != nil {
		t.Fatal(err)
	}
	return s
}
