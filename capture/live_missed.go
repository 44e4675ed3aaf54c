package capture

import (
	"encoding/binary"
	"syscall"

	"golang.org/x/sys/unix"
)

// missed counts frames that a network card had no room for, from the first look at it on. A driver that is loaded again
// counts from 0.
type missed struct {
	index   int    // of the interface
	counted uint64 // by the driver, at the last look
	sum     int64
}

// Missed returns how many frames the network cards had no room for (rx_missed_errors of rtnl_link_stats64) since the
// first call, as their drivers count them; nil if the kernel does not say. One goroutine may call it.
func (l *Live) Missed() *int64 {
	counted, err := readMissed()
	if err != nil {
		return nil
	}
	sum := int64(0)
	for _, link := range l.links {
		index := int(link.index.Load())
		m := &link.missed
		n, here := counted[index]
		if here && m.index == index && n > m.counted {
			m.sum += int64(n - m.counted)
		}
		m.index, m.counted = index, n
		if !here {
			m.index = 0 // when it is back, the first look begins anew: the driver may have gone on counting
		}
		sum += m.sum
	}
	return &sum
}

// readMissed reads what each interface has missed, by its index, with an RTM_GETLINK request of rtnetlink(7).
func readMissed() (map[int]uint64, error) {
	answer, err := syscall.NetlinkRIB(syscall.RTM_GETLINK, syscall.AF_UNSPEC)
	if err != nil {
		return nil, err
	}
	messages, err := syscall.ParseNetlinkMessage(answer)
	if err != nil {
		return nil, err
	}
	const place = 15 * 8 // of rx_missed_errors in struct rtnl_link_stats64
	counted := map[int]uint64{}
	for _, m := range messages {
		if m.Header.Type != syscall.RTM_NEWLINK || len(m.Data) < syscall.SizeofIfInfomsg {
			continue
		}
		attributes, err := syscall.ParseNetlinkRouteAttr(&m)
		if err != nil {
			return nil, err
		}
		for _, a := range attributes {
			if a.Attr.Type == unix.IFLA_STATS64 && len(a.Value) >= place+8 {
				index := binary.NativeEndian.Uint32(m.Data[4:]) // ifi_index
				counted[int(index)] = binary.NativeEndian.Uint64(a.Value[place:])
			}
		}
	}
	return counted, nil
}
