package smtp

import (
	"regexp"
	"strings"
	"testing"
)

// network is IsNetwork's form as a regular expression; the one of the database's check
// (store/migrations/017_origins.sql) is the same.
var network = regexp.MustCompile(`^(?:[a-z][a-z0-9-]* [0-9]+|[a-z](?:[a-z0-9-]*[a-z-])?)(?:/(?:[a-z][a-z0-9-]* [0-9]+|[a-z](?:[a-z0-9-]*[a-z-])?))*$`)

func TestIsNetwork(t *testing.T) {
	for s, want := range map[string]bool{
		"vlan 12": true, "vxlan 5001/vlan 3": true, "gtp": true, "gtp/vlan 1": true, "l2tpv3 9": true,
		"mac-in-mac 7": true, "g": true, "mpls 16/mpls 17": true,
		"": false, "vlan12": false, "vlan  12": false, "vlan 12 ": false, " vlan 12": false, "VLAN 12": false,
		"vlan": true, "vlan 0x1": false, "vlan -1": false,
		"vlan 1/": false, "/vlan 1": false, "vlan 1//gtp": false, "12": false, "vlan 1\n": false, "vlan\x001": false,
		"vlän 1": false, "v 1;": false,
	} {
		if got := IsNetwork(s); got != want || network.MatchString(s) != want {
			t.Errorf("IsNetwork(%q) is %t, want %t", s, got, want)
		}
	}
	long := strings.Repeat("vlan 4095/", 25) + "vlan"
	if !IsNetwork(long+strings.Repeat("x", MaxNetwork-len(long))) ||
		IsNetwork(long+strings.Repeat("x", MaxNetwork+1-len(long))) {
		t.Error("the longest name is not of MaxNetwork octets")
	}
}

func FuzzIsNetwork(f *testing.F) {
	f.Add("vxlan 5001/vlan 3")
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := IsNetwork(s), len(s) <= MaxNetwork && network.MatchString(s); got != want {
			t.Errorf("IsNetwork(%q) is %t, want %t", s, got, want)
		}
	})
}
