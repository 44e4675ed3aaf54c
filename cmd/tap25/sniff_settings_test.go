package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/pflag"

	"tap25/cmd/tap25/report"
)

func settingsOf(t *testing.T, args ...string) (*sniffFlags, error) {
	t.Helper()
	s := &sniffFlags{}
	flags := pflag.NewFlagSet("sniff", pflag.ContinueOnError)
	s.add(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return s, s.complete(flags)
}

func configFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tap25.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSniffSettings_FileThenEnvironmentThenFlags(t *testing.T) {
	path := configFile(t, "interface: [eth1, eth2]\nport: [25, 2525]\nsensor: file\nworkers: 3\nlog-level: warn\n")
	t.Setenv("TAP25_SENSOR", "environment")
	t.Setenv("TAP25_WORKERS", "4")
	s, err := settingsOf(t, "--config", path, "--workers", "5")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(s.Interfaces, []string{"eth1", "eth2"}) || !slices.Equal(s.Assembler.Ports, []uint16{25, 2525}) ||
		s.Assembler.Sensor != "environment" || s.Workers != 5 || s.LogLevel != "warn" {
		t.Errorf("%+v", s)
	}
}

func TestSniffSettings_ValuesAreThoseWritten(t *testing.T) {
	path := configFile(t, "interface: ['a.b', 0x10]\nsensor: 1.10\nwitness: 2026-01-01\ndb: \"host=a\\x20user=b\"\n"+
		"retention: never\n")
	s, err := settingsOf(t, "--config", path)
	if err != nil || s.Assembler.Sensor != "1.10" || s.Witness != "2026-01-01" || s.DSN != "host=a user=b" ||
		!slices.Equal(s.Interfaces, []string{"a.b", "0x10"}) {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestSniffSettings_MistakesAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		"interfaces: eth1\n": `unknown setting "interfaces"`, "interface: eth1\nworkers: many\n": "workers",
		"interface: eth1\nport: 0\n":   "not a TCP port",
		"interface: eth1\nxdp: fast\n": "--xdp", "interface: [eth1, eth1]\n": "twice", "sensor: x\n": "no interface",
		"interface: eth1\nretention: long\n":        "--retention",
		"interface: eth1\nspool-bytes: 3000\n":      "--spool-bytes",
		"interface: eth1\nmetrics-host: ['a b']\n":  "--metrics-host",
		"interface: eth1\nsensor:\n  name: x\n":     "sensor: line 3: neither a value nor a list",
		"interface: eth1\nsensor:\n":                "sensor: line 2: neither a value nor a list",
		"interface: [[eth1]]\n":                     "interface: line 1: neither a value nor a list",
		"interface: eth1\nsensor: [x, y]\n":         "sensor: takes one value, not a list",
		"sensor: x\nsensor: y\n":                    "already defined",
		"- sensor: x\n":                             "cannot unmarshal",
		"interface: eth1\n---\nsensor: x\n":         "another document",
		"config: x\n":                               `unknown setting "config"; settings have`,
		"interface: eth1\nmetrics: 9425\n":          `--metrics "9425" is not an address and a port`,
		"interface: eth1\nmetrics: '[::1]:99999'\n": "--metrics",
		"interface: eth1\nuser: no such user\n":     `--user "no such user": there is no such user`,
	} {
		if _, err := settingsOf(t, "--config", configFile(t, text)); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestSniff_HangupTakesUpPorts(t *testing.T) {
	w := newWire(t)
	m := w.serve()
	path := configFile(t, "port: [2525]\n")
	s := w.sniff("--config", path)
	if err := w.send("192.0.2.25:25", "before", 1); err != nil {
		t.Fatal(err)
	}
	await(t, "what is not watched to be dropped", func() bool {
		r, err := report.Ask(t.Context(), s.control)
		return err == nil && r.Dropped["other_port"] > 10
	})
	if err := os.WriteFile(path, []byte("port: [25]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	await(t, "the settings", func() bool { return strings.Contains(s.diag.String(), "settings read again") })
	if err := w.send("192.0.2.25:25", "behind", 1); err != nil {
		t.Fatal(err)
	}
	await(t, "rows", func() bool { return strings.Count(s.out.String(), "\n") == 2 })
	if rows := essentials(s.end(os.Interrupt)); !slices.Equal(rows, m.taken[2:]) {
		t.Errorf("%d rows differ from the %d taken", len(rows), len(m.taken)-2)
	}
}

func TestSniff_SurvivesTheInterfaceGoingAway(t *testing.T) {
	w := newWire(t)
	m := w.serve()
	s := w.sniff()
	w.ip("-n " + w.tap + " link del tap0")
	await(t, "word of it", func() bool { return strings.Contains(s.diag.String(), "the interface is gone") })
	w.ip("link add port netns " + w.hub + " type veth peer name tap0 netns " + w.tap)
	w.ip("-n " + w.hub + " link set port master br0")
	w.ip("-n " + w.hub + " link set port up")
	w.ip("-n " + w.tap + " link set tap0 up")
	await(t, "it to be back, without any capability", func() bool {
		return strings.Contains(s.diag.String(), "listening again")
	})
	await(t, "carrier", func() bool {
		out, _ := exec.Command("ip", "-n", w.tap, "link", "show", "tap0").Output()
		return strings.Contains(string(out), "LOWER_UP")
	})
	if err := w.send("192.0.2.25:25", "back", 1); err != nil {
		t.Fatal(err)
	}
	await(t, "rows", func() bool { return strings.Count(s.out.String(), "\n") == 2 })
	if rows := essentials(s.end(syscall.SIGTERM)); !slices.Equal(rows, m.taken) {
		t.Errorf("%d rows differ from the %d taken", len(rows), len(m.taken))
	}
}
