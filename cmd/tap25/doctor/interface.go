package doctor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"syscall"

	"github.com/safchain/ethtool"
	"golang.org/x/sys/unix"

	"tap25/capture"
)

// interfaceFactsNow asks the kernel and the drivers; it changes nothing.
func interfaceFactsNow(names []string) ([]interfaceFacts, error) {
	links, err := readLinks()
	if err != nil {
		return nil, err
	}
	tool, err := ethtool.NewEthtool()
	if err != nil {
		return nil, fmt.Errorf("open the ethtool interface: %w", err)
	}
	defer tool.Close()
	var list []interfaceFacts
	for _, name := range names {
		f, ok := links[name]
		f.name, f.missing = name, !ok
		if !ok {
			f.others = slices.Sorted(maps.Keys(links))
		} else {
			ifi, err := net.InterfaceByName(name)
			if err != nil {
				return nil, fmt.Errorf("find interface %s: %w", name, err)
			}
			if f.address, err = capture.HasAddress(ifi); err != nil {
				return nil, err
			}
			f.askDriver(tool)
		}
		list = append(list, f)
	}
	return list, nil
}

// askDriver leaves the facts unset that the driver does not report.
func (f *interfaceFacts) askDriver(tool *ethtool.Ethtool) {
	f.driver, _ = tool.DriverName(f.name)
	if features, err := tool.Features(f.name); err == nil {
		for name, at := range map[string]**bool{"rx-lro": &f.lro, "rx-gro": &f.gro, "rx-gro-hw": &f.hwGRO,
			"rx-vlan-hw-parse": &f.untag} {
			if on, ok := features[name]; ok {
				*at = &on
			}
		}
	}
	if ring, err := tool.GetRing(f.name); err == nil {
		f.ring, f.maxRing = int(ring.RxPending), int(ring.RxMaxPending)
	}
	if channels, err := tool.GetChannels(f.name); err == nil {
		f.queues = int(channels.CombinedCount + channels.RxCount)
	}
	if symmetric, err := symmetricRSS(f.name); err == nil {
		f.symmetric = &symmetric
	}
}

// readLinks asks for all interfaces of the network namespace (rtnetlink(7)).
func readLinks() (map[string]interfaceFacts, error) {
	dump, err := syscall.NetlinkRIB(unix.RTM_GETLINK, unix.AF_UNSPEC)
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	messages, err := syscall.ParseNetlinkMessage(dump)
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	links := map[string]interfaceFacts{}
	for i := range messages {
		if messages[i].Header.Type != unix.RTM_NEWLINK || len(messages[i].Data) < unix.SizeofIfInfomsg {
			continue
		}
		attrs, err := syscall.ParseNetlinkRouteAttr(&messages[i])
		if err != nil {
			return nil, fmt.Errorf("list interfaces: %w", err)
		}
		flags := binary.NativeEndian.Uint32(messages[i].Data[8:])
		f := interfaceFacts{kind: binary.NativeEndian.Uint16(messages[i].Data[2:]), up: flags&unix.IFF_UP != 0,
			carrier: flags&unix.IFF_LOWER_UP != 0}
		for _, a := range attrs {
			f.takeAttribute(a.Attr.Type, a.Value)
		}
		links[f.name] = f
	}
	return links, nil
}

func (f *interfaceFacts) takeAttribute(kind uint16, value []byte) {
	switch {
	case kind == unix.IFLA_IFNAME:
		f.name = unix.ByteSliceToString(value)
	case kind == unix.IFLA_MTU && len(value) == 4:
		f.mtu = int(binary.NativeEndian.Uint32(value))
	case kind&^unix.NLA_F_NESTED == unix.IFLA_XDP:
		f.attached = xdpAttached(value)
	case kind == unix.IFLA_STATS64 && len(value) >= 16*8:
		n := func(i int) uint64 { return binary.NativeEndian.Uint64(value[8*i:]) }
		f.counters = interfaceCounters{packets: n(0), length: n(10), over: n(11), fifo: n(14), missed: n(15)}
	}
}

// xdpAttached reads the attributes nested in IFLA_XDP: a length and a type of 16 bits each, then the value, padded to
// 4.
func xdpAttached(nested []byte) bool {
	const attached = 2 // IFLA_XDP_ATTACHED, one octet; 0: XDP_ATTACHED_NONE
	for len(nested) >= 5 {
		size := int(binary.NativeEndian.Uint16(nested))
		if binary.NativeEndian.Uint16(nested[2:]) == attached {
			return nested[4] != 0
		}
		nested = nested[min(max((size+3)&^3, 4), len(nested)):]
	}
	return false
}

// errNoRSS means that the driver does not report how it spreads the traffic.
var errNoRSS = errors.New("the driver does not report how it spreads connections over its queues")
