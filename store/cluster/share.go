package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// shareFile holds the directory that [Cluster.Share] has stored.
const shareFile = "share"

// shareMode lets the group enter and not write. A socket that is made in the directory becomes the group's by the bit
// S_ISGID, inode(7), so that the server need not be a member.
const shareMode = os.ModeDir | os.ModeSetgid | 0o750

// Share makes the directory of a second socket, which members of a group of the operating system may reach, and stores
// it: servers listen there too from their next start on, whichever tap25 starts them. The server's user owns the
// directory. It is an error if others could write to the directory or replace it, or if members could not enter it.
func (c *Cluster) Share(ctx context.Context, dir, group string) error {
	g, err := user.LookupGroup(group)
	if err != nil {
		return fmt.Errorf("share the cluster: %w", err)
	}
	gid, err := strconv.Atoi(g.Gid)
	if err == nil {
		err = c.makeDirs() // which are not empty then, and are refused
	}
	if err == nil {
		err = c.makeShare(dir, gid)
	}
	if err == nil {
		err = c.checkShare(dir)
	}
	if err != nil {
		return fmt.Errorf("share the cluster: %w", err)
	}
	return c.store(ctx, dir)
}

// Unshare makes servers listen on their own socket alone, from their next start on. The directory stays.
func (c *Cluster) Unshare(ctx context.Context) error { return c.store(ctx, "") }

func (c *Cluster) store(ctx context.Context, dir string) error {
	if err := c.makeDirs(); err != nil {
		return err
	}
	starting, err := c.lock(ctx, "start.lock", syscall.LOCK_EX)
	if err != nil {
		return fmt.Errorf("lock the cluster: %w", err)
	}
	defer starting.Close()
	_, err = c.replace(shareFile, dir)
	return err
}

// Shared returns the directory of the second socket; "" if none is stored. The error says why a server does not listen
// there: the directory is not as [Cluster.Share] has left it.
func (c *Cluster) Shared() (dir string, err error) {
	root, err := os.OpenRoot(c.dir) // as replace does: an error shows the text, which must be no other file's
	var text []byte
	if err == nil {
		defer root.Close()
		text, err = root.ReadFile(shareFile)
	}
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(text) == 0 {
		return "", nil
	}
	if err == nil {
		err = c.checkShare(string(text))
	}
	if err != nil {
		return "", fmt.Errorf("the private cluster is not shared: %w; repeat 'tap25 db up --share'", err)
	}
	return string(text), nil
}

// Listens reports whether the server that runs has a socket in the directory that [Cluster.Shared] returns.
func (c *Cluster) Listens(dir string) bool {
	text, err := os.ReadFile(filepath.Join(dir, ".s.PGSQL.5432.lock"))
	server, serverErr := os.ReadFile(filepath.Join(c.DataDir(), "postmaster.pid"))
	pid, _, _ := strings.Cut(string(text), "\n")
	own, _, _ := strings.Cut(string(server), "\n")
	return err == nil && serverErr == nil && pid == own
}

// makeShare makes the directory if there is none, and gives it to the server's user and the group. One that is there
// must be empty, or made by an earlier call.
func (c *Cluster) makeShare(dir string, gid int) error {
	if err := c.checkPath(dir, gid); err != nil {
		return err
	}
	made := os.Mkdir(dir, 0o700)
	if made != nil && !errors.Is(made, fs.ErrExist) {
		return made
	}
	d, err := os.OpenFile(dir, syscall.O_NOFOLLOW|syscall.O_DIRECTORY, 0)
	if err != nil {
		return fmt.Errorf("%s is no directory, or a symbolic link: %w", dir, err)
	}
	defer d.Close()
	st, err := d.Stat()
	if err != nil {
		return err
	}
	if made != nil && (st.Mode() != shareMode || int(st.Sys().(*syscall.Stat_t).Uid) != c.uid) {
		if inside, err := d.Readdirnames(1); len(inside) > 0 || !errors.Is(err, io.EOF) {
			return fmt.Errorf("%s is there already, and not empty: name another directory", dir)
		}
	}
	if err := d.Chown(c.uid, gid); err != nil {
		if made == nil {
			os.Remove(dir)
		}
		return fmt.Errorf("give %s to %s and the group: %w; run as root, or as a member of the group", dir, c.name,
			err)
	}
	return d.Chmod(shareMode)
}

// checkShare returns an error if the directory is not as makeShare leaves it.
func (c *Cluster) checkShare(dir string) error {
	st, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	owner := st.Sys().(*syscall.Stat_t)
	if st.Mode() != shareMode || int(owner.Uid) != c.uid {
		return fmt.Errorf("%s must be a directory of %s with mode 2750", dir, c.name)
	}
	return c.checkPath(dir, int(owner.Gid))
}

// checkPath returns an error if the path does not suit a socket, or if others than root and the server's user could
// replace a directory above it, or if the group could not enter one.
func (c *Cluster) checkPath(dir string, gid int) error {
	unfit := func(r rune) bool { return r <= ' ' || r == 0x7f || r == ',' || r == '"' || r == '\'' }
	switch {
	case !filepath.IsAbs(dir) || filepath.Clean(dir) != dir || dir == "/":
		return fmt.Errorf("%q is not an absolute path in its shortest form", dir)
	case len(dir) > maxSocketDir:
		return fmt.Errorf("%s is too long for a socket: %d octets at most", dir, maxSocketDir)
	case strings.ContainsFunc(dir, unfit):
		return fmt.Errorf("%q has a blank, a comma, a quote or a control character", dir)
	}
	for up := filepath.Dir(dir); ; up = filepath.Dir(up) {
		st, err := os.Lstat(up)
		if err != nil {
			return err
		}
		owner := st.Sys().(*syscall.Stat_t)
		mode := st.Mode()
		switch {
		case !mode.IsDir():
			return fmt.Errorf("%s is no directory, or a symbolic link", up)
		case owner.Uid != 0 && int(owner.Uid) != c.uid, mode&0o022 != 0 && mode&os.ModeSticky == 0:
			return fmt.Errorf("others than root and %s can write to %s, and replace what is in it", c.name, up)
		case mode&0o001 == 0 && (mode&0o010 == 0 || int(owner.Gid) != gid):
			return fmt.Errorf("the group cannot enter %s: name a directory elsewhere, or chmod o+x it", up)
		}
		if up == "/" {
			return nil
		}
	}
}
