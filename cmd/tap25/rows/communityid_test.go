package rows

import (
	"net/netip"
	"testing"
)

// TestCommunityID_IsThatOfTheSpecification has the TCP connections of its baseline data.
func TestCommunityID_IsThatOfTheSpecification(t *testing.T) {
	for _, c := range []struct{ client, server, want string }{
		{"1.2.3.4:1122", "5.6.7.8:3344", "1:wCb3OG7yAFWelaUydu0D+125CLM="},
		{"128.232.110.120:34855", "66.35.250.204:80", "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{"[2001:470:e5bf:dead:4957:2174:e82c:4887]:63943", "[2607:f8b0:400c:c03::1a]:25",
			"1:/qFaeAR+gFe1KYjMzVDsMv+wgU4="},
		{"[::ffff:1.2.3.4]:1122", "5.6.7.8:3344", "1:wCb3OG7yAFWelaUydu0D+125CLM="},
	} {
		client, server := netip.MustParseAddrPort(c.client), netip.MustParseAddrPort(c.server)
		if there, back := CommunityID(client, server), CommunityID(server, client); there != c.want || back != c.want {
			t.Errorf("%s to %s: %s, back %s; want %s", c.client, c.server, there, back, c.want)
		}
	}
	// The hashes of both directions between the same addresses are the same only if the ports are ordered, too.
	a, b := netip.MustParseAddrPort("192.0.2.1:25"), netip.MustParseAddrPort("192.0.2.1:40000")
	if CommunityID(a, b) != CommunityID(b, a) {
		t.Error("the directions of a connection of one address differ")
	}
}
