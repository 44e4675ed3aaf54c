package confine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// Keeper returns the owner of a directory, or of one above it, that only its owner may enter, such as a state directory
// that holds a private cluster. -1 means that root needs no capability to enter.
func Keeper(dir string) (uid, gid int) {
	uid, gid = -1, -1
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		st, err := os.Stat(dir)
		if err != nil {
			continue
		}
		owner, ok := st.Sys().(*syscall.Stat_t)
		if ok && owner.Uid != 0 && st.Mode().Perm()&0o001 == 0 {
			uid, gid = int(owner.Uid), int(owner.Gid)
		}
	}
	return uid, gid
}

// Give changes the owner of a directory and of everything in it.
func Give(dir string, uid, gid int) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := os.Lchown(path, uid, gid); err != nil && !errors.Is(err, fs.ErrNotExist) { // loaded meanwhile
			return err
		}
		return nil
	})
}

// LookupUser returns the IDs of a user. It is an error if this process is not root, which alone can become another.
func LookupUser(name string) (uid, gid int, err error) {
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
