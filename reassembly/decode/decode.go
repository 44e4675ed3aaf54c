package decode

import (
	"slices"
	"time"
)

const (
	// maxHeaders bounds the headers of one frame, each tag, label, extension
	// header and tunnel header counting one: a VXLAN overlay of tagged frames
	// on a tagged mirror has twelve. More than this is made to waste time.
	maxHeaders = 32

	// maxCut bounds the octets that a frame is believed to have lost to the
	// snaplen: tcpdump's largest snaplen, above any frame of an offloading host.
	maxCut = 1 << 18

	// DefaultPort is the port that is watched if none is given: SMTP's.
	DefaultPort = 25
)

// Decoder turns frames into TCP segments of the ports in its set. It owns the
// defragmenter, so that a datagram in fragments needs nothing from its caller.
// It must not be used concurrently. Make one with [New].
type Decoder struct {
	// IgnoreChecksums leaves [Packet.ChecksumBad] false and accepts fragments
	// with a wrong IPv4 header checksum. It may be set before the first frame.
	IgnoreChecksums bool

	ports      []uint16 // few: a scan beats a map
	intercepts []uint16 // nil: DefaultInterceptPort alone
	frags      *defragmenter
	counts     FrameCounts
	unread     UnreadCounts
	elsewhere  MailPorts
	seeds      seeds
	filler     *[MaxUnseen]byte // see DecodeHeaders; nil: not needed so far
}

// New makes a decoder of the TCP ports given; nil means [DefaultPort] alone. The
// slice must not change afterwards.
func New(ports []uint16) *Decoder {
	d := &Decoder{frags: newDefragmenter(maxDatagrams, maxFragPages), seeds: newSeeds()}
	d.SetPorts(ports)
	return d
}

// Decode reads one frame and counts its verdict. It was received at t, which
// fragments time out by. data is as much of it as was captured, wireLen its length
// in octets on the wire. link is a LINKTYPE_ number of tcpdump.org's registry, as
// in capture.Frame: gopacket's LinkType has 8 bits and cannot hold 276, Linux
// cooked v2.
//
// If the verdict is [TCPPort], p is filled in, and its payload points into data or
// into a buffer that the next call overwrites: a caller who keeps it must copy it.
// After any other verdict p means nothing. Decode itself does not keep data.
func (d *Decoder) Decode(t time.Time, link uint16, data []byte, wireLen int, p *Packet) Verdict {
	if d.plain(link, data, p) { // nearly always
		d.counts[TCPPort]++
		return TCPPort
	}
	var w walk // set field by field: a literal would be copied
	w.data, w.cut, w.seeds = data, min(max(wireLen-len(data), 0), maxCut), d.seeds
	v := w.link(link)
	if v == goOn {
		v = d.walk(&w, t, p)
	}
	d.counts[v]++
	if w.unread.kind != unreadNothing && v != TCPPort && w.unread.Tunnel() {
		d.unread.Add(w.unread, 1)
	}
	return v
}

// SetPorts changes the TCP ports; nil means [DefaultPort] alone. The slice must not
// change afterwards.
func (d *Decoder) SetPorts(ports []uint16) {
	if ports == nil {
		ports = []uint16{DefaultPort}
	}
	d.ports = ports
}

// SetInterceptPorts changes the UDP ports to which routers send packets of lawful intercepts; nil means
// [DefaultInterceptPort] alone. The slice must not change afterwards.
func (d *Decoder) SetInterceptPorts(ports []uint16) { d.intercepts = ports }

// Watches reports whether a port is one of the decoder's.
func (d *Decoder) Watches(port uint16) bool { return slices.Contains(d.ports, port) }

// Advance sets the time, which lets fragments expire if no frame comes.
func (d *Decoder) Advance(t time.Time) { d.frags.expire(t.UnixNano()) }

// Stats returns the counters so far.
func (d *Decoder) Stats() (FrameCounts, FragmentStats) { return d.counts, d.frags.stats }

// Elsewhere returns the sessions of mail servers' ports that are not watched.
func (d *Decoder) Elsewhere() MailPorts { return d.elsewhere }

// Unread returns what was in frames that may hold tunnels which are not read.
func (d *Decoder) Unread() UnreadCounts { return d.unread }

// Steps counts the iterations of loops over what earlier frames left behind, such
// as datagrams that expire. A frame adds a constant to it in the long run.
func (d *Decoder) Steps() int64 { return d.frags.steps }

// goOn means that decoding is not finished: continue with walk.next, which is at
// the front of walk.data.
const goOn = verdictCount

// header names what is at the front of the part of a frame that is not decoded yet.
type header uint8

