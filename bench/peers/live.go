package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"tap25/store/numeral"
)

// receiver is a program that takes frames from the interface tap0.
type receiver struct {
	name string
	args []string
	kind string // of its rows; "": it writes none
	rows string
	// counted reads from its output how many frames it took, and how many its ring had no room for; nil: it takes none.
	counted func(dir string) (taken, lost int, err error)

	frames   int // of the capture
	highest  int // frames a second, without loss
	costs    []cost
	senders  []cost // of the sender meanwhile
	mostLost int
	check    check
}

// trial is one run: the whole capture, sent to one receiver.
type trial struct {
	sent
	lost         int // frames that did not come to the receiver
	full         int // of these, the ring had no room for; the others were lost on the wire
	cost, sender cost
}

func (t *trial) rate() int { return int(float64(t.Frames) / t.Seconds) }

// measureLive makes the capture. The rest runs in a network namespace, so that no frame leaves it, and in a PID
// namespace, so that no process stays after it.
func measureLive(ctx context.Context, s *settings, out io.Writer) (string, error) {
	if os.Geteuid() != 0 {
		return "", errors.New("live frames take root: run 'sudo make bench-live'")
	}
	if _, err := madeCapture(ctx, s, "", s.mixed, out); err != nil {
		return "", err
	}
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
		self, "inside", "-dir", s.dir, "-tap25", s.tap25, "-page", s.page, "-script", s.script, "-bpf", s.bpf,
		"-rounds", strconv.Itoa(s.rounds), "-mixed", strconv.Itoa(s.mixed), "-rate", strconv.Itoa(s.rate))
	cmd.Stdout, cmd.Stderr = out, os.Stderr
	return "", cmd.Run()
}

func measureInside(ctx context.Context, s *settings, out io.Writer) (string, error) {
	for _, line := range []string{"mount -t sysfs sysfs /sys", "sysctl -qw net.ipv6.conf.default.disable_ipv6=1",
		"ip link add tap0 type veth peer name peer0", "ethtool -K tap0 gro off gso off tso off",
		"ip link set tap0 up promisc on", "ip link set peer0 up"} {
		words := strings.Fields(line)
		if text, err := exec.CommandContext(ctx, words[0], words[1:]...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s: %w: %s", line, err, text)
		}
	}
	if err := os.WriteFile(filepath.Join(s.dir, "suricata.yaml"), suricataSettings, 0o644); err != nil {
		return "", err
	}
	share := others()
	list, err := receivers(s)
	if err != nil {
		return "", err
	}
	w := &wire{s, filepath.Join(s.dir, fmt.Sprintf("%d.pcap", s.mixed)), filepath.Join(s.dir, "live"), out}
	rate := s.rate
	if rate == 0 {
		if rate, err = w.highest(ctx, list); err != nil {
			return "", err
		}
	}
	for range s.rounds {
		for _, r := range list {
			t, err := w.try(ctx, r, rate)
			if err != nil {
				return "", err
			}
			r.costs, r.senders, r.mostLost = append(r.costs, t.cost), append(r.senders, t.sender), max(r.mostLost, t.lost)
		}
	}
	frames := ""
	if s.bpf != "" {
		if frames, err = frameTable(ctx, s.bpf); err != nil {
			return "", err
		}
	}
	head, err := heading(ctx, s, "`make bench-live`", [][2]string{suricata}, share())
	return head + liveTable(list, rate) + frames, err
}

// receivers returns those that are installed. The first one drops all frames, which shows how fast the sender is.
func receivers(s *settings) (list []*receiver, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(s.dir, "live")
	list = []*receiver{
		{name: "a bare XDP_DROP", args: []string{self, "drop", "tap0"}},
		{name: "AF_PACKET, TPACKET_V3: frames counted, not read", args: []string{self, "receive", "tap0", "count"},
			counted: countedByReceive},
		{name: "the same, read by tap25's reassembly", args: []string{self, "receive", "tap0", "rows"}, kind: "pairs",
			rows: "out", counted: countedByReceive},
	}
	for _, workers := range []string{"1", "2"} {
		list = append(list, &receiver{name: "tap25 `--workers " + workers + "`", args: []string{s.tap25, "sniff",
			"-i", "tap0", "--format", "json", "--workers", workers, "--control", filepath.Join(dir, "control"),
			"--xdp", "native"}, kind: "tap25", rows: "out", counted: countedBySniff})
	}
	if !installed(suricata[0]) {
		return list, nil
	}
	return append(list, &receiver{name: "Suricata af-packet, one thread", args: []string{"suricata", "-c",
		filepath.Join(s.dir, "suricata.yaml"), "--runmode", "workers", "-S", "/dev/null", "-l", dir, "--af-packet=tap0"},
		kind: "suricata", rows: "eve.json", counted: countedBySuricata}), nil
}

