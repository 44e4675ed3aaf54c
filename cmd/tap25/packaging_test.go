package main

import (
	"os/exec"
	"regexp"
	"strconv"
	"testing"
)

func TestPackaging_UnitIsHardened(t *testing.T) {
	analyze := requireTool(t, "systemd-analyze", "systemd")
	out, err := exec.Command(analyze, "security", "--offline=yes", "--no-pager", "../../packaging/tap25.service").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	level := regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`).FindSubmatch(out)
	if level == nil {
		t.Fatalf("no level: %s", out)
	}
	if exposure, err := strconv.ParseFloat(string(level[1]), 64); err != nil || exposure > 2.5 {
		t.Errorf("exposure level %s, want 2.5 at most", level[1])
	}
}
