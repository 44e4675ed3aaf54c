package doctor

import (
	"fmt"
	"net"
	"strings"

	"tap25/cmd/tap25/report"
)

// The states of a check.
const (
	OK   = "ok"
	Note = "note" // worth knowing; nothing is lost or misread
	// packets or rows are, or will be, lost or misread; tap25 sniff will not start; or others may read or forge what is
	// recorded
	Problem = "problem"
	Unknown = "unknown" // the check could not be made
)

// Check is the result of one check.
type Check struct {
	On    string   `json:"on"` // host, traffic, settings, spool, disk, database, evidence or the name of an interface
	Name  string   `json:"name"`
	State string   `json:"state"`
	Says  string   `json:"says"`
	Fix   []string `json:"fix,omitempty"` // commands to run, or other steps
}

// checkAll runs every check on the facts.
func checkAll(f *facts) []Check {
	list := checkHost(&f.host, &f.want)
	for i := range f.interfaces {
		list = append(list, checkInterface(&f.interfaces[i], f)...)
	}
	if f.traffic != nil && !f.traffic.unheard {
		list = append(list, checkTraffic(f.traffic, f)...)
	}
	list = append(list, checkSettings(&f.want)...)
	if f.spool != nil {
		list = append(list, checkSpool(f.spool)...)
	}
	for i := range f.disks {
		list = append(list, checkDisk(&f.disks[i]))
	}
	if f.database != nil {
		list = append(list, checkDatabase(f.database, &f.want)...)
	}
	if f.evidence != nil {
		list = append(list, checkEvidence(f.evidence)...)
	}
	return list
}

// checkup collects the checks of one subject.
type checkup struct {
	on   string
	list []Check
}

func (c *checkup) add(name, state, says string, fix ...string) {
	c.list = append(c.list, Check{c.on, name, state, says, fix})
}

func checkHost(h *hostFacts, want *Settings) []Check {
	c := &checkup{on: "host"}
	if len(h.missing) > 0 {
		caps := strings.ToLower(strings.Join(h.missing, ","))
		c.add("capabilities", Problem, "missing: "+strings.Join(h.missing, ", "),
			"sudo setcap "+caps+"+ep "+want.Program, "or run tap25 as root, or with systemctl start tap25")
	} else {
		c.add("capabilities", OK, "tap25 has all that it needs to attach")
	}
	checkKernel(c, h)
	switch {
	case h.clock != nil:
		c.add("clock", Unknown, "the kernel's clock status cannot be read: "+h.clock.Error())
	case h.unsynced:
		c.add("clock", Problem, "not synchronised: the times in rows drift from those of other machines",
			"sudo timedatectl set-ntp true", "or sudo apt install chrony")
	default:
		c.add("clock", OK, "synchronised")
	}
	checkMemory(c, h, want)
	checkMetrics(c, want.Metrics)
	return c.list
}

// checkMetrics checks if other hosts can read the metrics.
func checkMetrics(c *checkup, address string) {
	if address == "" {
		return
	}
	a, err := net.ResolveTCPAddr("tcp", address)
	switch {
	case err != nil:
		c.add("metrics", Unknown, "the address of --metrics cannot be resolved: "+err.Error())
	case !report.Loopback(a):
		c.add("metrics", Note, report.ExposedMetrics, "tap25 sniff --metrics 127.0.0.1:9425")
	default:
		c.add("metrics", OK, "served to this host only")
	}
}

// checkKernel checks what the XDP program needs: Linux 5.18 added bpf_xdp_load_bytes.
func checkKernel(c *checkup, h *hostFacts) {
	older := func(major, minor int) bool { return h.major < major || h.major == major && h.minor < minor }
	switch {
	case older(5, 18):
		c.add("kernel", Problem, h.kernel+" is too old: the XDP program needs Linux 5.18",
			"use Linux 5.19 or newer, as in Debian 12")
	case h.load != nil:
		c.add("kernel", Problem, h.kernel+" refuses the XDP program: "+h.load.Error(),
			"use a kernel with CONFIG_BPF_SYSCALL and CONFIG_BPF_JIT")
	case len(h.missing) > 0:
		c.add("kernel", Unknown, h.kernel+": tap25 cannot load the XDP program to try it without the missing "+
			"capabilities")
	case older(5, 19):
		c.add("kernel", Note, h.kernel+" accepts the XDP program, but before Linux 5.19 "+
			"an interface that disappears and comes back is captured again only after a restart of tap25")
	default:
		c.add("kernel", OK, h.kernel+" accepts the XDP program")
	}
	if !h.jit {
		c.add("JIT", Problem,
			"the kernel interprets BPF programs: they run several times slower, and frames are lost at high rates",
			"sudo sysctl -w net.core.bpf_jit_enable=1")
	}
	if !h.landlock {
		c.add("Landlock", Note, "the kernel does not provide it: only file modes protect other files from tap25",
			"add landlock to lsm= on the kernel's command line")
	}
}

// checkMemory compares the size of the rings with the memory left. Since Linux 5.11 rings count against the control
// group, not against RLIMIT_MEMLOCK.
func checkMemory(c *checkup, h *hostFacts, want *Settings) {
	rings := uint64(want.Workers) * uint64(want.RingBytes)
	if h.major < 5 || h.major == 5 && h.minor < 11 {
		if h.memlock < rings {
			c.add("memlock", Problem, fmt.Sprintf("RLIMIT_MEMLOCK is %s, but the rings need %s",
				report.Bytes(int64(h.memlock)), report.Bytes(int64(rings))),
				"ulimit -l unlimited")
		}
		return
	}
	switch {
	case h.available == 0:
		c.add("memory", Unknown, "the amount of free memory cannot be read")
	case h.available < 2*rings:
		c.add("memory", Problem, fmt.Sprintf("%s are free; the rings need %s, and connections at least as much again",
			report.Bytes(int64(h.available)), report.Bytes(int64(rings))),
			"tap25 sniff --ring-bytes 8388608",
			"or raise the control group's limit: sudo systemctl set-property tap25 MemoryMax=infinity")
	default:
		c.add("memory", OK, fmt.Sprintf("%s are free, the rings need %s (since Linux 5.11 RLIMIT_MEMLOCK does not "+
			"apply)",
			report.Bytes(int64(h.available)), report.Bytes(int64(rings))))
	}
}
