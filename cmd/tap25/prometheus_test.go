package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// findPrometheus returns the path of a program of Prometheus, of the distribution or unpacked by make install-test.
func findPrometheus(t testing.TB, name string) string {
	t.Helper()
	unpacked, err := filepath.Abs("../../bin/prometheus/usr/bin")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", os.Getenv("PATH")+":"+unpacked)
	return requireTool(t, name, "prometheus")
}

// promtool runs promtool, which must find nothing wrong.
func promtool(t testing.TB, input string, args ...string) string {
	t.Helper()
	cmd := exec.Command(findPrometheus(t, "promtool"), args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}
