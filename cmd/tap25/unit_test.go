package main

import (
	"bufio"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"

	"tap25/capture/capturetest"
	"tap25/cmd/tap25/report"
	"tap25/store/cluster"
	"tap25/store/storetest"
)

// requireTool finds a program that a feature takes.
func requireTool(t testing.TB, name, feature string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		capturetest.Missing(t, feature, err.Error())
	}
	return path
}

// unitFile is a systemd unit: the values of each setting, in their order.
type unitFile map[string][]string

func readUnit(t testing.TB) unitFile {
	t.Helper()
	text, err := os.ReadFile("../../packaging/tap25.service")
	if err != nil {
		t.Fatal(err)
	}
	u := unitFile{}
	for line := range strings.SplitSeq(string(text), "\n") {
		if key, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") {
			u[key] = append(u[key], value)
		}
	}
	return u
}

// capabilities are those of a setting, as setpriv names them.
func (u unitFile) capabilities(key string) string {
	list := []string{"-all"}
	for _, value := range u[key] {
		for name := range strings.FieldsSeq(value) {
			list = append(list, "+"+strings.ToLower(strings.TrimPrefix(name, "CAP_")))
		}
	}
	return strings.Join(list, ",")
}

// syscalls are the system calls that the unit allows, by systemd.exec(5): the first list decides that all others are
// forbidden, those behind it add, and with ~ take away.
func (u unitFile) syscalls(t testing.TB) map[string]bool {
	t.Helper()
	groups := syscallGroups(t)
	allowed := map[string]bool{}
	var set func(name string, allow bool)
	set = func(name string, allow bool) {
		if members, ok := groups[name]; ok {
			for _, m := range members {
				set(m, allow)
			}
		} else if allow {
			allowed[name] = true
		} else {
			delete(allowed, name)
		}
	}
	set("@default", true)
	for _, list := range u["SystemCallFilter"] {
		list, takeAway := strings.CutPrefix(list, "~")
		for name := range strings.FieldsSeq(list) {
			set(name, !takeAway)
		}
	}
	return allowed
}

// syscallGroups are systemd's, each with its calls and groups.
func syscallGroups(t testing.TB) map[string][]string {
	t.Helper()
	out, err := exec.Command(requireTool(t, "systemd-analyze", "systemd"), "--no-pager", "syscall-filter").Output()
	if err != nil {
		t.Fatal(err)
	}
	groups := map[string][]string{}
	var group string
	// colours, which some of its versions write to a pipe too
	out = regexp.MustCompile(`\x1b\[[0-9;]*m`).ReplaceAll(out, nil)
	for line := range strings.SplitSeq(string(out), "\n") {
		switch word := strings.TrimSpace(line); {
		case word == "" || strings.HasPrefix(word, "#"):
		case word == line:
			group = word
		default:
			groups[group] = append(groups[group], word)
		}
	}
	return groups
}

// syscallNumbers asks the C compiler's headers.
func syscallNumbers(t testing.TB, names map[string]bool) (numbers []uint32) {
	t.Helper()
	out, err := exec.Command(requireTool(t, "gcc", "systemd"), "-E", "-dM", "-include", "sys/syscall.h", "-x", "c",
		"/dev/null").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^#define __NR_(\w+) (\d+)$`).FindAllStringSubmatch(string(out), -1) {
		if n, err := strconv.ParseUint(m[2], 10, 32); err == nil && names[m[1]] {
			numbers = append(numbers, uint32(n))
		}
	}
	if len(numbers) < 100 {
		t.Fatalf("%d system calls are allowed, which cannot be", len(numbers))
	}
	return numbers
}

