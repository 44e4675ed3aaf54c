package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// script runs a script of packaging/needs among programs of the test's own: their names, and what they do.
func script(t *testing.T, programs map[string]string, args ...string) (said string, err error) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"sh", "sed", "sort", "head", "dirname", "ls"} {
		if programs[name] != "" { // else it would be written through the link, in place of the machine's own
			continue
		}
		path, err := exec.LookPath(name)
		if err == nil {
			err = os.Symlink(path, filepath.Join(dir, name))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range programs {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("/bin/sh", append([]string{"packaging/needs/" + args[0]}, args[1:]...)...)
	cmd.Dir, cmd.Env = filepath.Join("..", ".."), []string{"PATH=" + dir}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestMake_NamesTheGoThatBuilds(t *testing.T) {
	for _, c := range []struct {
		version, toolchain, want string
		ok                       bool
	}{
		{"1.99.1", "local", "Go 1.99.1\n", true},
		{"1.21.0", "auto", "Go 1.21.0, which fetches Go ", true},
		{"1.24.4", "go1.24.4+auto", "which fetches Go ", true},
		{"1.24.4", "local", "run 'go env -w GOTOOLCHAIN=auto'", false},
		{"1.19.8", "auto", "Go 1.19.8 is too old", false},
		{"1.20", "auto", "Go 1.20 is too old", false},
	} {
		said, err := script(t, map[string]string{"go": fmt.Sprintf(`case $1 in
			version) echo go version go%s linux/amd64 ;;
			env) echo %s ;;
			esac`, c.version, c.toolchain)}, "go.sh")
		if !strings.Contains(said, c.want) || (err == nil) != c.ok {
			t.Errorf("%+v: %v: %s", c, err, said)
		}
	}
	if said, err := script(t, nil, "go.sh"); err == nil || !strings.Contains(said, "Go is missing: install Go 1.") {
		t.Errorf("without Go: %v: %s", err, said)
	}
}

func TestMake_NamesWhatRootHasToInstall(t *testing.T) {
	user := map[string]string{"id": "echo 1000"}
	said, err := script(t, user, "root.sh", "apt-get", "install", "a", "b")
	if err == nil || !strings.Contains(said, "\n    apt-get install a b\n") {
		t.Errorf("without sudo: %v: %s", err, said)
	}
	if said, err := script(t, user, "root.sh", "apt-get", "update", "-q"); err != nil || said != "" {
		t.Errorf("an update without sudo: %v: %s", err, said)
	}
	user["sudo"] = `echo "sudo $*"`
	if said, err := script(t, user, "root.sh", "apt-get", "update"); err != nil || said != "sudo apt-get update\n" {
		t.Errorf("with sudo: %v: %s", err, said)
	}
	if said, err := script(t, map[string]string{"id": "echo 0", "it": `echo "ran $*"`}, "root.sh", "it", "all"); err != nil ||
		said != "ran all\n" {
		t.Errorf("as root: %v: %s", err, said)
	}
	for text, want := range map[string]string{"  Depends: postgresql-17": "Missing: postgresql-common postgresql-17\n",
		"": "Missing: postgresql-common and the server"} {
		said, err := script(t, map[string]string{"id": "echo 1000", "apt-cache": "echo '" + text + "'", "ls": "exit 1"},
			"postgresql.sh")
		if err == nil || !strings.Contains(said, want) || !strings.Contains(said, "\n    sh packaging/needs/postgresql.sh\n") {
			t.Errorf("%q: %v: %s", text, err, said)
		}
	}
}

// Run as root: apt-get is the test's own, and so are the file that may be changed and the one that the package has.
func TestMake_InstallsAServerWithoutACluster(t *testing.T) {
	for name, c := range map[string]struct{ conf, want string }{
		"as the package has it": {"# a\n#create_main_cluster = true\n", "# a\ncreate_main_cluster = false\n"},
		"somebody's own":        {"create_main_cluster = true\n", "create_main_cluster = true\n"},
	} {
		dir := t.TempDir()
		conf, origin := filepath.Join(dir, "conf"), filepath.Join(dir, "origin")
		apt := fmt.Sprintf("echo \"$*\"; case \"$*\" in *-common) echo '# a\n#create_main_cluster = true' >%s; printf '%%s' '%s' >%s;; esac",
			origin, c.conf, conf)
		programs := map[string]string{"id": "echo 0", "ls": "exit 1", "apt-get": apt,
			"apt-cache": "echo '  Depends: postgresql-15'"}
		for _, tool := range []string{"cmp", "cat"} {
			path, err := exec.LookPath(tool)
			if err != nil {
				t.Fatal(err)
			}
			programs[tool] = "exec " + path + ` "$@"`
		}
		said, err := script(t, programs, "postgresql.sh", conf, origin)
		got, readErr := os.ReadFile(conf)
		if err != nil || readErr != nil || string(got) != c.want {
			t.Errorf("%s: %v, %v: %q: %s", name, err, readErr, got, said)
		}
		if !strings.HasSuffix(said, "install -qy --no-install-recommends postgresql-15\n") ||
			!strings.Contains(said, "update -q\ninstall -qy --no-install-recommends postgresql-common\n") {
			t.Errorf("%s: %s", name, said)
		}
	}
}
