package cluster

import "path/filepath"

// What the tests of package cluster_test look at.

// Starts reports whether the server that runs is a child of this process.
func (c *Cluster) Starts() bool { return c.server != nil }

func (c *Cluster) StateDir() string  { return c.dir }
func (c *Cluster) SocketDir() string { return c.socketDir() }

// SetServer makes the programs in a directory the installed ones.
func (c *Cluster) SetServer(dir string) { c.bin = dir }

var SharedBuffers = sharedBuffers

// FindServer returns the version of the server that the cluster takes of those below a directory.
func (c *Cluster) FindServer(dir string) string {
	bin, _ := c.findServer(filepath.Join(dir, "*", "bin"))
	return filepath.Base(filepath.Dir(bin))
}
