package confine

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"github.com/landlock-lsm/go-landlock/landlock"
	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"
)

// ForbidCores keeps the memory, which may hold content and passwords, from being dumped to disk or read by another
// process.
func ForbidCores() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("forbid core dumps: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("forbid core dumps: %w", err)
	}
	return nil
}

// Rights are the rights that a process keeps.
type Rights struct {
	UID, GID int      // to become; -1: no change
	Write    []string // directories and files; those that do not exist are left out
	Read     []string // directories and files; programs in them may be run
	Connect  []uint16 // TCP ports; none: nothing may be connected to
}

// To gives up all rights but these, in every thread and for good. The notes report what the kernel cannot restrict.
// After an error the process may have some of its rights still, and should end.
func To(r Rights) (notes []string, err error) {
	for c := uintptr(0); c <= 63; c++ {
		// This fails without CAP_SETPCAP, as under the systemd unit. Then no-new-privileges, set below, has the same
		// effect.
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
	if r.UID >= 0 {
		if err := become(r.UID, r.GID); err != nil {
			return nil, err
		}
	}
	if _, _, e := psx.Syscall6(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0, 0); e != 0 {
		return nil, fmt.Errorf("drop ambient capabilities: %w", e)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if _, _, e := psx.Syscall3(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&none[0])),
		0); e != 0 {
		return nil, fmt.Errorf("drop capabilities: %w", e)
	}
	return notes, ForbidCores() // becoming another user makes the process dumpable again
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
func landlocked(r Rights) (note string, err error) {
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
	add(r.Write, landlock.RWDirs, landlock.RWFiles)
	add(r.Read, landlock.RODirs, landlock.ROFiles)
	for _, port := range r.Connect {
		paths = append(paths, landlock.ConnectTCP(port))
	}
	if err := landlock.V4.BestEffort().Restrict(paths...); err != nil {
		return "", fmt.Errorf("restrict files with Landlock: %w", err)
	}
	if !HasLandlock() {
		note = "the kernel has no Landlock, or its lsm= list lacks it: only file modes protect other files from tap25"
	}
	return note, nil
}

// HasLandlock asks the kernel for the version of Landlock.
func HasLandlock() bool {
	const version = 1 // LANDLOCK_CREATE_RULESET_VERSION
	v, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, version)
	return e == 0 && int(v) > 0
}
