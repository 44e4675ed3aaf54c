// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// loadEgressProgram loads the program of egress.c with the maps of the one at XDP. It has a walk of its own: the two
// may run on one CPU at once. It has no marks: there a frame has not been cut into segments yet.
func loadEgressProgram(shared map[string]*ebpf.Map, workers *ebpf.VariableSpec) (*ebpf.Program, error) {
	spec, err := loadEgress()
	if err != nil {
		return nil, fmt.Errorf("read the program for egress: %w", err)
	}
	var n uint32
	if err := errors.Join(workers.Get(&n), spec.Variables["workers"].Set(n)); err != nil {
		return nil, fmt.Errorf("set constants of the program for egress: %w", err)
	}
	shared = maps.Clone(shared)
	for _, own := range []string{"scratch", ".rodata", "looks", "flows", "marks"} {
		delete(shared, own)
	}
	all, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{MapReplacements: shared})
	if err != nil {
		return nil, err
	}
	defer all.Close()
	return all.DetachProgram("tap25"), nil
}

// attachEgress attaches to what an interface sends: as a link of tcx, or before Linux 6.6 as a filter of clsact. It
// returns nil for a loopback interface, which receives all that it sends.
func attachEgress(p *ebpf.Program, index int) (io.Closer, error) {
	ifi, err := net.InterfaceByIndex(index)
	if err != nil {
		return nil, err
	}
	if ifi.Flags&net.FlagLoopback != 0 {
		return nil, nil
	}
	l, err := link.AttachTCX(link.TCXOptions{Interface: index, Program: p, Attach: ebpf.AttachTCXEgress})
	if errors.Is(err, ebpf.ErrNotSupported) {
		return attachClsact(p, index)
	}
	return l, err
}

// clsactFilter is a filter that outlives the process, unless it is deleted.
type clsactFilter struct{ filter *netlink.BpfFilter }

// clsactHandle and clsactPriority are the place of tap25's filter, so that it replaces the one of a tap25 that was
// killed.
const (
	clsactHandle   = 0x7461
	clsactPriority = 25
)

func attachClsact(p *ebpf.Program, index int) (io.Closer, error) {
	qdisc := &netlink.Clsact{QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT}}
	if err := netlink.QdiscAdd(qdisc); err != nil && !errors.Is(err, unix.EEXIST) {
		return nil, fmt.Errorf("add clsact: %w", err)
	}
	f := &netlink.BpfFilter{
		FilterAttrs: netlink.FilterAttrs{LinkIndex: index, Parent: netlink.HANDLE_MIN_EGRESS, Handle: clsactHandle,
			Priority: clsactPriority, Protocol: unix.ETH_P_ALL},
		Fd: p.FD(), Name: "tap25", DirectAction: true,
	}
	if err := netlink.FilterReplace(f); err != nil {
		return nil, fmt.Errorf("add a filter to clsact: %w", err)
	}
	return clsactFilter{f}, nil
}

// Close deletes the filter. It stays if the process has given up the right to: nobody reads its ring then, which costs
// the host less than a frame that is copied.
func (c clsactFilter) Close() error {
	err := netlink.FilterDel(c.filter)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}
