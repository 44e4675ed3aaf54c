package cluster

import (
	"fmt"
	"os"
	"path/filepath"
)

// Owner returns the IDs of the user that the server runs as, and that owns the cluster's directory.
func (c *Cluster) Owner() (uid, gid int) { return c.uid, c.gid }

// Give changes the owner of the cluster's locks to [Cluster.Owner], for a process that root has started and that goes
// on as that user.
func (c *Cluster) Give() error {
	for _, name := range []string{"users.lock", "start.lock"} {
		if err := os.Lchown(filepath.Join(c.dir, name), c.uid, c.gid); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("give the cluster's locks to the user that tap25 becomes: %w", err)
		}
	}
	return nil
}

// Needs returns the files and directories that a process which restricts itself must still be able to read (programs,
// libraries, time zones, users) and to write, so that it can start the server anew.
func (c *Cluster) Needs() (read, write []string) {
	read = []string{filepath.Dir(c.bin), "/usr/bin", "/usr/lib", "/usr/lib64", "/usr/share", "/lib", "/lib64", "/bin",
		"/dev/urandom",
		"/etc/ld.so.cache", "/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/localtime",
		"/etc/postgresql-common"}
	write = []string{c.dir, c.socketDir(), "/dev/shm", "/dev/null"}
	if dir, err := c.Shared(); err == nil && dir != "" {
		write = append(write, dir)
	}
	return read, write
}
