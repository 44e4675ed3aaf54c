package doctor

import (
	"time"

	"tap25/cmd/tap25/report"
	"tap25/cmd/tap25/spools"
	"tap25/store"
)

// facts is the input of the checks. Of the traffic it holds counts only, and no address.
type facts struct {
	want       Settings
	host       hostFacts
	interfaces []interfaceFacts
	traffic    *trafficFacts // nil: tap25 did not listen
	spool      *spoolFacts   // nil: the settings cannot be read
	disks      []diskFacts
	database   *databaseFacts // nil: the settings cannot be read
	evidence   *evidenceFacts // nil: the settings name neither key nor witness
}

// spoolFacts describe where rows wait.
type spoolFacts struct {
	dir     string
	err     error // rows cannot be written, or nobody knows where
	waiting spools.Status
	age     time.Duration // of what waits longest
	room    int64         // bytes that the limit and the disk leave
	limit   int64         // of --spool-bytes
}

// diskFacts describe a file system, in bytes.
type diskFacts struct {
	holds      string // spool or database
	both       bool   // the database too
	dir        string
	err        error
	free, size int64 // free for this user
	growth     int64 // a day, by the rows of the last week; 0: not known, or not on this disk
	dropsIn    int   // days until the retention drops as much as comes; -1: never, or not known
}

// evidenceFacts describe the files of --key and --witness.
type evidenceFacts struct {
	key        string // path; "": the default
	keyErr     error
	witness    string // path; "": none
	witnessErr error
	sameDisk   bool // the witness is on the disk of the spool
}

// databaseFacts describe the database that rows will go to.
type databaseFacts struct {
	private  bool // tap25's own cluster
	none     bool // which is not made yet
	stopped  bool // or does not run
	err      error
	health   store.Health
	creators []store.Creator // who else may create objects in a schema on the search path
	open     bool            // anybody may connect
	memory   int64           // of this machine, bytes
}

// hostFacts describe the machine and this process.
type hostFacts struct {
	kernel       string // release
	major, minor int
	missing      []string // capabilities
	load         error    // of loading the XDP program; nil if missing capabilities forbade to try
	jit          bool     // BPF programs are compiled
	landlock     bool

	clock    error // its status could not be read
	unsynced bool  // the kernel's clock is not disciplined

	memlock uint64 // RLIMIT_MEMLOCK, bytes
	// memory, bytes: the least of what the machine has left and what the control group allows; 0: not known
	available uint64
}

// interfaceFacts describe one interface. A pointer is nil, and a ring's maximum 0, if the driver does not report it.
type interfaceFacts struct {
	name     string
	missing  bool
	others   []string // if it is missing: the interfaces that there are
	kind     uint16   // ARPHRD_
	up       bool
	carrier  bool
	address  bool // an IP address other than IPv6's link-local
	mtu      int
	driver   string
	attached bool // an XDP program

	lro, gro, hwGRO, untag *bool // features that are on
	ring, maxRing          int   // entries of each receive ring
	queues                 int
	symmetric              *bool // both directions of a connection use one queue

	counters, later interfaceCounters // before and after the time of listening
}

// interfaceCounters are the kernel's (struct rtnl_link_stats64).
type interfaceCounters struct {
	packets, missed, fifo, length, over uint64
}

// trafficFacts sum up all interfaces over the time of listening.
type trafficFacts struct {
	err     error         // why tap25 could not listen
	running bool          // the counters are those of a tap25 sniff that runs
	time    time.Duration // listened
	unheard bool          // nobody listened: only that a sniff runs, and how, is known

	native map[string]bool // by interface; an interface without an entry was not captured
	seen   int64           // frames that the XDP program ran on
	kept   int64           // frames of the ports, and those that only the decoder can judge
	full   int64           // lost to a full ring; for a running sniff, since its start
	cut    int64           // longer than a ring takes

	toServers, fromServers int64 // TCP segments
	badChecksums           int64 // segments
	// between the stamps of two directions, at least; for a running sniff, since its start
	skew          time.Duration
	payload, lost int64 // octets of TCP
	longest       int   // octets of the longest frame kept; 0: not known
	unread        int64 // frames kept that the decoder found damaged

	unopened []report.Unopened // frames that may hold a tunnel, by what they hold: the most frequent first
}

// generic reports whether an interface is captured in generic mode.
func (t *trafficFacts) generic(name string) bool {
	native, known := t.native[name]
	return known && !native
}
