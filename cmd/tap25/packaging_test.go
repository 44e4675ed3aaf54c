package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"tap25/capture/capturetest"
	"tap25/store/cluster"
	"tap25/store/storetest"
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
		"usr/share/man/man1/tap25-doctor.1", "usr/share/man/man5/tap25.yaml.5", "usr/share/man/man7/tap25-sql.7",
		"usr/share/tap25/prometheus/tap25.rules.yml",
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
		"ExecStart="+root+"/usr/bin/tap25 sniff --config "+root+"/etc/tap25/tap25.yaml\n") ||
		!strings.Contains(string(text), "\nRestartPreventExitStatus=2\n") { // the status of a mistake in the settings
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
	said("make", "-C", "../..", "uninstall", "PREFIX="+root+"/usr", "SYSCONFDIR="+root+"/etc")
	err = filepath.WalkDir(root+"/usr", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			t.Errorf("left by uninstall: %s", path)
		}
		return err
	})
	if _, statErr := os.Stat(settings); err != nil || statErr != nil {
		t.Errorf("%v; settings after uninstall: %v", err, statErr)
	}
}

// TestPackaging_ReleasesAreReproducible makes the archives of one commit twice, in two clones: they are the same, octet
// for octet, the SBOM names the modules that the program has, and the sources are built without a network.
func TestPackaging_ReleasesAreReproducible(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("../../.git"); err != nil {
		capturetest.Missing(t, "git", "these sources are not a clone")
	}
	var sums [2]string
	sources := ""
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
		archives, err := filepath.Glob(filepath.Join(clone, "bin/dist/*-source.tar.gz"))
		if err != nil || len(archives) != 1 {
			t.Fatalf("archives of the sources: %v, %v", archives, err)
		}
		sources = archives[0]
		boms, err := filepath.Glob(filepath.Join(clone, "bin/dist/*.cdx.json"))
		if err != nil || len(boms) != 1 {
			t.Fatalf("SBOMs: %v, %v", boms, err)
		}
		if bom, err := os.ReadFile(boms[0]); err != nil || !strings.Contains(string(bom), "github.com/jackc/pgx/v5") {
			t.Errorf("the SBOM does not name pgx: %v", err)
		}
	}
	if strings.Count(sums[0], "\n") != 3 || sums[0] != sums[1] {
		t.Errorf("two builds of one commit:\n%s%s", sums[0], sums[1])
	}
	buildOffline(t, sources)
}

// buildOffline builds the program from an archive of the sources, without a network and without modules of its own.
func buildOffline(t *testing.T, archive string) {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("tar", "-xzf", archive, "-C", dir, "--strip-components=1").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	build := exec.Command("go", "build", "-trimpath", "-o", "built", "./cmd/tap25") // the same objects as before
	build.Dir = dir
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=vendor", "GOPROXY=off",
		"GOMODCACHE="+filepath.Join(dir, "none"))
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if out, err := exec.Command(filepath.Join(dir, "built"), "--version").CombinedOutput(); err != nil ||
		!strings.HasPrefix(string(out), "tap25 ") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestInstall_BuildsWhatIsStale installs from a tree with a compiler that only notes its calls.
