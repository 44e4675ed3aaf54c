package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"tap25/capture/capturetest"
)

func TestPackaging_UnitIsHardened(t *testing.T) {
	analyze := requireTool(t, "systemd-analyze", "systemd")
	out, err := exec.Command(analyze, "security", "--offline=yes", "--no-pager", "../../packaging/tap25.service").
		CombinedOutput()
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

// TestPackaging_InstallsWhatTheUnitAndPeopleNeed installs below a directory, where systemd's own tools then judge it.
func TestPackaging_InstallsWhatTheUnitAndPeopleNeed(t *testing.T) {
	analyze, sysusers := requireTool(t, "systemd-analyze", "systemd"), requireTool(t, "systemd-sysusers", "systemd")
	root := t.TempDir()
	said := func(name string, args ...string) string {
		t.Helper()
		out, err := exec.Command(name, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", name, err, out)
		}
		return string(out)
	}
	install := func() { said("make", "-C", "../..", "install", "PREFIX="+root+"/usr", "SYSCONFDIR="+root+"/etc") }
	install()
	for _, path := range []string{"usr/bin/tap25", "usr/share/man/man1/tap25.1", "usr/share/man/man1/tap25-sniff.1",
		"usr/share/man/man1/tap25-doctor.1", "usr/share/tap25/prometheus/tap25.rules.yml",
		"usr/share/tap25/grafana/tap25-sensor.json", "usr/share/tap25/grafana/tap25-volumes.json",
		"usr/share/bash-completion/completions/tap25", "usr/share/zsh/site-functions/_tap25",
		"usr/share/fish/vendor_completions.d/tap25.fish"} {
		if st, err := os.Stat(filepath.Join(root, path)); err != nil || st.Size() == 0 {
			t.Errorf("%s: %v", path, err)
		}
	}
	unit := root + "/usr/lib/systemd/system/tap25.service"
	if out := said(analyze, "verify", "--man=no", unit); strings.Contains(out, "tap25.service") {
		t.Errorf("systemd-analyze verify: %s", out)
	}
	text, err := os.ReadFile(unit)
	if err != nil || !strings.Contains(string(text),
		"ExecStart="+root+"/usr/bin/tap25 sniff --config "+root+"/etc/tap25/tap25.yaml\n") {
		t.Errorf("%v: %s", err, text)
	}
	said(sysusers, "--root="+root, root+"/usr/lib/sysusers.d/tap25.conf")
	if users, err := os.ReadFile(root + "/etc/passwd"); err != nil ||
		!strings.Contains(string(users), ":/var/lib/tap25:") {
		t.Errorf("users: %v, %s", err, users)
	}
	settings := root + "/etc/tap25/tap25.yaml"
	if s, err := settingsOf(t, "--config", settings); err != nil || s.Interfaces[0] != "eth1" ||
		s.Metrics != "127.0.0.1:9425" {
		t.Errorf("settings: %v, %+v", err, s)
	}
	if err := os.WriteFile(settings, []byte("interface: [mine0]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	install()
	if kept, err := os.ReadFile(settings); err != nil || string(kept) != "interface: [mine0]\n" {
		t.Errorf("settings that were there: %v, %s", err, kept)
	}
}

// TestPackaging_ReleasesAreReproducible makes the archives of one commit twice, in two clones: they are the same, octet
// for octet, and the SBOM names the modules that the program has.
func TestPackaging_ReleasesAreReproducible(t *testing.T) {
	if _, err := os.Stat("../../.git"); err != nil {
		capturetest.Missing(t, "git", "these sources are not a clone")
	}
	var sums [2]string
	for i := range sums {
		clone := filepath.Join(t.TempDir(), strings.Repeat("deeper/", i), "tap25")
		for _, args := range [][]string{{"git", "clone", "-q", "../..", clone},
			{"make", "-s", "-C", clone, "dist", "ARCHS=" + runtime.GOARCH}} {
			if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
				t.Fatalf("%v: %v: %s", args, err, out)
			}
		}
		text, err := os.ReadFile(filepath.Join(clone, "bin/dist/SHA256SUMS"))
		if err != nil {
			t.Fatal(err)
		}
		sums[i] = string(text)
		boms, err := filepath.Glob(filepath.Join(clone, "bin/dist/*.cdx.json"))
		if err != nil || len(boms) != 1 {
			t.Fatalf("SBOMs: %v, %v", boms, err)
		}
		if bom, err := os.ReadFile(boms[0]); err != nil || !strings.Contains(string(bom), "github.com/jackc/pgx/v5") {
			t.Errorf("the SBOM does not name pgx: %v", err)
		}
	}
	if strings.Count(sums[0], "\n") != 2 || sums[0] != sums[1] {
		t.Errorf("two builds of one commit:\n%s%s", sums[0], sums[1])
	}
}
