package reassembly

import (
	"net/netip"
	"testing"
	"time"

	"tap25/reassembly/decode"
)

func TestStats_SegmentsAreCountedByDirection(t *testing.T) {
	a := New(Config{Ports: []uint16{25, 587}})
	client := netip.MustParseAddrPort("192.0.2.1:40000")
	for _, server := range []string{"192.0.2.2:25", "192.0.2.3:587"} {
		server := netip.MustParseAddrPort(server)
		to := decode.Packet{Flow: decode.FlowOf(client, server), Flags: decode.SYN, Window: 65535}
		from := decode.Packet{Flow: decode.FlowOf(server, client), Flags: decode.SYN | decode.ACK, Window: 65535}
		a.segment(&segment{t: time.Unix(1, 0), p: to})
		a.segment(&segment{t: time.Unix(1, 0), p: from})
		a.segment(&segment{t: time.Unix(1, 0), p: from})
	}
	if s := a.Stats(); s.ToServers != 2 || s.FromServers != 4 {
		t.Errorf("%d to servers, %d from them; want 2 and 4", s.ToServers, s.FromServers)
	}
}
