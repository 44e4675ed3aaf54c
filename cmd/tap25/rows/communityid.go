package rows

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
)

// CommunityIDColumn is the name of the column for [CommunityID].
const CommunityIDColumn = "community_id"

// CommunityID returns the Community ID of a TCP connection, version 1 with the seed 0: the name that Zeek, Suricata,
// Arkime and Wireshark have for it. It is the same for both directions.
//
// https://github.com/corelight/community-id-spec
func CommunityID(a, b netip.AddrPort) string {
	const tcp = 6 // IANA's number of the protocol
	a = netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
	b = netip.AddrPortFrom(b.Addr().Unmap().WithZone(""), b.Port())
	if b.Compare(a) < 0 {
		a, b = b, a
	}
	flow := binary.BigEndian.AppendUint16(nil, 0) // the seed
	flow = append(flow, a.Addr().AsSlice()...)
	flow = append(flow, b.Addr().AsSlice()...)
	flow = append(flow, tcp, 0)
	flow = binary.BigEndian.AppendUint16(flow, a.Port())
	flow = binary.BigEndian.AppendUint16(flow, b.Port())
	sum := sha1.Sum(flow)
	return "1:" + base64.StdEncoding.EncodeToString(sum[:])
}