// confined is tap25 under the seccomp filter of the system calls in TAP25_TEST_SYSCALLS.
func confined() {
	var numbers []uint32
	if err := json.Unmarshal([]byte(os.Getenv("TAP25_TEST_SYSCALLS")), &numbers); err != nil {
		panic(err)
	}
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	runtime.LockOSThread()
	filter := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}} // the number of the call
	for _, n := range numbers {
		// SECCOMP_RET_ALLOW
		filter = append(filter, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: n, Jf: 1},
			unix.SockFilter{Code: unix.BPF_RET, K: 0x7fff0000})
	}
	// SECCOMP_RET_ERRNO
	filter = append(filter, unix.SockFilter{Code: unix.BPF_RET, K: 0x00050000 | uint32(unix.EPERM)})
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	// SECCOMP_SET_MODE_FILTER
	if _, _, e := unix.Syscall(unix.SYS_SECCOMP, 1, 0, uintptr(unsafe.Pointer(&program))); e != 0 {
		panic(e)
	}
	panic(syscall.Exec(self, append([]string{"tap25-probed"}, os.Args[1:]...), os.Environ()))
}

// mounts are what the unit has of the file system: all of it read-only but a directory, and of /proc the processes
// alone. The mounts are of a namespace of their own, and end with its last process.
const mounts = `mount -t proc -o hidepid=invisible,subset=pid proc /proc; mount --bind "$0" "$0"; mount -o remount,bind,ro /; exec "$@"`

// asUnit has a sniff started as systemd would: as another user, with the unit's capabilities, system calls and files.
func (u unitFile) asUnit(t testing.TB, cmd *exec.Cmd, state string) {
	t.Helper()
	for setting, want := range map[string]string{"ProcSubset": "pid", "ProtectProc": "invisible",
		"ProtectSystem": "strict", "NoNewPrivileges": "yes"} {
		if !slices.Equal(u[setting], []string{want}) {
			t.Fatalf("%s is %q; the test has %s", setting, u[setting], want)
		}
	}
	if got := u["SystemCallErrorNumber"]; !slices.Equal(got, []string{"EPERM"}) {
		t.Fatalf("forbidden system calls give %q; the test has EPERM", got)
	}
	numbers, err := json.Marshal(syscallNumbers(t, u.syscalls(t)))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(cmd.Env, "TAP25_TEST_SYSCALLS="+string(numbers))
	cmd.Args = append([]string{"unshare", "--mount", "--propagation=private", "sh", "-ec", mounts, state, "setpriv",
		"--reuid=nobody", "--regid=nogroup", "--clear-groups", "--no-new-privs",
		"--inh-caps=" + u.capabilities("AmbientCapabilities"),
		"--ambient-caps=" + u.capabilities("AmbientCapabilities"),
		"--bounding-set=" + u.capabilities("CapabilityBoundingSet"), program(t, "tap25-confined")}, cmd.Args[1:]...)
	cmd.Path = requireTool(t, "unshare", "root")
}

// openDir is a directory that every user may look into.
func openDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tap25-unit")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// statusOf reads /proc/PID/status of each thread.
func statusOf(t testing.TB, pid int) (threads []map[string]string) {
	t.Helper()
	tasks, err := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		file, err := os.Open("/proc/" + strconv.Itoa(pid) + "/task/" + task.Name() + "/status")
		if err != nil {
			continue // ended
		}
		fields := map[string]string{}
		for s := bufio.NewScanner(file); s.Scan(); {
			key, value, _ := strings.Cut(s.Text(), ":")
			fields[key] = strings.TrimSpace(value)
		}
		_ = file.Close()
		threads = append(threads, fields)
	}
	return threads
}

func TestUnit_AllowsTheSystemCallsThatAttachingAndConfiningTake(t *testing.T) {
	allowed := readUnit(t).syscalls(t)
	for _, name := range []string{"bpf", "capset", "prctl", "landlock_create_ruleset", "landlock_add_rule",
		"landlock_restrict_self", "setrlimit", "prlimit64", "adjtimex"} {
		if !allowed[name] {
			t.Errorf("%s is not allowed", name)
		}
	}
	for _, name := range []string{"mount", "ptrace", "init_module", "setuid", "setgroups", "chroot", "reboot", "swapon",
		"perf_event_open", "clock_settime", "settimeofday"} {
		if allowed[name] {
			t.Errorf("%s is allowed", name)
		}
	}
	if t.Failed() {
		t.Log(slices.Sorted(maps.Keys(allowed)))
	}
}

