package main

import (
	"time"

	"tap25/store"
)

// doctorFacts is all that the checks judge. It holds no address and nothing of the traffic but counts.
type doctorFacts struct {
	want       doctorWants
	host       hostFacts
	interfaces []interfaceFacts
	traffic    *trafficFacts  // nil: not listened
	database   *databaseFacts // nil: none is named, or the private cluster, which lets nobody else in
}

// databaseFacts are of the database that rows are to go to.
type databaseFacts struct {
	err      error           // it could not be asked
	creators []store.Creator // who else may create in a schema that is searched
	open     bool            // anybody may connect
}

// doctorWants is how tap25 sniff would be run.
type doctorWants struct {
	workers   int
	ringBytes int
	inline    bool
	xdp       string // --xdp
	ports     []uint16
	program   string // path of tap25
	metrics   string // --metrics
}

// hostFacts are of the machine and of this process.
type hostFacts struct {
	kernel       string // release
	major, minor int
	missing      []string // capabilities
	load         error    // of loading the XDP program; nil where it was not tried for want of capabilities
	jit          bool     // BPF programs are compiled
	landlock     bool

	clock    error // it could not be asked
	unsynced bool  // the kernel's clock is not disciplined

	memlock   uint64 // RLIMIT_MEMLOCK, bytes
	available uint64 // memory, bytes: the least of what the machine has left and what the control group allows; 0: not known
}

// interfaceFacts are of one interface. A pointer is nil, and a ring's maximum 0, where the driver does not tell.
type interfaceFacts struct {
	name     string
	missing  bool
	kind     uint16 // ARPHRD_
	up       bool
	carrier  bool
	address  bool // an IP address other than IPv6's link-local
	mtu      int
	driver   string
	attached bool // an XDP program

	lro, gro, hwGRO, untag *bool // features that are on
	ring, maxRing          int   // entries of each receive ring
	queues                 int
	symmetric              *bool // both directions of a connection come through one queue

	counters, later interfaceCounters // before and behind the time of listening
}

// interfaceCounters are the kernel's (struct rtnl_link_stats64).
type interfaceCounters struct {
	packets, missed, fifo, length, over uint64
}

// trafficFacts is what was heard on all interfaces together, in the time of listening.
type trafficFacts struct {
	err     error         // could not listen
	running bool          // the counters are those of a tap25 sniff that runs
	time    time.Duration // listened

	native map[string]bool // by interface; what is not in it is not listened on
	seen   int64           // frames that the XDP program ran on
	kept   int64           // those of the ports, and those that the decoder must judge
	full   int64           // lost to a full ring; of a running sniff since its start
	cut    int64           // longer than a ring takes

	toServers, fromServers int64 // TCP segments
	badChecksums           int64 // segments
	payload, lost          int64 // octets of TCP
	longest                int   // octets of the longest frame kept; 0: not known
	unread                 int64 // frames kept that the decoder found damaged
}

// generic says that an interface is listened on in generic mode.
func (t *trafficFacts) generic(name string) bool {
	native, known := t.native[name]
	return known && !native
}
