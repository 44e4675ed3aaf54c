// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tap25/capture/capturetest"

	"github.com/cilium/ebpf/btf"
)

func TestVerdict_TableIsThatOfTheProgram(t *testing.T) {
	spec, err := loadFilter()
	if err != nil {
		t.Fatal(err)
	}
	var enum *btf.Enum
	if err := spec.Types.TypeByName("verdict", &enum); err != nil {
		t.Fatal(err)
	}
	if len(enum.Values) != Verdicts+1 {
		t.Fatalf("enum verdict has %d values, the table %d", len(enum.Values)-1, Verdicts)
	}
	for i, v := range enum.Values {
		want := "VERDICTS"
		if i < Verdicts {
			want = "VERDICT_" + strings.ToUpper(Verdict(i).String())
		}
		if v.Name != want || v.Value != uint64(i) {
			t.Errorf("enum verdict: %s is %d, want %s at %d", v.Name, v.Value, want, i)
		}
	}
}

func TestFrame_LayoutIsThatOfTheProgram(t *testing.T) {
	spec, err := loadFilter()
	if err != nil {
		t.Fatal(err)
	}
	var frame *btf.Struct
	if err := spec.Types.TypeByName("frame", &frame); err != nil {
		t.Fatal(err)
	}
	want := map[string]uint32{"at_ns": 0, "lost": 8, "length": 16, "captured": 20, "ifindex": 24, "verdict": 28,
		"mark": 32, "unseen": 36}
	for _, m := range frame.Members {
		if m.Offset.Bytes() != want[m.Name] {
			t.Errorf("%s is at %d, want %d", m.Name, m.Offset.Bytes(), want[m.Name])
		}
	}
	if frame.Size != frameHeader || len(frame.Members) != len(want) {
		t.Errorf("struct frame has %d bytes and %d members, want %d and %d", frame.Size, len(frame.Members),
			frameHeader, len(want))
	}
}

// compiler finds clang 14 by either of its names: another version gives other code.
func compiler() string {
	for _, name := range []string{"clang", "clang-14"} {
		if out, err := exec.Command(name, "--version").Output(); err == nil &&
			strings.Contains(string(out), "clang version 14.") {
			return name
		}
	}
	return ""
}

func TestGenerated_FilesAreFresh(t *testing.T) {
	cc := compiler()
	if cc == "" {
		capturetest.Missing(t, "clang", "no clang 14 to compile filter.c with")
	}
	if _, err := os.Stat("/usr/include/bpf/bpf_helpers.h"); err != nil {
		capturetest.Missing(t, "clang", "no headers of libbpf")
	}
	dir := t.TempDir()
	generator, err := os.ReadFile("gen.go")
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for line := range strings.Lines(string(generator)) {
		command, ok := strings.CutPrefix(line, "//go:generate go ")
		if !ok {
			continue
		}
		lines++
		before, after, _ := strings.Cut(command, " -target ") // flags come before the two names
		args := strings.Fields(before + " -output-dir " + dir + " -target " + after)
		cmd := exec.Command("go", args...)
		cmd.Env = append(os.Environ(), "GOPACKAGE=bpf", "BPF2GO_CC="+cc)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("generate: %v\n%s", err, out)
		}
	}
	if lines != 2 {
		t.Fatalf("gen.go has %d go:generate lines, want that of filter.c and that of egress.c", lines)
	}
	for _, name := range []string{"filter_bpfel.go", "filter_bpfel.o", "egress_bpfel.go", "egress_bpfel.o"} {
		fresh, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		committed, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(fresh, committed) {
			t.Errorf("%s is not what its source compiles to: run go generate ./bpf", name)
		}
	}
}
