package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"tap25/capture/capturetest"
)

// TestPackaging_ImageHasAllThatTheProgramNeeds follows packaging/Containerfile in an empty directory, and runs the
// program with this directory as its root.
func TestPackaging_ImageHasAllThatTheProgramNeeds(t *testing.T) {
	if os.Getuid() != 0 {
		capturetest.Missing(t, "root", "only root can change the root directory")
	}
	text, err := os.ReadFile("../../packaging/Containerfile")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("make", "-C", "../..", "current").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	image := t.TempDir()
	add := func(from, to string) {
		t.Helper()
		data, err := os.ReadFile(filepath.Join("../..", from))
		if err == nil {
			err = os.WriteFile(filepath.Join(image, to), data, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	program := exec.Cmd{Dir: "/", SysProcAttr: &syscall.SysProcAttr{Chroot: image}}
	for line := range strings.Lines(string(text)) {
		verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch verb {
		case "", "#":
		case "FROM":
			if rest != "scratch" {
				t.Errorf("made from %s", rest)
			}
		case "COPY":
			from, to, _ := strings.Cut(rest, " ")
			add(from, to)
		case "ENV":
			program.Env = append(program.Env, rest)
		case "ENTRYPOINT":
			if err := json.Unmarshal([]byte(rest), &program.Args); err != nil {
				t.Fatal(err)
			}
		default:
			t.Errorf("this test does not know %s", verb)
		}
	}
	const capture = "testdata/demo.pcap.gz"
	add(capture, "some.pcap")
	program.Path = program.Args[0]
	program.Args = append(program.Args, "replay", "--json", "--quiet", "--sensor", "tap", "/some.pcap")
	out, err := program.Output()
	if want := asked(t, "replay", "--json", "--sensor", "tap", "../../"+capture); err != nil || string(out) != want {
		t.Errorf("%v; %d octets, want %d", err, len(out), len(want))
	}
}