const (
	headerNone header = iota
	headerEthernet
	headerLLC
	headerSNAP
	headerVLAN
	headerVNTag
	headerETag
	headerCisco
	headerPBB
	headerMACsec
	headerTRILL
	headerNSH
	headerArista
	headerWiFi
	headerHDLC
	headerMPLS
	headerPPPoE
	headerPPP
	headerIP // version unknown
	headerIPv4
	headerIPv6
	headerExtension // of IPv6, or AH; walk.proto says which
	headerFragment  // walk.frag says which
	headerUDP
	headerGRE // from here on tunnels
	headerERSPAN2
	headerERSPAN3
	headerVXLAN
	headerVXLANGPE
	headerGeneve
	headerEtherIP
	headerGTP
	headerGTPExtension
	headerL2TP
	headerL2TPv3
	headerGUE
	headerTeredo
	headerTZSP
	headerIntercept
	headerTCP
)

// walk is the state of decoding one frame, from the outside in.
type walk struct {
	data  []byte // what is left, bounded by the lengths read so far
	cut   int    // octets that the snaplen cut off after data
	next  header
	proto uint8  // protocol number of headerExtension
	port  uint16 // destination port of the last UDP header
	ip    ipHeader
	frag  fragmentField

	network  Network
	path     uint64 // Packet.Path
	seeds    seeds
	labelled bool // inside of a label stack that was noted
	entropy  bool // the next label is an entropy label

	// The last tunnel needs no addresses to be told from others: it has an identifier, or it is a mirror's, which may
	// have other addresses for each direction.
	identified bool
	padded     bool // the 802.11 header is padded to four octets
	joined     bool // data is in a buffer of the defragmenter

	unread Unread // what the walk ended at
	steps  int    // of loops over octets of this frame
}

// ipHeader is what the last IP header said.
type ipHeader struct {
	src, dst []byte // 4 or 16 octets; dst is the final destination of any source route
	to       []byte // the destination that the header names
	header   []byte // IPv4, to be verified; nil if there is nothing to verify
	ttl      uint8
	conflict bool // came in fragments that contradict each other
	offload  bool // came in fragments whose header checksum was left zero
}

// bound ends data after n octets, which drops padding. It reports whether the
// frame had that many.
func (w *walk) bound(n int) bool {
	switch have := len(w.data); {
	case n <= have:
		w.data, w.cut = w.data[:n], 0
	case n-have <= w.cut:
		w.cut = n - have
	default:
		return false
	}
	return true
}

// walk reads one header after the other until there is a verdict.
func (d *Decoder) walk(w *walk, t time.Time, p *Packet) Verdict {
	for range maxHeaders {
		if v := d.step(w, t, p); v != goOn {
			return v
		}
	}
	return TooDeep
}

// step reads one header.
func (d *Decoder) step(w *walk, t time.Time, p *Packet) Verdict {
	w.steps++
	switch w.next {
	case headerEthernet:
		return w.ethernet()
	case headerIPv4:
		return w.ipv4()
	case headerTCP:
		return d.tcp(w, p)
	case headerIPv6:
		return w.ipv6()
	case headerVLAN:
		return w.vlan()
	case headerExtension:
		return w.extension()
	case headerFragment:
		return d.fragment(w, t)
	case headerUDP:
		return d.udp(w)
	}
	return w.rare()
}

// rare is the rest of step's switch.
func (w *walk) rare() Verdict {
	if w.next >= headerGRE {
		return w.tunnel()
	}
	switch w.next {
	case headerLLC:
		return w.llc()
	case headerSNAP:
		return w.snap()
	case headerVNTag:
		return w.tag(sizeVNTag)
	case headerETag:
		return w.tag(sizeETag)
	case headerCisco:
		return w.tag(sizeCisco)
	case headerPBB:
		return w.pbb()
	case headerMACsec:
		return w.macsec()
	case headerTRILL:
		return w.trill()
	case headerNSH:
		return w.nsh()
	case headerArista:
		return w.arista()
	case headerWiFi:
		return w.wifi()
	case headerHDLC:
		return w.hdlc()
	case headerMPLS:
		return w.mpls()
	case headerPPPoE:
		return w.pppoe()
	case headerPPP:
		return w.ppp()
	case headerIP:
		return w.version()
	}
	return NotIP
}

// tunnel is the part of it that is between IP and another packet.
func (w *walk) tunnel() Verdict {
	switch w.next {
	case headerGRE:
		return w.gre()
	case headerERSPAN2:
		return w.erspan2()
	case headerERSPAN3:
		return w.erspan3()
	case headerVXLAN:
		return w.vxlan()
	case headerVXLANGPE:
		return w.vxlanGPE()
	case headerGeneve:
		return w.geneve()
	case headerEtherIP:
		return w.etherIP()
	case headerGTP:
		return w.gtp()
	case headerGTPExtension:
		return w.gtpExtension()
	case headerL2TP:
		return w.l2tp()
	case headerL2TPv3:
		return w.l2tpv3()
	case headerGUE:
		return w.gue()
	case headerTeredo:
		return w.teredo()
	case headerTZSP:
		return w.tzsp()
	case headerIntercept:
		return w.intercept()
	}
	return NotIP
}
