package doctor

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"tap25/store/numeral"
)

func checkInterface(i *interfaceFacts, f *facts) []Check {
	c := &checkup{on: i.name}
	if i.missing {
		c.add("link", Problem, "there is no such interface; there are "+strings.Join(i.others, ", "), "ip -br link")
		return c.list
	}
	if i.kind != unix.ARPHRD_ETHER && i.kind != unix.ARPHRD_LOOPBACK {
		c.add("link", Problem, fmt.Sprintf("not an Ethernet interface (ARPHRD type %d)", i.kind),
			"capture on the Ethernet interface that carries it")
		return c.list
	}
	checkLink(c, i, f)
	checkMode(c, i, f)
	checkMerging(c, i, f)
	checkQueues(c, i)
	checkTags(c, i)
	checkCounters(c, i, f)
	return c.list
}

func checkLink(c *checkup, i *interfaceFacts, f *facts) {
	switch {
	case !i.up:
		c.add("link", Problem, "the interface is down", "sudo ip link set dev "+i.name+" up")
	case !i.carrier:
		c.add("link", Problem, "the interface has no carrier", "plug the cable in, or enable the port on the switch")
	default:
		c.add("link", OK, fmt.Sprintf("up, with carrier, MTU %d, driver %s", i.mtu, orDash(i.driver)))
	}
	if i.address && !f.want.Inline {
		c.add("address", Problem, "the interface has an IP address: tap25 sniff refuses it, because it would cut the host off",
			"if it carries the host's traffic: tap25 sniff --inline -i "+i.name,
			"if it is for the mirror alone: remove its addresses from the network configuration")
	}
}

// checkMode reports where the XDP program runs, which is known only once it is attached.
func checkMode(c *checkup, i *interfaceFacts, f *facts) {
	t := f.traffic
	running := t != nil && t.running
	if i.attached && !running {
		c.add("XDP", Problem, "another XDP program is attached, and an interface can have only one",
			"sudo bpftool net show dev "+i.name, "sudo ip link set dev "+i.name+" xdp off")
		return
	}
	native, known := false, false
	if t != nil {
		native, known = t.native[i.name]
	}
	switch {
	case !known:
		c.add("XDP", Unknown, "unknown until the program is attached")
	case native:
		c.add("XDP", OK, "runs in the driver (native)")
	case f.want.XDP == "generic":
		c.add("XDP", Note, "runs in generic mode, as --xdp says: it costs several times the CPU")
	case i.mtu > 1500:
		c.add("XDP", Problem, fmt.Sprintf("the driver has no native XDP, or none with an MTU of %d: generic mode costs several times the CPU", i.mtu),
			"sudo ip link set dev "+i.name+" mtu 1500", "or, if longer frames arrive, use a card with multi-buffer XDP")
	case isOn(i.lro) || isOn(i.hwGRO):
		c.add("XDP", Problem, "the driver has no native XDP, or none while it merges segments: generic mode costs several times the CPU",
			mergingOff(i)...)
	default:
		c.add("XDP", Problem, "the driver has no native XDP: generic mode costs several times the CPU, and loses frames sooner",
			"use a card whose driver has native XDP (such as i40e, ice, ixgbe, mlx5, bnxt)")
	}
}

func isOn(b *bool) bool { return b != nil && *b }

func mergingOff(i *interfaceFacts) (commands []string) {
	if isOn(i.lro) {
		commands = append(commands, "sudo ethtool -K "+i.name+" lro off")
	}
	if isOn(i.hwGRO) {
		commands = append(commands, "sudo ethtool -K "+i.name+" rx-gro-hw off")
	}
	return commands
}

// checkMerging looks for offloads that merge segments into one long frame. The kernel's GRO runs after native XDP, but
// before generic XDP.
func checkMerging(c *checkup, i *interfaceFacts, f *facts) {
	merges := mergingOff(i)
	if len(merges) > 0 {
		c.add("LRO", Problem, "the card merges segments before tap25 sees them: times and checksums are lost, and frames over 64 KiB are cut",
			merges...)
	}
	switch generic := f.traffic != nil && f.traffic.generic(i.name); {
	case isOn(i.gro) && generic:
		c.add("GRO", Problem, "the kernel merges segments before generic XDP: times and checksums are lost, and frames over 64 KiB are cut",
			"sudo ethtool -K "+i.name+" gro off")
	case isOn(i.gro) && len(merges) == 0:
		c.add("GRO", OK, "on, but it runs after native XDP: tap25 sees single frames")
	case len(merges) == 0 && (i.gro != nil || i.lro != nil):
		c.add("GRO", OK, "off: no segments are merged")
	}
}