// TestUnit_SniffRunsUnderItsConditions runs sniff as the unit does: another user, ambient capabilities, no new
// privileges, the filter of system calls.
func TestUnit_SniffRunsUnderItsConditions(t *testing.T) {
	w := newWire(t)
	m := w.serve()
	state := openDir(t)
	if err := os.Chown(state, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TAP25_TEST_OUTSIDE", "../../README.md") // which every user may read: Landlock alone forbids it
	s := w.prepare(state)
	readUnit(t).asUnit(t, s.cmd, state)
	s.launch(w)
	s.awaitListening()
	for _, thread := range statusOf(t, s.cmd.Process.Pid) {
		for field, want := range map[string]string{
			"CapInh": "0000000000000000", "CapPrm": "0000000000000000", "CapEff": "0000000000000000",
			"CapAmb": "0000000000000000",
			// the unit's: without CAP_SETPCAP nothing is taken from it, and no-new-privileges keeps it shut
			"CapBnd":     "000000c000003000",
			"NoNewPrivs": "1", "Seccomp": "2", "Uid": "65534\t65534\t65534\t65534",
		} {
			if thread[field] != want {
				t.Errorf("thread %s: %s %q, want %q", thread["Pid"], field, thread[field], want)
			}
		}
	}
	s.probe(false)
	if r, err := report.Ask(t.Context(), s.control); err != nil || r.Clock == nil {
		t.Errorf("the state of the clock is not known: %v", err)
	}
	if err := w.send("192.0.2.25:25", "unit", 2); err != nil {
		t.Fatal(err)
	}
	await(t, "rows", func() bool { return strings.Count(s.out.String(), "\n") == len(m.taken) })
	if rows := essentials(s.end(syscall.SIGTERM)); !slices.Equal(rows, m.taken) {
		t.Errorf("%d rows differ from the %d taken", len(rows), len(m.taken))
	}
}

// TestUnit_PrivateClusterRunsUnderItsConditions has the unit's sniff make the cluster, load into it, and start it anew
// when it has died.
func TestUnit_PrivateClusterRunsUnderItsConditions(t *testing.T) {
	w := newWire(t)
	m := w.serve()
	state := storetest.StateHome(t)
	if err := os.Chown(state, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	s := w.prepare(state, "--db", "local", "--retention", "never")
	readUnit(t).asUnit(t, s.cmd, state)
	s.launch(w)
	s.awaitListening()
	for _, prefix := range []string{"one", "two"} {
		if err := w.send("192.0.2.25:25", prefix, 2); err != nil {
			t.Fatal(err)
		}
		await(t, "rows in the database", func() bool {
			r, err := report.Ask(t.Context(), s.control)
			return err == nil && r.Store != nil && rowsLoaded(r) == int64(len(m.taken)) && !r.Store.Away
		})
		conn, err := pgx.Connect(t.Context(), "host="+state+"/tap25/run user=nobody dbname=postgres")
		if err != nil {
			t.Fatal(err)
		}
		if n := sharedBuffers(t, conn); n <= 128<<20 && cluster.AvailableMemory() > 1<<30 {
			t.Errorf("shared_buffers is %d MiB", n>>20)
		}
		clocks := 0
		err = conn.QueryRow(t.Context(), "select count(clock_error) from tap25.coverage").Scan(&clocks)
		if err != nil || clocks == 0 {
			t.Errorf("%d records of coverage with the state of the clock, %v", clocks, err)
		}
		conn.Close(t.Context())
		server, err := os.ReadFile(state + "/tap25/data/postmaster.pid")
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.SplitN(string(server), "\n", 2)[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, syscall.SIGQUIT); err != nil { // as if it had crashed
			t.Fatal(err)
		}
	}
	s.end(syscall.SIGTERM)
}
