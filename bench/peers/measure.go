package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// most bounds one run of a program.
const most = 10 * time.Minute

// cost is the resources that one run of a program used.
type cost struct {
	cpu, wall time.Duration // cpu: user and system
	peak      float64       // MiB; never below the peak of the process that starts it
}

// median returns the median of each figure.
func median(runs []cost) (m cost) {
	of := func(value func(cost) float64) float64 {
		var all []float64
		for _, r := range runs {
			all = append(all, value(r))
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	m.cpu = time.Duration(of(func(c cost) float64 { return float64(c.cpu) }))
	m.wall = time.Duration(of(func(c cost) float64 { return float64(c.wall) }))
	m.peak = of(func(c cost) float64 { return c.peak })
	return m
}

// costOf returns the cost of a process that has ended, with the children that it waited for.
func costOf(state *os.ProcessState, wall time.Duration) cost {
	return cost{cpu: state.UserTime() + state.SystemTime(), wall: wall,
		peak: float64(state.SysUsage().(*syscall.Rusage).Maxrss) / 1024}
}

// timed runs a program in a directory. Its standard output and error go to files there.
func timed(ctx context.Context, dir string, args []string) (cost, error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = dir
	out, diag, err := outputs(dir)
	if err != nil {
		return cost{}, err
	}
	defer out.Close()
	defer diag.Close()
	cmd.Stdout, cmd.Stderr = out, diag
	begun := time.Now()
	if err := cmd.Run(); err != nil {
		return cost{}, failure(dir, args, err)
	}
	return costOf(cmd.ProcessState, time.Since(begun)), nil
}

// outputs empties a directory, and creates files in it for the standard output and error of a program.
func outputs(dir string) (out, diag *os.File, err error) {
	if err = os.RemoveAll(dir); err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err == nil {
		out, err = os.Create(dir + "/out")
	}
	if err == nil {
		diag, err = os.Create(dir + "/diag")
	}
	return out, diag, err
}

// failure adds the last lines of a program's standard error to its error.
func failure(dir string, args []string, err error) error {
	text, _ := os.ReadFile(dir + "/diag")
	return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, text[max(0, len(text)-2000):])
}

// machine describes the processor, the kernel and the distribution.
func machine() string {
	model, release := "an unknown processor", "an unknown system"
	for line := range strings.Lines(read("/proc/cpuinfo")) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			model = strings.TrimSpace(value)
		}
	}
	for line := range strings.Lines(read("/etc/os-release")) {
		if value, is := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); is {
			release = strings.Trim(value, `"`)
		}
	}
	var u unix.Utsname
	_ = unix.Uname(&u)
	var info unix.Sysinfo_t
	_ = unix.Sysinfo(&info)
	kernel := regexp.MustCompile(`^[0-9.]*`).FindString(unix.ByteSliceToString(u.Release[:]))
	return fmt.Sprintf("%s, %d cores, %.0f GiB; Linux %s, %s", model, runtime.NumCPU(),
		float64(info.Totalram)*float64(info.Unit)/(1<<30), kernel, release)
}

func read(path string) string {
	text, _ := os.ReadFile(path)
	return string(text)
}

// busy returns the CPU time that was used since the machine started, and the time that there was, in hundredths of a
// second. Time that the hypervisor gave to other guests counts as used.
func busy() (used, all float64) {
	line, _, _ := strings.Cut(read("/proc/stat"), "\n")
	for i, field := range strings.Fields(line) {
		ticks, err := strconv.ParseFloat(field, 64)
		if err != nil || i > 8 { // guests are counted in user already
			continue
		}
		all += ticks
		if i != 4 && i != 5 { // idle, and waiting for a disk
			used += ticks
		}
	}
	return used, all
}

// others starts to measure other processes. share returns the part of all CPU time that they have used since.
func others() (share func() float64) {
	used, all := busy()
	own := ownTicks()
	return func() float64 {
		u, a := busy()
		return max(0, (u-used-(ownTicks()-own))/(a-all))
	}
}

// ownTicks returns the CPU time of this process and of its children that have ended, in hundredths of a second.
func ownTicks() (ticks float64) {
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var u unix.Rusage
		_ = unix.Getrusage(who, &u)
		ticks += float64(u.Utime.Nano()+u.Stime.Nano()) / 1e7
	}
	return ticks
}

// commit matches the commit in the output of tap25 version.
var commit = regexp.MustCompile(` commit \w+( with changes)?`)

// versionOf returns the first line of a program's version.
func versionOf(ctx context.Context, name, flag string) (string, error) {
	out, err := exec.CommandContext(ctx, name, flag).Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", name, flag, err)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.Trim(strings.TrimPrefix(commit.ReplaceAllString(line, ""), "This is "), "."), nil
}
