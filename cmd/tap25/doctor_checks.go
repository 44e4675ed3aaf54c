package main

import (
	"fmt"
	"net"
	"strings"
)

// The states of a check.
const (
	checkOK      = "ok"
	checkNote    = "note"    // worth knowing; no packet is lost or misread
	checkProblem = "problem" // packets are, or will be, lost or misread; or others may read or forge what is recorded
	checkUnknown = "unknown" // could not be found out
)

// doctorCheck is the result of one check.
type doctorCheck struct {
	On    string   `json:"on"` // host, traffic, database or an interface
	Name  string   `json:"name"`
	State string   `json:"state"`
	Says  string   `json:"says"`
	Fix   []string `json:"fix,omitempty"` // commands, or what else to do
}

// checkAll judges facts.
func checkAll(f *doctorFacts) []doctorCheck {
	list := checkHost(&f.host, &f.want)
	for i := range f.interfaces {
		list = append(list, checkInterface(&f.interfaces[i], f)...)
	}
	if f.traffic != nil {
		list = append(list, checkTraffic(f.traffic, f)...)
	}
	if f.database != nil {
		list = append(list, checkDatabase(f.database)...)
	}
	return list
}

// checkup gathers checks on one thing.
type checkup struct {
	on   string
	list []doctorCheck
}

func (c *checkup) add(name, state, says string, fix ...string) {
	c.list = append(c.list, doctorCheck{c.on, name, state, says, fix})
}

func checkHost(h *hostFacts, want *doctorWants) []doctorCheck {
	c := &checkup{on: "host"}
	if len(h.missing) > 0 {
		caps := strings.ToLower(strings.Join(h.missing, ","))
		c.add("capabilities", checkProblem, "missing: "+strings.Join(h.missing, ", "), "sudo setcap "+caps+"+ep "+want.program, "or run it as root, or by systemctl start tap25")
	} else {
		c.add("capabilities", checkOK, "all that attaching takes")
	}
	checkKernel(c, h)
	switch {
	case h.clock != nil:
		c.add("clock", checkUnknown, "cannot be asked: "+h.clock.Error())
	case h.unsynced:
		c.add("clock", checkProblem, "not synchronised: the times in rows drift from those of other machines", "sudo timedatectl set-ntp true", "or sudo apt install chrony")
	default:
		c.add("clock", checkOK, "synchronised")
	}
	checkMemory(c, h, want)
	checkMetrics(c, want.metrics)
	return c.list
}

// checkMetrics looks whether others than this host may ask for metrics.
func checkMetrics(c *checkup, address string) {
	if address == "" {
		return
	}
	a, err := net.ResolveTCPAddr("tcp", address)
	switch {
	case err != nil:
		c.add("metrics", checkUnknown, "the address of --metrics is not known: "+err.Error())
	case !loopback(a):
		c.add("metrics", checkNote, exposedMetrics, "tap25 sniff --metrics 127.0.0.1:9425")
	default:
		c.add("metrics", checkOK, "served to this host alone")
	}
}

// checkKernel wants what the XDP program takes: bpf_xdp_load_bytes came with Linux 5.18.
func checkKernel(c *checkup, h *hostFacts) {
	older := func(major, minor int) bool { return h.major < major || h.major == major && h.minor < minor }
	switch {
	case older(5, 18):
		c.add("kernel", checkProblem, h.kernel+" is too old: the XDP program takes Linux 5.18", "use Linux 5.19 or newer, as in Debian 12")
	case h.load != nil:
		c.add("kernel", checkProblem, h.kernel+" refuses the XDP program: "+h.load.Error(), "use a kernel with CONFIG_BPF_SYSCALL and CONFIG_BPF_JIT")
	case len(h.missing) > 0:
		c.add("kernel", checkUnknown, h.kernel+": whether it takes the XDP program shows with the capabilities")
	case older(5, 19):
		c.add("kernel", checkNote, h.kernel+" takes the XDP program; but an interface that goes away and comes back is listened on again only after a restart, before Linux 5.19")
	default:
		c.add("kernel", checkOK, h.kernel+" takes the XDP program")
	}
	if !h.jit {
		c.add("JIT", checkProblem, "BPF programs are interpreted: several times slower, frames are lost at high rates", "sudo sysctl -w net.core.bpf_jit_enable=1")
	}
	if !h.landlock {
		c.add("Landlock", checkNote, "the kernel has none: files are protected from tap25 by their modes alone", "add landlock to lsm= on the kernel's command line")
	}
}

// checkMemory holds the rings against what there is. Since Linux 5.11 they count against the control group, not RLIMIT_MEMLOCK.
func checkMemory(c *checkup, h *hostFacts, want *doctorWants) {
	rings := uint64(want.workers) * uint64(want.ringBytes)
	if h.major < 5 || h.major == 5 && h.minor < 11 {
		if h.memlock < rings {
			c.add("memlock", checkProblem, fmt.Sprintf("RLIMIT_MEMLOCK is %s, the rings take %s", sizeOf(h.memlock), sizeOf(rings)), "ulimit -l unlimited")
		}
		return
	}
	switch {
	case h.available == 0:
		c.add("memory", checkUnknown, "how much is left cannot be read")
	case h.available < 2*rings:
		c.add("memory", checkProblem, fmt.Sprintf("%s are left; the rings take %s, and what is held for connections as much and more", sizeOf(h.available), sizeOf(rings)),
			"tap25 sniff --ring-bytes 8388608", "or raise the control group's limit: sudo systemctl set-property tap25 MemoryMax=infinity")
	default:
		c.add("memory", checkOK, fmt.Sprintf("%s are left, the rings take %s (RLIMIT_MEMLOCK does not count since Linux 5.11)", sizeOf(h.available), sizeOf(rings)))
	}
}

// sizeOf writes octets as people do.
func sizeOf(n uint64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 1<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}
