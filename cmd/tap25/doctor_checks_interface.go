package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

func checkInterface(i *interfaceFacts, f *doctorFacts) []doctorCheck {
	c := &checkup{on: i.name}
	if i.missing {
		c.add("link", checkProblem, "there is no such interface", "ip -br link")
		return c.list
	}
	if i.kind != unix.ARPHRD_ETHER && i.kind != unix.ARPHRD_LOOPBACK {
		c.add("link", checkProblem, fmt.Sprintf("not an Ethernet interface (ARPHRD type %d)", i.kind), "listen on the one that carries it")
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

func checkLink(c *checkup, i *interfaceFacts, f *doctorFacts) {
	switch {
	case !i.up:
		c.add("link", checkProblem, "down", "sudo ip link set dev "+i.name+" up")
	case !i.carrier:
		c.add("link", checkProblem, "no carrier", "plug the cable in, or enable the port at the switch")
	default:
		c.add("link", checkOK, fmt.Sprintf("up, with carrier, MTU %d, driver %s", i.mtu, orDash(i.driver)))
	}
	if i.address && !f.want.inline {
		c.add("address", checkProblem, "it has an IP address: sniff refuses it, since the host would be cut off", "sudo ip address flush dev "+i.name, "or, where it carries the host's traffic, tap25 sniff --inline")
	}
}

// checkMode says where the XDP program runs, which only attaching shows.
func checkMode(c *checkup, i *interfaceFacts, f *doctorFacts) {
	t := f.traffic
	running := t != nil && t.running
	if i.attached && !running {
		c.add("XDP", checkProblem, "another XDP program is attached, and one interface takes one", "sudo bpftool net show dev "+i.name, "sudo ip link set dev "+i.name+" xdp off")
		return
	}
	native, known := false, false
	if t != nil {
		native, known = t.native[i.name]
	}
	switch {
	case !known:
		c.add("XDP", checkUnknown, "whether the driver runs it shows when it is attached")
	case native:
		c.add("XDP", checkOK, "runs in the driver (native)")
	case f.want.xdp == "generic":
		c.add("XDP", checkNote, "runs in generic mode, as asked for: several times the CPU")
	case i.mtu > 1500:
		c.add("XDP", checkProblem, fmt.Sprintf("the driver runs no XDP with an MTU of %d, or not at all: generic mode costs several times the CPU", i.mtu),
			"sudo ip link set dev "+i.name+" mtu 1500", "or, where longer frames arrive, a card with multi-buffer XDP")
	case isOn(i.lro) || isOn(i.hwGRO):
		c.add("XDP", checkProblem, "the driver runs no XDP while it merges segments, or not at all: generic mode costs several times the CPU", mergingOff(i)...)
	default:
		c.add("XDP", checkProblem, "the driver runs none: generic mode costs several times the CPU, and loses frames sooner", "use a card whose driver has native XDP (such as i40e, ice, ixgbe, mlx5, bnxt)")
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

// checkMerging looks for what makes one long frame of several. The kernel's own GRO stands behind native XDP, and before generic.
func checkMerging(c *checkup, i *interfaceFacts, f *doctorFacts) {
	merges := mergingOff(i)
	if len(merges) > 0 {
		c.add("LRO", checkProblem, "the card merges segments before tap25 sees them: their times and checksums are lost, and what is over 64 KiB is cut", merges...)
	}
	switch generic := f.traffic != nil && f.traffic.generic(i.name); {
	case isOn(i.gro) && generic:
		c.add("GRO", checkProblem, "the kernel merges segments before generic XDP: their times and checksums are lost, and what is over 64 KiB is cut", "sudo ethtool -K "+i.name+" gro off")
	case isOn(i.gro) && len(merges) == 0:
		c.add("GRO", checkOK, "on, but behind native XDP: tap25 sees single frames")
	case len(merges) == 0 && (i.gro != nil || i.lro != nil):
		c.add("GRO", checkOK, "no segments are merged")
	}
}

func checkQueues(c *checkup, i *interfaceFacts) {
	switch {
	case i.maxRing == 0:
	case i.ring < i.maxRing:
		c.add("ring", checkProblem, fmt.Sprintf("the card's receive ring has %d of %d entries: it loses frames in bursts", i.ring, i.maxRing), fmt.Sprintf("sudo ethtool -G %s rx %d", i.name, i.maxRing))
	default:
		c.add("ring", checkOK, fmt.Sprintf("the card's receive ring has all its %d entries", i.ring))
	}
	switch {
	case i.queues <= 1:
	case i.symmetric == nil:
		c.add("RSS", checkNote, fmt.Sprintf("%d queues, and the driver does not tell how connections are spread over them; %s", i.queues, whyRSS), "sudo ethtool -L "+i.name+" combined 1")
	case !*i.symmetric:
		c.add("RSS", checkNote, fmt.Sprintf("%d queues, and the two directions of a connection come through different ones; %s", i.queues, whyRSS),
			"sudo ethtool -X "+i.name+" hkey "+symmetricKey+" equal "+fmt.Sprint(i.queues), "or, where the driver has it, sudo ethtool -X "+i.name+" xfrm symmetric-xor")
	default:
		c.add("RSS", checkOK, fmt.Sprintf("%d queues, both directions of a connection in one", i.queues))
	}
}

// whyRSS is what an asymmetric spread does to tap25, whose XDP program hashes by itself.
const whyRSS = "no row depends on it, since tap25 brings both into one ring and orders them by TCP's numbers; only next to a loss more rows may say gap"

// symmetricKey repeats 16 bits, as Toeplitz needs it to hash both directions alike; of 40 octets, as most cards have it.
const symmetricKey = "6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a"

func checkTags(c *checkup, i *interfaceFacts) {
	if isOn(i.untag) {
		c.add("VLAN", checkNote, "the card may take VLAN tags off before tap25 sees the frame: rows are the same, unless VLANs use the same addresses and ports at the same time", "sudo ethtool -K "+i.name+" rxvlan off")
	}
}

// checkCounters says what the card lost while tap25 listened.
func checkCounters(c *checkup, i *interfaceFacts, f *doctorFacts) {
	if f.traffic == nil || f.traffic.err != nil {
		return
	}
	now, was := i.later, i.counters
	if now.packets == was.packets && f.traffic.seen > 0 {
		c.add("frames", checkProblem, "none came, while some came on another interface", "look after the mirror session or the tap's port of this interface")
	}
	if n := now.missed - was.missed + now.fifo - was.fifo; n > 0 {
		c.add("card", checkProblem, fmt.Sprintf("it lost %d frames while tap25 listened, for want of room", n), fmt.Sprintf("sudo ethtool -G %s rx %d", i.name, max(i.maxRing, 4096)), "and more queues: sudo ethtool -L "+i.name+" combined N")
	}
	if n := now.length - was.length + now.over - was.over; n > 0 {
		c.add("MTU", checkProblem, fmt.Sprintf("the card refused %d frames longer than its MTU of %d", n, i.mtu), fmt.Sprintf("sudo ip link set dev %s mtu %d", i.name, longerMTU(i.mtu)))
	}
}

// longerMTU is the usual step up: of a page with native XDP's headroom, then of jumbo frames.
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
