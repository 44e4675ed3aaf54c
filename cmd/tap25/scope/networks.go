package scope

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// network is an entry of a list of networks.
type network struct {
	prefix netip.Prefix
	entry  Entry
}

// networks is sorted by address; no two of its networks overlap.
type networks []network

// find looks for the network that has an address; that of no host is in none.
func (n networks) find(ip netip.Addr) *Entry {
	if len(n) == 0 || !ip.IsValid() {
		return nil
	}
	ip = ip.Unmap().WithZone("")
	i, found := slices.BinarySearchFunc(n, ip, func(n network, ip netip.Addr) int {
		return n.prefix.Addr().Compare(ip)
	})
	if !found {
		i--
	}
	if i < 0 || !n[i].prefix.Contains(ip) {
		return nil
	}
	return &n[i].entry
}

// covers looks for the network that has all of another.
func (n networks) covers(p netip.Prefix) *Entry {
	i := slices.IndexFunc(n, func(n network) bool { return n.prefix.Bits() <= p.Bits() && n.prefix.Contains(p.Addr()) })
	if i < 0 {
		return nil
	}
	return &n[i].entry
}

// sorted sorts networks and leaves out those that are part of others.
func sorted(list networks) networks {
	slices.SortFunc(list, func(a, b network) int {
		return cmp.Or(a.prefix.Addr().Compare(b.prefix.Addr()), cmp.Compare(a.prefix.Bits(), b.prefix.Bits()))
	})
	out := list[:0]
	for _, n := range list {
		if len(out) == 0 || !out[len(out)-1].prefix.Contains(n.prefix.Addr()) {
			out = append(out, n)
		}
	}
	return out
}

// parseNetwork reads an IP address, or a prefix whose host bits are 0.
func parseNetwork(text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		ip, err := netip.ParseAddr(text)
		if err != nil || ip.Zone() != "" {
			return netip.Prefix{}, errors.New("this is neither an IP address nor a network such as 192.0.2.0/24")
		}
		ip = ip.Unmap()
		return netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return p, errors.New("this is neither an IP address nor a network such as 192.0.2.0/24")
	case p.Addr().Is4In6():
		return p, errors.New("this is an IPv4 network in the form of IPv6: write it as IPv4")
	case p != p.Masked():
		return p, fmt.Errorf("this network has host bits: write %s", p.Masked())
	}
	return p, nil
}
