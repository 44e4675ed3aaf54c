package doctor

import (
	"fmt"
	"slices"
	"strings"

	"tap25/cmd/tap25/report"
	"tap25/store/numeral"
)

func checkTraffic(t *trafficFacts, f *facts) []Check {
	c := &checkup{on: "traffic"}
	if t.err != nil {
		c.add("listen", Problem, "tap25 cannot listen: "+t.err.Error())
		return c.list
	}
	names := make([]string, len(f.interfaces))
	for i := range f.interfaces {
		names[i] = f.interfaces[i].name
	}
	again := "tap25 doctor -i " + strings.Join(names, " -i ") + " --seconds 60"
	switch over := t.time.Seconds(); {
	case t.seen == 0:
		c.add("frames", Problem, fmt.Sprintf("no frame arrived in %.0f s", over),
			"check the mirror session on the switch, and the cable", again)
		return c.list
	case t.toServers+t.fromServers == 0:
		c.add("mail", Problem, fmt.Sprintf("%s frames arrived in %.0f s, but none of TCP port %s", numeral.Grouped(t.seen), over,
			portList(f.want.Ports)),
			"mirror the ports or VLANs that the mail servers use", again)
		checkUnopened(c, t)
		return c.list
	default:
		c.add("mail", OK, fmt.Sprintf("%s frames arrived in %.0f s, %s of them with mail", numeral.Grouped(t.seen), over,
			numeral.Grouped(t.kept)))
	}
	switch {
	case t.toServers == 0:
		c.add("directions", Problem, "only what servers send: rows lack sender and recipients", otherDirection, again)
	case t.fromServers == 0:
		c.add("directions", Problem, "only what clients send: rows lack the servers' replies", otherDirection, again)
	default:
		c.add("directions", OK, "both")
	}
	checkLosses(c, t, f)
	checkFrames(c, t, f)
	checkUnopened(c, t)
	return c.list
}

// otherDirection says how to capture the missing direction. XDP runs on received frames only.
const otherDirection = "mirror both directions (rx and tx), or name the interface of the other one with a second -i; " +
	"without --inline, tap25 does not see what this host itself sends"

// checkLosses separates the losses of tap25 from those before it.
func checkLosses(c *checkup, t *trafficFacts, f *facts) {
	if t.full > 0 {
		c.add("tap25", Problem, numeral.Grouped(t.full)+" frames were lost because a ring was full",
			fmt.Sprintf("tap25 sniff --ring-bytes %d --workers %d", min(4*f.want.RingBytes, 1<<30),
				min(2*f.want.Workers, 256)))
	}
	switch {
	case t.lost > 0 && t.full == 0:
		c.add("losses", Problem, fmt.Sprintf("%s of %s octets of mail did not arrive: "+
			"the mirror port is overloaded, or the card loses frames", numeral.Grouped(t.lost), numeral.Grouped(t.lost+t.payload)),
			"mirror less, or to a faster port; ethtool -S INTERFACE shows what the card lost")
	case t.lost == 0 && t.full == 0:
		c.add("losses", OK, "none")
	}
}

// checkFrames checks if frames arrive as they were sent.
func checkFrames(c *checkup, t *trafficFacts, f *facts) {
	const headers = 14 + 4*4 + 4 // Ethernet, four tags, check sequence
	mtu := 0
	for i := range f.interfaces {
		mtu = max(mtu, f.interfaces[i].mtu)
	}
	if t.longest > mtu+headers || t.cut > 0 {
		says := fmt.Sprintf("frames of up to %d octets arrive, but the MTU is %d: something merges them", t.longest,
			mtu)
		if t.cut > 0 {
			says = numeral.Grouped(t.cut) + " frames of more than 64 KiB were cut: something merges them"
		}
		var off []string
		for i := range f.interfaces {
			off = append(off, "sudo ethtool -K "+f.interfaces[i].name+" gro off lro off")
		}
		c.add("merged", Problem, says, off...)
	}
	segments := t.toServers + t.fromServers
	switch {
	case t.badChecksums*2 > segments:
		c.add("checksums", Note, "most are wrong, probably because the senders' cards compute them: "+
			"the segments are accepted, but damaged ones cannot be recognised",
			"on the hosts that are captured: sudo ethtool -K INTERFACE tx off")
	case t.badChecksums > 0:
		c.add("checksums", Problem, fmt.Sprintf("%s of %s segments have a wrong one: damaged, or merged by a host",
			numeral.Grouped(t.badChecksums), numeral.Grouped(segments)),
			"check the cable, the transceiver and the tap")
	}
	if text := report.SkewText(t.skew); text != "" {
		c.add("clocks", Note, text+": rows are right, but their times differ by as much",
			"capture both directions with one card, or synchronise the clocks of the cards (phc2sys)")
	}
	if t.unread*100 > t.kept { // every network has a few
		c.add("decoder", Problem, numeral.Grouped(t.unread)+" frames arrived damaged or cut",
			"have the mirror send whole frames (no truncation, no packet slicing)")
	}
}

// checkUnopened names what may hold tunnels that tap25 does not read, if it is more than one frame in a hundred.
// Whoever knows the network knows whether mail is in them.
func checkUnopened(c *checkup, t *trafficFacts) {
	const most = 5
	var sum int64
	for _, u := range t.unopened {
		sum += u.Frames
	}
	if sum*100 <= t.seen {
		c.add("tunnels", OK, "next to no frames hold what tap25 does not read")
		return
	}
	kinds := report.UnopenedText(t.unopened[:min(len(t.unopened), most)])
	c.add("tunnels", Note, fmt.Sprintf("%s of %s frames hold protocols that tap25 does not read; it misses any mail "+
		"in them: %s", numeral.Grouped(sum), numeral.Grouped(t.seen), kinds),
		"if mail is in one of these, mirror it before it enters the tunnel, or behind its end")
}

func portList(ports []uint16) string {
	list := make([]string, len(ports))
	for i, p := range slices.Sorted(slices.Values(ports)) {
		list[i] = fmt.Sprint(p)
	}
	return strings.Join(list, ", ")
}
