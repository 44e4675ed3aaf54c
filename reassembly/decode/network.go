package decode

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"strconv"
)

// maxTags is how many tags a Network keeps by name: a mirror's, a provider's and a customer's VLAN, an overlay and a
// VLAN in it are five. Its hash covers the others, too.
const maxTags = 6

// Network is the network that a packet was seen in, as its tags and tunnels name it. The zero value is a packet
// without any. Two of one [Decoder] are equal if all their tags are; those of two Decoders must not be compared.
//
// These tags name a network, since all of its packets have them: VLAN identifiers other than 0, the identifiers of
// VXLAN, Geneve and NVGRE, the service instances of 802.1ah, the keys of GRE, the circuits of Frame Relay. That a
// packet was in MPLS, GTP, L2TP or PPTP is part of its Network, but the labels and identifiers of these are not,
// for each end chooses those that it receives: [Packet.Path] has what tells only one direction.
type Network struct {
	hash  uint64
	ids   [maxTags]uint32
	kinds [maxTags]tagKind
	n     uint8 // of all tags, so it may be more than maxTags
}

// tagKind is what gave a network a name, or a packet its path.
type tagKind uint8

const (
	tagNone tagKind = iota
	tagVLAN
	tagVXLAN
	tagGeneve
	tagNVGRE
	tagGRE
	tagMPLS
	tagPBB
	tagDLCI
	tagGTP
	tagL2TP
	tagPPTP
	tagPPPoE     // only in paths
	tagAddresses // only in paths

	tagKinds
)

// tagWords has the words of [Network.String].
var tagWords = [tagKinds]string{
	tagVLAN: "vlan", tagVXLAN: "vxlan", tagGeneve: "geneve", tagNVGRE: "nvgre", tagGRE: "gre", tagMPLS: "mpls",
	tagPBB: "pbb", tagDLCI: "dlci", tagGTP: "gtp", tagL2TP: "l2tp", tagPPTP: "pptp",
}

// hasID reports whether a number belongs to the name of a network.
func (k tagKind) hasID() bool { return k != tagMPLS && k != tagGTP && k != tagL2TP && k != tagPPTP }

// IsZero reports that no tag names the network.
func (n Network) IsZero() bool { return n.n == 0 }

// Hash is 0 for the zero value. Of two different Networks of one [Decoder] it is the same with a probability of
// 2^-64, which no sender can raise: it depends on a random number of the Decoder.
func (n Network) Hash() uint64 { return n.hash }

// String names the tags, the outermost first: "vlan 12", "vxlan 5001/vlan 3", "mpls". It is "" for the zero value,
// and has at most 6 tags and 120 octets: "/more" stands for the rest.
func (n Network) String() string {
	var b []byte
	for i := range min(n.n, maxTags) {
		if i > 0 {
			b = append(b, '/')
		}
		b = append(b, tagWords[n.kinds[i]]...)
		if n.kinds[i].hasID() {
			b = strconv.AppendUint(append(b, ' '), uint64(n.ids[i]), 10)
		}
	}
	if n.n > maxTags {
		b = append(b, "/more"...)
	}
	return string(b)
}

// seeds key the hashes of a Decoder, so that no sender can make two networks or paths look like one.
type seeds [2]uint64

func newSeeds() seeds {
	s := maphash.MakeSeed()
	return seeds{maphash.String(s, "a"), maphash.String(s, "b")}
}

// mix adds a tag to a hash of tags. It is never 0, which stands for no tags.
func (s seeds) mix(h uint64, k tagKind, id uint64) uint64 {
	hi, lo := bits.Mul64(h^s[0]^uint64(k)<<56, id^s[1])
	return (hi ^ lo) | 1
}

// name adds a tag that names a network.
func (w *walk) name(k tagKind, id uint32) {
	n := &w.network
	if n.n < maxTags {
		n.kinds[n.n], n.ids[n.n] = k, id
	}
	n.n++
	same := n.hash == w.path
	n.hash = w.seeds.mix(n.hash, k, uint64(id))
	if same { // nothing but names so far
		w.path = n.hash
	} else {
		w.along(k, uint64(id))
	}
	w.identified = true
}

// along adds what distinguishes the packet's path.
func (w *walk) along(k tagKind, id uint64) { w.path = w.seeds.mix(w.path, k, id) }

// between notes the ends of the tunnel that an IP header is in, in either order, unless the tunnel is identified.
// They are in the IP header before it, if there is one.
func (w *walk) between() {
	a, b := w.ip.src, w.ip.dst
	if a == nil {
		return
	}
	if w.identified {
		w.identified = false
		return
	}
	if bytes.Compare(a, b) > 0 {
		a, b = b, a
	}
	w.addresses(a)
	w.addresses(b)
}

// addresses notes an address for the path.
func (w *walk) addresses(a []byte) {
	for ; len(a) >= 8; a = a[8:] {
		w.along(tagAddresses, binary.BigEndian.Uint64(a))
	}
	if len(a) >= 4 {
		w.along(tagAddresses, uint64(binary.BigEndian.Uint32(a)))
	}
}

// received notes that a packet is in a tunnel whose identifier was chosen by the end that receives it: it means
// nothing without that end's address.
func (w *walk) received(k tagKind, id uint32) {
	w.name(k, 0)
	w.along(k, uint64(id))
	w.addresses(w.ip.dst)
}