func TestInstall_BuildsWhatIsStale(t *testing.T) {
	tree, root := t.TempDir(), t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(tree, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	makefile, err := os.ReadFile("../../Makefile")
	if err := errors.Join(err, os.CopyFS(tree+"/packaging", os.DirFS("../../packaging"))); err != nil {
		t.Fatal(err)
	}
	write("Makefile", string(makefile))
	for _, name := range []string{"go.mod", "go.sum", "bpf/x.o", "capture/x.go", "cmd/tap25/main.go",
		"cmd/tap25/version.go", "reassembly/x.go", "store/migrations/1.sql"} {
		write(name, "")
	}
	write("path/go", "#!/bin/sh\necho build >>calls\nmkdir -p bin\n"+
		"printf '#!/bin/sh\\n# %s\\n' $(wc -l <calls) >bin/tap25\nchmod +x bin/tap25\n")
	install := func(env ...string) (said string, err error) {
		cmd := exec.Command("make", "-C", tree, "install", "DESTDIR="+root)
		cmd.Env = append(os.Environ(), "SUDO_UID=", "PATH="+tree+"/path:"+os.Getenv("PATH"))
		cmd.Env = append(cmd.Env, env...)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	later := time.Now()
	change := func(name string) {
		t.Helper()
		later = later.Add(time.Hour)
		if err := os.Chtimes(filepath.Join(tree, name), later, later); err != nil {
			t.Fatal(err)
		}
	}
	installed := func(what string, builds int) {
		t.Helper()
		text, err := os.ReadFile(root + "/usr/local/bin/tap25")
		if want := fmt.Sprintf("#!/bin/sh\n# %d\n", builds); err != nil || string(text) != want {
			t.Errorf("%s: %q, %v; want %q", what, text, err, want)
		}
	}
	for _, c := range []struct {
		what, changed string
		env           []string
		fails         bool
		builds        int
	}{
		{"under sudo, no program", "", []string{"SUDO_UID=1000"}, true, 0},
		{"no program", "", nil, false, 1},
		{"nothing changed", "", nil, false, 1},
		{"under sudo, nothing changed", "", []string{"SUDO_UID=1000"}, false, 1},
		{"a source changed, under sudo", "cmd/tap25/main.go", []string{"SUDO_UID=1000"}, true, 1},
		{"a source changed", "", nil, false, 2},
		{"a file that is embedded changed", "store/migrations/1.sql", nil, false, 3},
	} {
		if c.changed != "" {
			change(c.changed)
		}
		said, err := install(c.env...)
		if (err != nil) != c.fails || c.fails && !strings.Contains(said, "run 'make build' first") {
			t.Fatalf("%s: %v: %s", c.what, err, said)
		}
		if c.builds > 0 {
			installed(c.what, c.builds)
		}
		if !c.fails { // the compiler's output is as new as what it was made of
			if err := os.Chtimes(tree+"/bin/tap25", later, later); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestDemo_CountsMailsAndLeavesNothing runs make demo's script beside a state directory of the user's own.
func TestDemo_CountsMailsAndLeavesNothing(t *testing.T) {
	_, err := cluster.New(t.TempDir())
	storetest.Need(t, err)
	mine, temporary := t.TempDir(), openDir(t)
	cmd := exec.Command("sh", "docs/demo.sh")
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "TAP25=tap25", "XDG_STATE_HOME="+mine, "TMPDIR="+temporary,
		"DATABASE_URL=postgres://nobody@127.0.0.1:1/none")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, dir := range []string{mine, temporary} {
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%s: %v, %v", dir, left, err)
		}
	}
	type group struct{ day, domain string }
	mails, recipients := map[group]map[string]bool{}, map[group]int{}
	rows := asked(t, "replay", "--json", filepath.Join("..", "..", "testdata", "demo.pcap.gz"))
	for _, r := range jsonLines(t, []byte(rows)) {
		to, _ := r["rcpt_to"].(string)
		at := strings.LastIndexByte(to, '@')
		if at < 0 {
			continue
		}
		g := group{r["seen_at"].(string)[:10], strings.ToLower(to[at+1:])}
		if mails[g] == nil {
			mails[g] = map[string]bool{}
		}
		mails[g][fmt.Sprint(r["session_id"], r["mail_no"])] = true
		recipients[g]++
	}
	differ := 0
	for _, m := range regexp.MustCompile(`(?m)^ (20\d\d-\d\d-\d\d) \| (\S+) +\| +(\d+) \| +(\d+) \|`).
		FindAllStringSubmatch(string(out), -1) {
		g := group{m[1], m[2]}
		if m[3] != fmt.Sprint(len(mails[g])) || m[4] != fmt.Sprint(recipients[g]) {
			t.Errorf("%v: %s mails and %s recipients, want %d and %d", g, m[3], m[4], len(mails[g]), recipients[g])
		}
		if m[3] != m[4] {
			differ++
		}
	}
	if differ == 0 {
		t.Errorf("no domain has fewer mails than recipients, so this shows nothing: %s", out)
	}
}
