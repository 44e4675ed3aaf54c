package decode

import (
	"net/netip"
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

	// DefaultPort is the port watched where none is given.
	DefaultPort = 25
)

// Decoder turns frames into TCP segments of the ports in its set. It owns the
// defragmenter, so that a datagram in pieces and a tunnel in fragments need
// nothing from its caller. Not for concurrent use.
type Decoder struct {
	// IgnoreChecksums leaves Packet.ChecksumBad false and takes fragments with
	// a wrong header checksum.
	IgnoreChecksums bool

	ports  []uint16 // few: a scan beats a map
	frags  *defragmenter
	counts FrameCounts
}

// newDecoder makes a decoder for the TCP ports given; nil means 25.
func New(ports []uint16) *Decoder {
	d := &Decoder{frags: newDefragmenter(maxDatagrams, maxFragPages)}
	d.SetPorts(ports)
	return d
}

// Decode reads one frame, received at t, of wireLen octets on the wire, and
// counts its verdict. p is filled in where that is TCPPort. link is a LINKTYPE_
// number of tcpdump.org's registry, as in capture.Frame: gopacket's LinkType has
// 8 bits and cannot hold 276, Linux cooked v2.
func (d *Decoder) Decode(t time.Time, link uint16, data []byte, wireLen int, p *Packet) Verdict {
	w := walk{data: data, cut: min(max(wireLen-len(data), 0), maxCut)}
	v := w.link(link)
	if v == goOn {
		v = d.walk(&w, t, p)
	}
	d.counts[v]++
	return v
}

// SetPorts changes the TCP ports; nil means 25.
func (d *Decoder) SetPorts(ports []uint16) {
	if ports == nil {
		ports = []uint16{DefaultPort}
	}
	d.ports = ports
}

// Watches reports whether a port is in the set.
func (d *Decoder) Watches(port uint16) bool { return slices.Contains(d.ports, port) }

// Advance lets fragments time out where no frame came.
func (d *Decoder) Advance(t time.Time) { d.frags.expire(t.UnixNano()) }

// Stats gives the counters so far.
func (d *Decoder) Stats() (FrameCounts, FragmentStats) { return d.counts, d.frags.stats }

// Steps counts the iterations of loops over what earlier frames left behind.
func (d *Decoder) Steps() int64 { return d.frags.steps }

// goOn is no verdict yet: walk.next stands at the front of walk.data.
const goOn = verdictCount

// header names what stands at the front of the undecoded rest of a frame.
type header uint8

const (
	headerEthernet header = iota
	headerLLC
	headerVLAN
	headerMPLS
	headerPPPoE
	headerPPP
	headerIP // version unknown
	headerIPv4
	headerIPv6
	headerExtension // of IPv6, or AH; walk.proto says which
	headerFragment  // walk.frag says which
	headerUDP
	headerGRE
	headerERSPAN2
	headerERSPAN3
	headerVXLAN
	headerVXLANGPE
	headerGeneve
	headerEtherIP
	headerTCP
)

// walk is the way through one frame, from the outside in.
type walk struct {
	data  []byte // what is left, bounded by the lengths met so far
	cut   int    // octets known to be missing behind data: snaplen
	next  header
	proto uint8 // protocol number of headerExtension
	ip    ipHeader
	frag  piece
}

// ipHeader is what the last IP header said.
type ipHeader struct {
	src, dst []byte // 4 or 16 octets; dst is the final destination, behind any source route
	to       []byte // the destination that the header names
	header   []byte // IPv4, to be verified; nil where there is nothing to verify
	ttl      uint8
	conflict bool // came in fragments that contradict each other
	offload  bool // came in fragments whose header checksum was left zero
}

// bound ends data after n octets, which lets padding go. It is false where the
// frame never had that many.
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

// walk takes one header after the other until there is a verdict.
func (d *Decoder) walk(w *walk, t time.Time, p *Packet) Verdict {
	for range maxHeaders {
		v := goOn
		switch w.next {
		case headerEthernet:
			v = w.ethernet()
		case headerIPv4:
			v = w.ipv4()
		case headerTCP:
			return d.tcp(w, p)
		case headerIPv6:
			v = w.ipv6()
		case headerVLAN:
			v = w.vlan()
		case headerExtension:
			v = w.extension()
		case headerFragment:
			v = d.fragment(w, t)
		default:
			v = w.rare()
		}
		if v != goOn {
			return v
		}
	}
	return TooDeep
}

// rare is the rest of walk's switch.
func (w *walk) rare() Verdict {
	switch w.next {
	case headerLLC:
		return w.llc()
	case headerMPLS:
		return w.mpls()
	case headerPPPoE:
		return w.pppoe()
	case headerPPP:
		return w.ppp()
	case headerIP:
		return w.version()
	case headerUDP:
		return w.udp()
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
	}
	return NotIP
}

// address makes an Addr of 4 or 16 octets.
func address(b []byte) netip.Addr {
	if len(b) == 4 {
		return netip.AddrFrom4([4]byte(b))
	}
	return netip.AddrFrom16([16]byte(b))
}
