package main

import (
	"fmt"
	"slices"
	"strings"
)

func checkTraffic(t *trafficFacts, f *doctorFacts) []doctorCheck {
	c := &checkup{on: "traffic"}
	if t.err != nil {
		c.add("listen", checkProblem, "cannot listen: "+t.err.Error())
		return c.list
	}
	names := make([]string, len(f.interfaces))
	for i := range f.interfaces {
		names[i] = f.interfaces[i].name
	}
	again := "tap25 doctor -i " + strings.Join(names, " -i ") + " --seconds 60"
	switch over := t.time.Seconds(); {
	case t.seen == 0:
		c.add("frames", checkProblem, fmt.Sprintf("none came in %.0f s", over), "look after the mirror session at the switch, and the cable", again)
		return c.list
	case t.toServers+t.fromServers == 0:
		c.add("mail", checkProblem, fmt.Sprintf("%d frames came in %.0f s, and none of TCP port %s", t.seen, over, portList(f.want.ports)), "mirror the ports or VLANs that the mail servers use", again)
		return c.list
	default:
		c.add("mail", checkOK, fmt.Sprintf("%d frames came in %.0f s, %d of them with mail", t.seen, over, t.kept))
	}
	switch {
	case t.toServers == 0:
		c.add("directions", checkProblem, "only what servers send: sender and recipients are not in it", otherDirection, again)
	case t.fromServers == 0:
		c.add("directions", checkProblem, "only what is sent to servers: what became of a mail is not in it", otherDirection, again)
	default:
		c.add("directions", checkOK, "both")
	}
	checkLosses(c, t, f)
	checkFrames(c, t, f)
	return c.list
}

// otherDirection is how to get it. XDP runs on what arrives: what a host sends through the interface itself is not seen.
const otherDirection = "mirror both directions (rx and tx), or give the other one's interface by a second -i; what this host itself sends is never seen"

// checkLosses tells tap25's own losses from those before it.
func checkLosses(c *checkup, t *trafficFacts, f *doctorFacts) {
	if t.full > 0 {
		c.add("tap25", checkProblem, fmt.Sprintf("%d frames were lost to full rings", t.full), fmt.Sprintf("tap25 sniff --ring-bytes %d --workers %d", min(4*f.want.ringBytes, 1<<30), min(2*f.want.workers, 256)))
	}
	switch {
	case t.lost > 0 && t.full == 0:
		c.add("losses", checkProblem, fmt.Sprintf("%d of %d octets of mail never came here: the mirror sends more than its port carries, or the card loses frames", t.lost, t.lost+t.payload),
			"mirror less, or to a faster port; ethtool -S INTERFACE shows what the card lost")
	case t.lost == 0 && t.full == 0:
		c.add("losses", checkOK, "none")
	}
}

// checkFrames judges what the frames look like.
func checkFrames(c *checkup, t *trafficFacts, f *doctorFacts) {
	const headers = 14 + 4*4 + 4 // Ethernet, four tags, check sequence
	mtu := 0
	for i := range f.interfaces {
		mtu = max(mtu, f.interfaces[i].mtu)
	}
	if t.longest > mtu+headers || t.cut > 0 {
		says := fmt.Sprintf("frames of up to %d octets come, with an MTU of %d: something merges them", t.longest, mtu)
		if t.cut > 0 {
			says = fmt.Sprintf("%d frames were cut: something merges them to more than 64 KiB", t.cut)
		}
		var off []string
		for i := range f.interfaces {
			off = append(off, "sudo ethtool -K "+f.interfaces[i].name+" gro off lro off")
		}
		c.add("merged", checkProblem, says, off...)
	}
	segments := t.toServers + t.fromServers
	switch {
	case t.badChecksums*2 > segments:
		c.add("checksums", checkNote, "most are wrong, as where the senders' cards fill them in: accepted, but damaged frames cannot be told", "at the hosts that are captured: sudo ethtool -K INTERFACE tx off")
	case t.badChecksums > 0:
		c.add("checksums", checkProblem, fmt.Sprintf("%d of %d segments are damaged on their way", t.badChecksums, segments), "look after cable, transceiver and tap")
	}
	if t.unread*100 > t.kept { // a few are met everywhere
		c.add("decoder", checkProblem, fmt.Sprintf("%d frames are damaged or cut before they come here", t.unread), "have the mirror send whole frames (no truncation, no packet slicing)")
	}
}

func portList(ports []uint16) string {
	list := make([]string, len(ports))
	for i, p := range slices.Sorted(slices.Values(ports)) {
		list[i] = fmt.Sprint(p)
	}
	return strings.Join(list, ", ")
}
