package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"tap25/capture/capturetest"
)

// TestMain lets the test binary be the parts that the program runs as processes of their own.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (parts[os.Args[1]] != nil || os.Args[1] == "inside") {
		main()
		return
	}
	os.Exit(m.Run())
}

// bench is a directory with two captures of 20 mails, a program and a page, and flags that name them.
func bench(t *testing.T) (dir string, flags []string) {
	t.Helper()
	if os.Geteuid() != 0 {
		capturetest.Missing(t, "root", "captures are made in network namespaces")
	}
	if _, err := os.Stat("../../bin/mta/usr/sbin/smtp-source"); err != nil {
		capturetest.Missing(t, "mta", "smtp-source is not unpacked: make install-test")
	}
	if err := exec.Command("unshare", "--net", "--mount", "--pid", "--fork", "true").Run(); err != nil {
		capturetest.Missing(t, "netns", "make a network namespace: "+err.Error())
	}
	dir = t.TempDir()
	page, err := os.ReadFile("../../docs/measurements.md")
	if err == nil {
		err = os.WriteFile(dir+"/page.md", page, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	var made sync.WaitGroup
	for _, args := range [][]string{{"go", "build", "-o", dir + "/tap25", "../../cmd/tap25"},
		{"../make-capture.sh", "20", dir + "/20.pcap"}, {"../make-capture.sh", "20", dir + "/small20.pcap", "small"}} {
		made.Go(func() {
			if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
				t.Errorf("%v: %v: %s", args, err, out)
			}
		})
	}
	if made.Wait(); t.Failed() {
		t.FailNow()
	}
	return dir, []string{"-dir", dir, "-tap25", dir + "/tap25", "-page", dir + "/page.md", "-script", "/nonexistent",
		"-rounds", "1", "-mixed", "20", "-small", "20", "-bpf", ""}
}

// only gives the tests a PATH with these programs of the machine's, a Suricata that loses the first row and makes one
// up, and a tshark that fails.
func only(t *testing.T, names ...string) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		path, err := exec.LookPath(name)
		if err == nil {
			err = os.Symlink(path, filepath.Join(dir, name))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	script := `#!/bin/sh
[ "$1" != -V ] || { echo This is Suricata version 0 RELEASE; exit; }
while [ $# -gt 1 ]; do case $1 in -l) log=$2 ;; -r) capture=$2 ;; esac; shift; done
sed -n '1s/.*/nobody\tnobody/; s/\(.*\)\t\(.*\)/{"smtp":{"mail_from":"<\1>","rcpt_to":["<\2>"]}}/p' "${capture%.pcap}.truth" >"$log/eve.json"
`
	for name, text := range map[string]string{"suricata": script, "tshark": "#!/bin/sh\n[ $1 = -v ] && echo TShark 0\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
}

// section is what was written between the two comments of the page, whose rest is as it was.
func section(t *testing.T, dir, name string) string {
	t.Helper()
	var parts [2][3]string
	for i, path := range []string{"../../docs/measurements.md", dir + "/page.md"} {
		page, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		first, last := "<!-- "+name+" writes this -->\n", "<!-- end of "+name+" -->\n"
		var begun, ended bool
		parts[i][0], parts[i][1], begun = strings.Cut(string(page), first)
		parts[i][1], parts[i][2], ended = strings.Cut(parts[i][1], last)
		if !begun || !ended {
			t.Fatalf("%s has no section %s", path, name)
		}
	}
	if name == "bench-live" && (parts[0][0] != parts[1][0] || parts[0][2] != parts[1][2]) {
		t.Error("another part of the page has changed, too")
	}
	return parts[1][1]
}

// wants looks for lines in what was written.
func wants(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !regexp.MustCompile(`(?m)^` + line + `$`).MatchString(text) {
			t.Errorf("no line is like %s in %s", line, text)
		}
	}
}

// TestPeers_TinyCaptures measures captures of 20 mails, from files and over a wire, and then changes what the senders
// are said to have been told.
func TestPeers_TinyCaptures(t *testing.T) {
	dir, flags := bench(t)
	measure := func(args ...string) error { return run(t.Context(), append(args, flags...), io.Discard) }
	if err := measure("live", "-rate", "1000"); err != nil {
		t.Fatal(err)
	}
	wants(t, section(t, dir, "bench-live"), `\| receiver \| .* at 1,000/s.*`, `\| a bare XDP_DROP \|  \| .* \| 0 \|  \|`,
		`\| the same, read by .* \| 0 \| all, right \|`, "\\| tap25 `--workers 2` \\| .* \\| 0 \\| all, right \\|")

	only(t, "cat", "taskset", "sh", "sed")
	if err := measure("replay"); err != nil {
		t.Fatal(err)
	}
	text := section(t, dir, "bench-peers")
	const two, ratios = `( \| \d+\.\d\d){2} \| `, `( \| \d+\.\d\d){2} \| `
	wants(t, text, `Measured by .make bench-peers., medians of 1 runs in turn, on this machine:`,
		`.+, \d+ cores, \d+ GiB; Linux [0-9.]+, .+\.`, `The programs were tap25 .+;`, `Suricata version 0 RELEASE;`,
		`TShark 0\.`,
		`Other processes took \d+ % of the processors meanwhile.*\.`,
		`20 mails of 1, 10 and 100 kB to \d+ recipients, [\d,]+ packets, 0\.\d\d GB:`,
		`20 mails of 1 KiB to \d+ recipients, .+:`, "\\| `cat >/dev/null`"+two+ratios+` \|`,
		`\| the loop, and gopacket's decoder`+two+ratios+` \|`, `\| tap25`+two+`\d+`+ratios+`all, right \|`,
		`\| tap25 on one core`+two+`\d+`+ratios+`all, right \|`,
		"\\| Suricata `--runmode single`"+two+`\d+`+ratios+`1 of \d+ missing, 1 wrong \|`,
		`\| tshark \|  \|  \|  \|  \|  \| it failed \|`)

	truth, err := os.ReadFile(dir + "/20.truth")
	if err != nil {
		t.Fatal(err)
	}
	_, but, _ := strings.Cut(string(truth), "\n")
	for name, told := range map[string]string{"a row too few": string(truth) + "a\tb\n", "a row too many": but} {
		if err := os.WriteFile(dir+"/20.truth", []byte(told), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := measure("replay"); err == nil || !strings.Contains(err.Error(), "differ from the mail that was sent") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if again := section(t, dir, "bench-peers"); again != text {
		t.Errorf("a run that failed has changed the page: %s", again)
	}
}

// TestLive_RowsAreHeldAgainstTheTruth judges a receiver that got every frame, and one that lost some.
func TestLive_RowsAreHeldAgainstTheTruth(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"out": "a\tb\n", "20.truth": "a\tc\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	w := &wire{capture: dir + "/20.pcap", dir: dir, out: io.Discard}
	for lost, fails := range []bool{true, false} {
		r := &receiver{kind: "pairs", rows: "out", counted: func(string) (int, int, error) { return 9 - lost, 0, nil }}
		tried := &trial{sent: sent{Frames: 9, Seconds: 1}}
		if err := w.judge(t.Context(), r, tried); (err != nil) != fails || tried.lost != lost {
			t.Errorf("%d frames lost: %d, %v", lost, tried.lost, err)
		}
	}
}

func TestHeading_SaysWhatIsMissing(t *testing.T) {
	for others, want := range map[float64]string{0.034: "3 % of the processors meanwhile.\n",
		0.126: "13 % of the processors meanwhile: the figures are preliminary.\n"} {
		text, err := heading(t.Context(), &settings{tap25: "true"}, "somebody", [][2]string{{"no-such-program", "-v"}},
			others)
		if err != nil || !strings.HasSuffix(text, "\nno-such-program was not installed.\nOther processes took "+want) {
			t.Errorf("%v: %s", err, text)
		}
	}
}

// TestSearch_FindsTheHighestRate has a receiver that loses a frame above a rate, and once below it.
func TestSearch_FindsTheHighestRate(t *testing.T) {
	const ceiling = 1_000_000
	for _, bears := range []int{2_000_000, 630_000, 40_000} {
		once := true
		got, err := search(func(rate int) (*trial, error) {
			if rate == 0 {
				rate = ceiling
			}
			tried := &trial{sent: sent{Frames: rate, Seconds: 1}}
			if rate > bears || once {
				tried.lost = 1
			}
			once = once && rate > bears
			return tried, nil
		}, ceiling)
		if want := min(bears, ceiling); err != nil || got > want || got < want-ceiling/64 {
			t.Errorf("%d, %v of a receiver that bears %d", got, err, bears)
		}
	}
}

func TestFrames_MetricsOfTheBenchmark(t *testing.T) {
	const line = "BenchmarkFilter/match_1514-2 \t 1\t 278.0 ns/barest\t       307.0 ns/frame\t   1.104 x-barest\n"
	if m := metric.FindStringSubmatch(line); len(m) != 5 || m[1] != "match_1514" || m[2] != "278.0" || m[3] != "307.0" ||
		m[4] != "1.104" {
		t.Errorf("%q", m)
	}
	source, err := os.ReadFile("../../bpf/bench_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ns/barest", "ns/frame", "x-barest"} {
		if !strings.Contains(string(source), `"`+name+`"`) {
			t.Errorf("the benchmark has no %s", name)
		}
	}
}