// wire sends a capture to one receiver at a time.
type wire struct {
	*settings
	capture, dir string
	out          io.Writer
}

// highest finds the highest rate of each receiver, and returns nine tenths of the lowest of them.
func (w *wire) highest(ctx context.Context, list []*receiver) (rate int, err error) {
	for _, r := range list {
		try := func(rate int) (*trial, error) { return w.try(ctx, r, rate) }
		if r.highest, err = search(try, list[0].highest); err != nil {
			return 0, err
		}
		if nine := r.highest * 9 / 10; rate == 0 || nine < rate {
			rate = nine
		}
		r.check = check{} // the table has the check of the rounds that follow
	}
	if rate == 0 {
		return 0, errors.New("a receiver loses frames at every rate")
	}
	if rate > 10_000 {
		rate -= rate % 1000
	}
	return rate, nil
}

// search finds the highest rate without loss by bisection. ceiling is the highest rate of the sender, and the result is
// exact to a sixty-fourth of it. After a loss the rate is tried once more, because the machine may have been busy.
func search(try func(rate int) (*trial, error), ceiling int) (highest int, err error) {
	lossless := func(rate int) (bool, error) {
		for range 2 {
			t, err := try(rate)
			if err != nil {
				return false, err
			}
			if t.lost == 0 {
				highest = max(highest, t.rate())
				return true, nil
			}
		}
		return false, nil
	}
	if ok, err := lossless(0); ok || err != nil { // as fast as the sender can
		return highest, err
	}
	low, high := 0, ceiling
	for range 6 {
		middle := (low + high) / 2
		ok, err := lossless(middle)
		if err != nil {
			return 0, err
		}
		if ok {
			low = middle
		} else {
			high = middle
		}
	}
	return highest, nil
}

// try sends the capture to a receiver at a rate, and checks the rows. The error is also for a receiver that got every
// frame and has a wrong row: see judge.
func (w *wire) try(ctx context.Context, r *receiver, rate int) (t *trial, err error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	stdout, diag, err := outputs(w.dir)
	if err != nil {
		return nil, err
	}
	defer stdout.Close()
	defer diag.Close()
	cmd := exec.CommandContext(ctx, r.args[0], r.args[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = w.dir, stdout, diag
	cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+w.dir)
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	t, err = w.send(ctx, r, cmd.Process.Pid, rate)
	start := t.cost.cpu
	if err == nil && r.kind == "tap25" {
		err = saveStatus(ctx, w)
	}
	_ = cmd.Process.Signal(syscall.SIGINT)
	if ended := cmd.Wait(); ended != nil && !interrupted(ended) {
		err = errors.Join(err, failure(w.dir, r.args, ended))
	}
	if err != nil {
		return nil, err
	}
	t.cost = costOf(cmd.ProcessState, time.Since(begun))
	t.cost.cpu -= start
	return t, w.judge(ctx, r, t)
}

// interrupted reports whether a program ended because of SIGINT.
func interrupted(err error) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && (exit.ExitCode() == 130 || exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGINT)
}

// send waits until the receiver is ready, sends the capture, and waits until the receiver is idle. The cost of the
// trial is then the CPU time of the receiver before the first frame.
func (w *wire) send(ctx context.Context, r *receiver, pid, rate int) (*trial, error) {
	t := &trial{}
	if err := awaitReady(ctx, w.dir, pid); err != nil {
		return t, failure(w.dir, r.args, err)
	}
	t.cost.cpu = cpuOf(pid)
	self, err := os.Executable()
	if err != nil {
		return t, err
	}
	sender := exec.CommandContext(ctx, self, "send", "peer0", w.capture, strconv.Itoa(rate))
	sender.Stderr = os.Stderr
	out, err := sender.Output()
	if err == nil {
		err = json.Unmarshal(out, &t.sent)
	}
	if err != nil {
		return t, fmt.Errorf("send: %w", err)
	}
	t.sender = costOf(sender.ProcessState, 0)
	for before, n := cpuOf(pid), 0; n < 150; n++ { // half a minute at most
		time.Sleep(200 * time.Millisecond)
		now := cpuOf(pid)
		if now-before <= 20*time.Millisecond { // tap25 asks its rings now and then
			break
		}
		before = now
	}
	return t, nil
}

