// Package decode reads captured frames down to TCP: a [Decoder] turns each frame
// into a segment of a watched port, or into a [Verdict] with the reason why not.
//
// # What is read
//
// These link types, by their LINKTYPE_ numbers: Ethernet II and 802.3 with SNAP, raw IP, Linux cooked v1 and v2, BSD
// loopback, PPP, PPPoE, Cisco HDLC, Frame Relay, MPLS, 802.11 with and without radiotap, ERF, NFLOG and PKTAP.
//
// Inside them, in any order and nesting: VLAN tags, VN-tag, E-tag, Cisco metadata, 802.1ah, MACsec without encryption,
// TRILL, NSH, Arista's timestamps, MPLS labels and Ethernet pseudowires, PPPoE, IPv4 and IPv6 with options and
// extension headers, AH, IP in IP, Ethernet in IP (EtherIP, SRv6), GRE (ERSPAN, NVGRE, PPTP), L2TPv2 and L2TPv3, and
// over UDP VXLAN, VXLAN-GPE, Geneve, GTP-U, MPLS, GUE, Teredo, TZSP and the mirrors of routers for lawful intercepts.
// Fragments of IPv4 and IPv6 are put together on every level, tunnels in fragments included. What is encrypted or
// compressed is not read. docs/encapsulations.md has the table. [Decoder.Unread] counts what may hold a tunnel and is
// not read.
//
// # Guarantees
//
// Fragments are joined only to others that came by the same path ([Packet.Path]).
//
// Every frame gets exactly one verdict, and [FrameCounts] counts it. No input
// panics. A frame that the snaplen cut gives as much of its segment as was
// captured, and [Packet.Missing] octets are known to be gone. Octets after the
// length that the IP header gives (Ethernet padding) never reach the payload.
//
// If fragments overlap with different bytes, the copy that came first counts
// (IPv4, with [Packet.Conflict]), or the datagram is dropped (IPv6, RFC 5722). The
// identification of a datagram is used again: a fragment that comes more than 30 s
// (IPv4) or 60 s (IPv6, RFC 8200 section 4.5) after the first one of its datagram
// is never joined to it. Time is the time of the frames, so that a replay gives
// what the live capture gave.
//
// # Limits
//
// A frame has at most 32 headers; deeper ones are counted as [TooDeep]. At most
// 4096 datagrams wait for the rest of their fragments, in at most 8 MiB; the
// oldest makes room and is counted as evicted. The work for a frame is, in the
// long run, proportional to its length, whatever came before ([Decoder.Steps]).
//
// A Decoder belongs to one goroutine. Once its buffers have grown, it does not
// allocate. It keeps no reference to a frame: the defragmenter copies what it needs.
package decode