func checkQueues(c *checkup, i *interfaceFacts) {
	switch {
	case i.maxRing == 0:
	case i.ring < i.maxRing:
		c.add("ring", Problem, fmt.Sprintf("the card's receive ring has %d of %d entries: the card loses frames in bursts", i.ring, i.maxRing),
			fmt.Sprintf("sudo ethtool -G %s rx %d", i.name, i.maxRing))
	default:
		c.add("ring", OK, fmt.Sprintf("the card's receive ring has the most entries that it can, %d", i.ring))
	}
	switch {
	case i.queues <= 1:
	case i.symmetric == nil:
		c.add("RSS", Note, fmt.Sprintf("%d queues, and the driver does not report how it spreads connections over them; %s", i.queues, whyRSS),
			"sudo ethtool -L "+i.name+" combined 1")
	case !*i.symmetric:
		c.add("RSS", Note, fmt.Sprintf("%d queues, and the two directions of a connection use different ones; %s", i.queues, whyRSS),
			"sudo ethtool -X "+i.name+" hkey "+symmetricKey+" equal "+fmt.Sprint(i.queues),
			"or, if the driver supports it, sudo ethtool -X "+i.name+" xfrm symmetric-xor")
	default:
		c.add("RSS", OK, fmt.Sprintf("%d queues; both directions of a connection use the same one", i.queues))
	}
}

// whyRSS is the effect of asymmetric queues on tap25, whose XDP program computes its own hash.
const whyRSS = "tap25 puts both directions into one ring and orders them by TCP sequence numbers, so rows are the same; " +
	"only near a loss may more rows have the flag gap"

// symmetricKey repeats 16 bits, so that Toeplitz gives both directions the same hash. Most cards take a key of 40
// octets.
const symmetricKey = "6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:" +
	"6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a"

func checkTags(c *checkup, i *interfaceFacts) {
	if isOn(i.untag) {
		c.add("VLAN", Note, "the card may remove VLAN tags before tap25 sees the frame: "+
			"rows do not name the VLAN, and connections of two VLANs with the same addresses and ports are taken for one",
			"sudo ethtool -K "+i.name+" rxvlan off")
	}
}

// checkCounters reports what the card lost while tap25 listened.
func checkCounters(c *checkup, i *interfaceFacts, f *facts) {
	if f.traffic == nil || f.traffic.err != nil || f.traffic.unheard {
		return
	}
	now, was := i.later, i.counters
	if now.packets == was.packets && f.traffic.seen > 0 {
		c.add("frames", Problem, "no frame arrived, although some arrived on another interface",
			"check the mirror session, or the port of the tap, that feeds this interface")
	}
	if n := now.missed - was.missed + now.fifo - was.fifo; n > 0 {
		c.add("card", Problem, fmt.Sprintf("the card lost %s frames while tap25 listened: its receive ring was full",
			numeral.Grouped(int64(n))),
			fmt.Sprintf("sudo ethtool -G %s rx %d", i.name, max(i.maxRing, 4096)), "and more queues: sudo ethtool -L "+i.name+" combined N")
	}
	if n := now.length - was.length + now.over - was.over; n > 0 {
		c.add("MTU", Problem, fmt.Sprintf("the card dropped %s frames longer than its MTU of %d",
			numeral.Grouped(int64(n)), i.mtu),
			fmt.Sprintf("sudo ip link set dev %s mtu %d", i.name, longerMTU(i.mtu)))
	}
}

// longerMTU is the next usual MTU: what fits a page with the headroom of native XDP, then jumbo frames.
func longerMTU(mtu int) int {
	if mtu < 3000 {
		return 3000
	}
	return 9216
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
