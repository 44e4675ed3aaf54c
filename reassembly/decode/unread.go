package decode

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
)

// maxUnread is how many kinds of frames [Decoder.Unread] counts.
const maxUnread = 16

// Unread is what a frame holds that the decoder does not read, but that may hold a tunnel: a kind of number, and the
// number. Its String has a closed vocabulary.
type Unread struct {
	kind   unreadKind
	number uint16
}

type unreadKind uint8

const (
	unreadNothing unreadKind = iota
	unreadEtherType
	unreadIPProtocol
	unreadUDPPort
	unreadPPPProtocol
	unreadLinkType
)

// String names it by the numbers of the registries: "ethertype 0x88f7", "ip protocol 50", "udp port 500", "ppp
// protocol 0x003d", "link type 147".
func (u Unread) String() string {
	switch u.kind {
	case unreadEtherType:
		return fmt.Sprintf("ethertype 0x%04x", u.number)
	case unreadIPProtocol:
		return fmt.Sprintf("ip protocol %d", u.number)
	case unreadUDPPort:
		return fmt.Sprintf("udp port %d", u.number)
	case unreadPPPProtocol:
		return fmt.Sprintf("ppp protocol 0x%04x", u.number)
	case unreadLinkType:
		return fmt.Sprintf("link type %d", u.number)
	}
	return "nothing"
}

// UnreadEtherType is an EtherType.
func UnreadEtherType(t uint16) Unread { return Unread{unreadEtherType, t} }

// UnreadIPProtocol is an IP protocol.
func UnreadIPProtocol(p uint8) Unread { return Unread{unreadIPProtocol, uint16(p)} }

// UnreadUDPPort is a UDP port.
func UnreadUDPPort(p uint16) Unread { return Unread{unreadUDPPort, p} }

// UnreadCount is how many frames held something. The true number is at most Frames, and less by Over at most.
type UnreadCount struct {
	What         Unread
	Frames, Over int64
}

// UnreadCounts are the kinds that were most frequent, in no order. The kinds are counted by the space-saving
// algorithm (Metwally, Agrawal, El Abbadi 2005): a new one takes the place of the rarest and inherits its count.
// Whatever is more than a sixteenth of all is among them.
type UnreadCounts struct {
	entries [maxUnread]UnreadCount
	n       int
}

// Add counts frames that hold something.
func (c *UnreadCounts) Add(what Unread, frames int64) {
	least := 0
	for i := range c.entries[:c.n] {
		e := &c.entries[i]
		if e.What == what {
			e.Frames += frames
			return
		}
		if e.Frames < c.entries[least].Frames {
			least = i
		}
	}
	if c.n < maxUnread {
		c.entries[c.n] = UnreadCount{What: what, Frames: frames}
		c.n++
		return
	}
	e := &c.entries[least]
	*e = UnreadCount{What: what, Frames: e.Frames + frames, Over: e.Frames}
}

// Merge adds what another has counted. A kind that only one of them has may have been dropped by the other: it may have
// had as many there as the rarest kind of that one has.
func (c *UnreadCounts) Merge(o *UnreadCounts) {
	all := make([]UnreadCount, 0, 2*maxUnread)
	for i, from := range [2]*UnreadCounts{c, o} {
		other := [2]*UnreadCounts{o, c}[i]
		for _, e := range from.entries[:from.n] {
			k := other.find(e.What)
			switch {
			case k < 0:
				e.Frames, e.Over = e.Frames+other.floor(), e.Over+other.floor()
			case i == 1:
				continue
			default:
				e.Frames, e.Over = e.Frames+other.entries[k].Frames, e.Over+other.entries[k].Over
			}
			all = append(all, e)
		}
	}
	slices.SortFunc(all, byFrames)
	c.n = copy(c.entries[:], all)
}

// find returns the index of a kind, -1 if there is none.
func (c *UnreadCounts) find(what Unread) int {
	return slices.IndexFunc(c.entries[:c.n], func(e UnreadCount) bool { return e.What == what })
}

// floor is the most frames that a kind may have had that is not there.
func (c *UnreadCounts) floor() int64 {
	if c.n < maxUnread {
		return 0
	}
	return slices.MinFunc(c.entries[:], func(a, b UnreadCount) int { return cmp.Compare(a.Frames, b.Frames) }).Frames
}

// Top returns the kinds, the most frequent first.
func (c *UnreadCounts) Top() []UnreadCount {
	top := slices.Clone(c.entries[:c.n])
	slices.SortFunc(top, byFrames)
	return top
}

func byFrames(a, b UnreadCount) int {
	x, y := a.What, b.What
	return cmp.Or(cmp.Compare(b.Frames, a.Frames), cmp.Compare(x.kind, y.kind), cmp.Compare(x.number, y.number))
}

// Tunnel reports whether the protocol may hold a tunnel: it is none of those that a network has anyway, and that hold
// none as they are used.
func (u Unread) Tunnel() bool {
	switch u.kind {
	case unreadEtherType:
		if u.number < minEtherType {
			return false
		}
		switch u.number {
		// ARP, RARP, LACP, LLDP, EAP, PPPoE discovery, loop
		case 0x0806, 0x8035, 0x8809, 0x88cc, 0x888e, 0x8863, 0x9000:
			return false
		}
	case unreadIPProtocol:
		switch u.number {
		case 1, 2, 58, 59, 88, 89, 103, 112: // ICMP, IGMP, ICMPv6, nothing, EIGRP, OSPF, PIM, VRRP
			return false
		}
	case unreadUDPPort:
		switch u.number {
		// DNS, DHCP, NTP, NetBIOS, SNMP, QUIC, syslog, DHCPv6, SSDP, mDNS, LLMNR
		case 53, 67, 68, 123, 137, 138, 161, 162, 443, 514, 546, 547, 1900, 5353, 5355:
			return false
		}
	case unreadPPPProtocol:
		return u.number < 0x8000 // above are control protocols
	case unreadNothing:
		return false
	}
	return true
}

// The walk notes what it does not read.

func (w *walk) unreadType(t uint16) Verdict {
	w.unread = Unread{unreadEtherType, t}
	return NotIP
}

func (w *walk) unreadProtocol(p uint8) Verdict {
	w.unread = Unread{unreadIPProtocol, uint16(p)}
	return NotTCP
}

func (w *walk) unreadUDP(port uint16) Verdict {
	w.unread = Unread{unreadUDPPort, port}
	return NotTCP
}

// unreadPort notes the lower of the two ports at the front of b: of a client and a service, the service's.
func (w *walk) unreadPort(b []byte) Verdict {
	return w.unreadUDP(min(binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])))
}

func (w *walk) unreadPPP(p uint16) Verdict {
	w.unread = Unread{unreadPPPProtocol, p}
	return NotIP
}

func (w *walk) unreadLink(l uint16) Verdict {
	w.unread = Unread{unreadLinkType, l}
	return NotIP
}