// awaitReady waits until a receiver reports that it is ready for frames.
func awaitReady(ctx context.Context, dir string, pid int) error {
	said := regexp.MustCompile(ready + `|"message":"listening"|Engine started`)
	for range 600 {
		if said.MatchString(read(dir+"/out")) || said.MatchString(read(dir+"/diag")) {
			time.Sleep(200 * time.Millisecond)
			return nil
		}
		if ctx.Err() != nil || cpuOf(pid) < 0 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	return errors.New("is not ready for frames after half a minute")
}

// cpuOf returns the CPU time of a process so far, in steps of 10 ms; -1 if it has ended.
func cpuOf(pid int) time.Duration {
	_, after, _ := strings.Cut(read(fmt.Sprintf("/proc/%d/stat", pid)), ") ") // proc(5): state is the third field
	fields := strings.Fields(after)
	if len(fields) < 13 || fields[0] == "Z" {
		return -1
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// judge counts lost frames, and compares the rows with the truth. Wrong rows are an error if no frame was lost, unless
// they are those of Suricata.
func (w *wire) judge(ctx context.Context, r *receiver, t *trial) error {
	r.frames = t.Frames
	if r.counted != nil {
		taken, lost, err := r.counted(w.dir)
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		t.lost, t.full = max(0, t.Frames-taken), lost
	}
	fmt.Fprintf(w.out, "%s: %s frames at %s/s, %s lost, %s of them for a full ring; CPU %.2f s, the sender's %.2f s\n",
		r.name, numeral.Grouped(int64(t.Frames)), numeral.Grouped(int64(t.rate())), numeral.Grouped(int64(t.lost)),
		numeral.Grouped(int64(t.full)), t.cost.cpu.Seconds(), t.sender.cpu.Seconds())
	if r.kind == "" {
		return nil
	}
	c, err := checked(ctx, r.kind, filepath.Join(w.dir, r.rows), truthOf(w.capture))
	if err != nil {
		return err
	}
	if r.kind != "suricata" && t.lost == 0 && c.Missing+c.Wrong > 0 {
		return fmt.Errorf("%s has lost no frame, but its rows differ from the mail that was sent: %v", r.name, c)
	}
	if c.Missing+c.Wrong >= r.check.Missing+r.check.Wrong {
		r.check = c
	}
	return nil
}

// saveStatus writes tap25's counters to a file beside its output, while tap25 still runs.
func saveStatus(ctx context.Context, w *wire) error {
	text, err := exec.CommandContext(ctx, w.tap25, "status", "--json", "--control", w.dir+"/control").Output()
	if err != nil {
		return fmt.Errorf("tap25 status: %w", err)
	}
	return os.WriteFile(w.dir+"/status", text, 0o644)
}

func countedBySniff(dir string) (taken, lost int, err error) {
	var r struct {
		Delivered int `json:"delivered"`
		Full      int `json:"ring_full"`
	}
	err = json.Unmarshal([]byte(read(dir+"/status")), &r)
	return r.Delivered, r.Full, err
}

func countedByReceive(dir string) (taken, lost int, err error) {
	var r received
	_, text, _ := strings.Cut(read(dir+"/diag"), "{")
	err = json.Unmarshal([]byte("{"+text), &r)
	return int(r.Frames), int(r.Drops), err
}

var suricataCount = regexp.MustCompile(`packets: (\d+), drops: (\d+)`)

func countedBySuricata(dir string) (taken, lost int, err error) {
	m := suricataCount.FindStringSubmatch(read(dir + "/out"))
	if m == nil {
		return 0, 0, errors.New("its output has no number of packets")
	}
	taken, err = strconv.Atoi(m[1])
	lost, _ = strconv.Atoi(m[2])
	return taken - lost, lost, err
}
