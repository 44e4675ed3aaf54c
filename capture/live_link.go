package capture

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// liveLink is one interface that is listened on. Check writes it, all may read.
type liveLink struct {
	name   string
	index  atomic.Int64
	up     atomic.Bool
	away   atomic.Bool
	native atomic.Bool
	failed bool // the last attempt to attach again
	missed missed
}

// LinkState is the state of one interface.
type LinkState struct {
	Name   string
	Native bool // XDP runs in the driver
	Up     bool // administratively up and with carrier
	Away   bool // not listened on at the moment: the interface does not exist, or could not be attached to
}

// LinkChange is what Check found.
type LinkChange struct {
	LinkState
	Back bool  // it was away, and is listened on again
	Err  error // it came back, but could not be attached to
}

func (l *liveLink) snapshot() LinkState {
	return LinkState{Name: l.name, Native: l.native.Load(), Up: l.up.Load(), Away: l.away.Load()}
}

func findLink(name string, inline bool) (*liveLink, error) {
	if _, _, err := readLink(name); errors.Is(err, unix.ENODEV) {
		return nil, fmt.Errorf("there is no interface %s; there are %s", name, strings.Join(linkNames(), ", "))
	}
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return nil, fmt.Errorf("find interface %s: %w", name, err)
	}
	if err := wantEthernet(name); err != nil {
		return nil, err
	}
	if !inline {
		if err := refuseAddress(ifi); err != nil {
			return nil, err
		}
	}
	l := &liveLink{name: name}
	l.index.Store(int64(ifi.Index))
	l.up.Store(ifi.Flags&net.FlagUp != 0 && ifi.Flags&net.FlagRunning != 0)
	return l, nil
}

// linkNames are the names of the interfaces that there are, the first ten.
func linkNames() (names []string) {
	all, _ := net.Interfaces() // only for the text of an error
	for _, ifi := range all {
		names = append(names, ifi.Name)
	}
	if more := len(names) - 10; more > 0 {
		names = append(names[:10], fmt.Sprintf("%d more", more))
	}
	return names
}

// readLink reads the state of one interface. Its error distinguishes an interface that is gone from a failed query.
func readLink(name string) (index int, up bool, err error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, false, err
	}
	defer func() { _ = unix.Close(fd) }()
	request, err := unix.NewIfreq(name)
	if err != nil {
		return 0, false, err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, request); err != nil {
		return 0, false, err
	}
	index = int(request.Uint32())
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, request); err != nil {
		return 0, false, err
	}
	const want = unix.IFF_UP | unix.IFF_RUNNING
	return index, request.Uint16()&want == want, nil
}

// HasAddress reports whether the host uses an interface by IP: whether it has an address other than a link-local one of
// IPv6, which the kernel gives to every interface that is up.
func HasAddress(ifi *net.Interface) (bool, error) {
	addrs, err := ifi.Addrs()
	if err != nil {
		return false, fmt.Errorf("read addresses of %s: %w", ifi.Name, err)
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); !ok || n.IP.To4() != nil || !n.IP.IsLinkLocalUnicast() {
			return true, nil
		}
	}
	return false, nil
}

// refuseAddress keeps the host from being cut off: without inline every frame is dropped.
func refuseAddress(ifi *net.Interface) error {
	has, err := HasAddress(ifi)
	if err == nil && has {
		err = fmt.Errorf("%s has an IP address: without --inline, tap25 would drop the host's own traffic; "+
			"give --inline, or use an interface for the mirror alone", ifi.Name)
	}
	return err
}

// wantEthernet refuses tunnels and the like, whose frames begin otherwise.
func wantEthernet(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open socket: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	request, err := unix.NewIfreq(name)
	if err != nil {
		return fmt.Errorf("interface name %q: %w", name, err)
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFHWADDR, request); err != nil {
		return fmt.Errorf("read type of %s: %w", name, err)
	}
	if kind := request.Uint16(); kind != unix.ARPHRD_ETHER && kind != unix.ARPHRD_LOOPBACK {
		return fmt.Errorf("%s is not an Ethernet interface (ARPHRD type %d): capture on the Ethernet interface that "+
			"carries it", name, kind)
	}
	return nil
}

// promiscuousSocket opens a packet socket that receives nothing. It holds the memberships, which the kernel ends when
// it is closed.
func promiscuousSocket() (int, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if errors.Is(err, unix.EPERM) {
		return -1, fmt.Errorf("open packet socket for promiscuous mode: this needs the capability CAP_NET_RAW: %w", err)
	}
	if err != nil {
		return -1, fmt.Errorf("open packet socket for promiscuous mode: %w", err)
	}
	return fd, nil
}

func addPromiscuous(fd, index int) error {
	return unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP,
		&unix.PacketMreq{Ifindex: int32(index), Type: unix.PACKET_MR_PROMISC})
}

func closeSocket(fd int) error { return unix.Close(fd) }

// Check follows the interfaces; one goroutine calls it about once a second. It returns which went down, up, away or
// came back, and attaches to those that came back. The others are captured meanwhile.
func (l *Live) Check() []LinkChange {
	var changes []LinkChange
	for _, link := range l.links {
		if c, changed := l.check(link); changed {
			changes = append(changes, c)
		}
	}
	return changes
}

func (l *Live) check(link *liveLink) (LinkChange, bool) {
	before := link.snapshot()
	index, up, err := readLink(link.name)
	if errors.Is(err, unix.ENODEV) {
		link.away.Store(true)
		link.up.Store(false)
		link.failed = false
		return LinkChange{LinkState: link.snapshot()}, !before.Away
	}
	if err != nil { // nothing is known: no change
		return LinkChange{}, false
	}
	link.up.Store(up)
	old := int(link.index.Load())
	if index == old && !before.Away {
		return LinkChange{LinkState: link.snapshot()}, before.Up != link.up.Load()
	}
	_ = l.filter.Detach(link.name) // of an interface that is gone: the kernel has ended it
	link.index.Store(int64(index))
	if err := l.attach(link); err != nil {
		said := link.failed
		link.failed = true
		link.away.Store(true)
		return LinkChange{LinkState: link.snapshot(), Err: err}, !said
	}
	link.failed = false
	link.away.Store(false)
	return LinkChange{LinkState: link.snapshot(), Back: true}, true
}
