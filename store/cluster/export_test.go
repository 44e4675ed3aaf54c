package cluster

// What the tests of package cluster_test look at.

// Starts reports whether the server that runs is a child of this process.
func (c *Cluster) Starts() bool { return c.server != nil }

func (c *Cluster) StateDir() string  { return c.dir }
func (c *Cluster) SocketDir() string { return c.socketDir() }

var SharedBuffers = sharedBuffers
