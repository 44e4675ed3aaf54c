package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"unsafe"

	"github.com/landlock-lsm/go-landlock/landlock"
	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"
)

// forbidCores keeps the memory, which holds content, from being dumped to disk or read by another process.
func forbidCores() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("forbid core dumps: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("forbid core dumps: %w", err)
	}
	return nil
}

// rights are the rights that a running sniff keeps.
type rights struct {
	uid, gid int      // to become; -1: no change
	write    []string // directories and files
	read     []string // directories and files; programs in them may be run
	connect  []uint16 // TCP ports
}

// confine gives up all rights but these, in every thread and for good. The notes report what the kernel cannot restrict.
func confine(r rights) (notes []string, err error) {
	for c := uintptr(0); c <= 63; c++ {
		// This fails without CAP_SETPCAP, as under the systemd unit. Then no-new-privileges, set below, has the same effect.
		_, _, _ = psx.Syscall3(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, c, 0)
	}
	if _, _, e := psx.Syscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0); e != 0 {
		return nil, fmt.Errorf("set no-new-privileges: %w", e)
	}
	if note, err := landlocked(r); err != nil {
		return nil, err
	} else if note != "" {
		notes = append(notes, note)
	}
	if r.uid >= 0 {
		if err := become(r.uid, r.gid); err != nil {
			return nil, err
		}
	}
	if _, _, e := psx.Syscall6(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0, 0); e != 0 {
		return nil, fmt.Errorf("drop ambient capabilities: %w", e)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if _, _, e := psx.Syscall3(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&none[0])), 0); e != 0 {
		return nil, fmt.Errorf("drop capabilities: %w", e)
	}
	return notes, forbidCores() // becoming another user makes the process dumpable again
}

func become(uid, gid int) error {
	if err := syscall.Setgroups([]int{gid}); err != nil {
		return fmt.Errorf("set groups: %w", err)
	}
	if err := syscall.Setresgid(gid, gid, gid); err != nil {
		return fmt.Errorf("become group %d: %w", gid, err)
	}
	if err := syscall.Setresuid(uid, uid, uid); err != nil {
		return fmt.Errorf("become user %d: %w", uid, err)
	}
	return nil
}

// landlocked restricts access to files and outgoing TCP, as far as the kernel supports it.
func landlocked(r rights) (note string, err error) {
	var paths []landlock.Rule
	add := func(list []string, dirs, files func(...string) landlock.FSRule) {
		for _, path := range list {
			if st, err := os.Stat(path); err == nil && st.IsDir() {
				paths = append(paths, dirs(path))
			} else if err == nil {
				paths = append(paths, files(path))
			}
		}
	}
	add(r.write, landlock.RWDirs, landlock.RWFiles)
	add(r.read, landlock.RODirs, landlock.ROFiles)
	for _, port := range r.connect {
		paths = append(paths, landlock.ConnectTCP(port))
	}
	if err := landlock.V4.BestEffort().Restrict(paths...); err != nil {
		return "", fmt.Errorf("restrict files with Landlock: %w", err)
	}
	if !hasLandlock() {
		note = "the kernel has no Landlock, or its lsm= list lacks it: only file modes protect other files from tap25"
	}
	return note, nil
}

// hasLandlock asks the kernel for the version of Landlock.
func hasLandlock() bool {
	const version = 1 // LANDLOCK_CREATE_RULESET_VERSION
	v, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, version)
	return e == 0 && int(v) > 0
}

// confine gives up the rights that attaching took.
func (t *tap) confine() ([]string, error) {
	r := rights{uid: -1, gid: -1, read: resolverFiles()}
	if t.settings.config != "" {
		r.read = append(r.read, readablePath(t.settings.config))
	}
	if t.control != "" {
		r.write = append(r.write, filepath.Dir(t.control))
	}
	if t.out.rights != nil {
		if err := t.out.rights(&r); err != nil {
			return nil, err
		}
	}
	if t.settings.user != "" {
		uid, gid, err := lookupUser(t.settings.user)
		if err != nil {
			return nil, err
		}
		r.uid, r.gid = uid, gid
	}
	if os.Geteuid() != 0 {
		r.uid = -1
	}
	if r.uid >= 0 && t.control != "" {
		if err := os.Chown(t.control, r.uid, r.gid); err != nil {
			return nil, err
		}
	}
	if r.uid >= 0 && t.out.spool != "" {
		if err := give(t.out.spool, r.uid, r.gid); err != nil {
			return nil, err
		}
	}
	if home, err := os.UserHomeDir(); err == nil {
		r.read = append(r.read, filepath.Join(home, ".pgpass"), filepath.Join(home, ".postgresql"))
	}
	notes, err := confine(r)
	if err == nil && t.out.spool != "" {
		if err = unix.Faccessat(unix.AT_FDCWD, t.out.spool, unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
			err = fmt.Errorf("write to the spool %s after giving up rights: %w; name its owner with --user", t.out.spool, err)
		}
	}
	return notes, err
}

// readablePath returns the directory to allow, so that a file stays readable after another was renamed over it, as editors and
// renewals do. Of a directory that holds all kinds of files it allows the file alone, as it is now.
func readablePath(path string) string {
	if path, err := filepath.EvalSymlinks(path); err == nil {
		if path, err = filepath.Abs(path); err == nil {
			switch dir := filepath.Dir(path); dir {
			case "/", "/etc", "/root", "/tmp", "/run", "/home", os.Getenv("HOME"):
				return path
			default:
				return dir
			}
		}
	}
	return path
}

// resolverFiles lists the files that resolving the name of a database server and checking its certificate may read.
func resolverFiles() []string {
	return []string{
		readablePath("/etc/resolv.conf"), "/etc/hosts", "/etc/nsswitch.conf", "/etc/services", "/etc/ssl", "/etc/localtime",
		"/usr/share/zoneinfo", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates",
	}
}

func lookupUser(name string) (uid, gid int, err error) {
	if os.Geteuid() != 0 {
		return 0, 0, errors.New("--user needs root: start tap25 as root, or leave out --user")
	}
	u, err := user.Lookup(name)
	if err != nil {
		return 0, 0, fmt.Errorf("find user: %w", err)
	}
	if uid, err = strconv.Atoi(u.Uid); err == nil {
		gid, err = strconv.Atoi(u.Gid)
	}
	return uid, gid, err
}
