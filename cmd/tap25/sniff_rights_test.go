package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"tap25/cmd/tap25/confine"
)

func notifyProbe(c chan os.Signal) { signal.Notify(c, syscall.SIGUSR1) }

func TestSniff_HasNoRightsLeft(t *testing.T) {
	for name, flags := range map[string][]string{"as root": nil, "as another user": {"--user", "nobody"}} {
		t.Run(name, func(t *testing.T) {
			w := newWire(t)
			outside := filepath.Join(t.TempDir(), "outside")
			if err := os.WriteFile(outside, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			t.Setenv("TAP25_TEST_OUTSIDE", outside)
			s := w.sniff(flags...)
			// Every thread, not only the one that dropped them.
			tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", s.cmd.Process.Pid))
			if err != nil || len(tasks) == 0 {
				t.Fatal(err, len(tasks))
			}
			for _, task := range tasks {
				status, err := os.ReadFile(task)
				if err != nil {
					continue // ended
				}
				for _, field := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
					if !regexp.MustCompile(`(?m)^` + field + `:\s+0{16}$`).Match(status) {
						t.Errorf("%s is not empty: %s", field, regexp.MustCompile(`(?m)^`+field+`.*$`).Find(status))
					}
				}
				if !regexp.MustCompile(`(?m)^NoNewPrivs:\s+1$`).Match(status) {
					t.Error("new privileges are possible")
				}
				if root := regexp.MustCompile(`(?m)^Uid:\s+0\s`).Match(status); root != (flags == nil) {
					t.Errorf("user is root: %v", root)
				}
			}
			limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", s.cmd.Process.Pid))
			if err != nil || !regexp.MustCompile(`Max core file size\s+0\s+0`).Match(limits) {
				t.Errorf("core dumps are possible: %v", err)
			}
			s.probe(flags == nil)
			s.end(syscall.SIGTERM)
			if shown, err := exec.Command("ip", "-n", w.tap, "-d", "link", "show", "tap0").Output(); err != nil ||
				strings.Contains(string(shown), "xdp") {
				t.Errorf("the program is still attached: %v", err)
			}
		})
	}
}

// probe has the running tap25 try what must fail. What only Landlock keeps from root's files is tried where the kernel
// has it.
func (s *sniffing) probe(root bool) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGUSR1); err != nil {
		s.t.Fatal(err)
	}
	await(s.t, "the probe", func() bool { return strings.Contains(s.diag.String(), "probed\n") })
	for _, m := range regexp.MustCompile(`(?m)^probe ([^:]+): (.*)$`).FindAllStringSubmatch(s.diag.String(), -1) {
		byModes := m[1] == "write to /etc" || m[1] == "read a capture" || m[1] == "become root"
		if root && byModes && (!confine.HasLandlock() || m[1] == "become root") {
			_ = os.Remove("/etc/tap25-probe")
			continue
		}
		if m[2] == "<nil>" {
			s.t.Errorf("it could %s", m[1])
		}
	}
}

func TestSniff_TheSecondSaysWhyNot(t *testing.T) {
	w := newWire(t)
	w.sniff()
	second := w.start()
	if err := second.cmd.Wait(); err == nil || !strings.Contains(second.diag.String(), "has an XDP program already") {
		t.Errorf("%v: %s", err, second.diag.String())
	}
}

func TestSniff_RefusesAnAddressAndNamesTheFlag(t *testing.T) {
	w := newWire(t)
	w.ip("-n " + w.tap + " addr add 192.0.2.77/24 dev tap0")
	s := w.start()
	if err := s.cmd.Wait(); err == nil || !strings.Contains(s.diag.String(), "--inline") {
		t.Errorf("%v: %s", err, s.diag.String())
	}
}

func TestSniff_KillLeavesNothingAttached(t *testing.T) {
	w := newWire(t)
	s := w.sniff()
	shows := func() bool {
		out, err := exec.Command("ip", "-n", w.tap, "-d", "link", "show", "tap0").Output()
		return err == nil && (strings.Contains(string(out), "xdp") || strings.Contains(string(out), "promiscuity 1"))
	}
	if !shows() {
		t.Error("not attached")
	}
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = s.cmd.Wait()
	await(t, "detached", func() bool { return !shows() })
}
