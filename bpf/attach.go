// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"errors"
	"fmt"
	"io"

	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// Attach attaches the program to an interface, with Inline also to what it sends, and reports whether it runs in the
// driver. The attachment ends with Detach, Close or the process; before Linux 6.6, that to what the interface sends
// ends with Detach and Close alone, and only if the process still has CAP_NET_ADMIN. The next Attach replaces it.
func (f *Filter) Attach(index int, name string, mode Mode) (native bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.taps[name]
	if t == nil {
		return false, fmt.Errorf("attach to %s: it is not among the interfaces of the filter", name)
	}
	if t.links != nil {
		return false, fmt.Errorf("attach to %s: this tap25 is attached already", name)
	}
	flags := link.XDPDriverMode
	if mode == Generic {
		flags = link.XDPGenericMode
	}
	l, err := link.AttachXDP(link.XDPOptions{Program: t.Tap25, Interface: index, Flags: flags})
	if mode == Auto && err != nil && !refusedAnyhow(err) {
		flags = link.XDPGenericMode
		l, err = link.AttachXDP(link.XDPOptions{Program: t.Tap25, Interface: index, Flags: flags})
	}
	if err != nil {
		return false, explainAttach(name, mode, err)
	}
	t.links = []io.Closer{l}
	if t.egress != nil {
		out, err := attachEgress(t.egress, index)
		if err != nil {
			return false, errors.Join(fmt.Errorf("attach to what %s sends: %w", name, err), t.detach())
		}
		if out != nil {
			t.links = append(t.links, out)
		}
	}
	return flags == link.XDPDriverMode, nil
}

// refusedAnyhow reports whether generic mode would meet an error too. It would not meet those with which drivers refuse
// XDP, with a queue layout, an offload or an MTU: EOPNOTSUPP, EINVAL, ENOSPC, ENOMEM, ERANGE and others.
func refusedAnyhow(err error) bool {
	for _, e := range []error{unix.EBUSY, unix.EEXIST, unix.EPERM, unix.ENODEV} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func explainAttach(name string, mode Mode, err error) error {
	switch {
	case errors.Is(err, unix.EBUSY), errors.Is(err, unix.EEXIST):
		return fmt.Errorf("attach to %s: it has an XDP program already, from another tap25 or another tool; run "+
			"bpftool net show dev %s to see it: %w", name, name, err)
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("attach to %s: this needs the capability CAP_NET_ADMIN: %w", name, err)
	case errors.Is(err, unix.ENODEV):
		return fmt.Errorf("attach to %s: no such interface: %w", name, err)
	case mode == Native:
		return fmt.Errorf("attach to %s: the driver has no native XDP, or none with this MTU, these queues or "+
			"offloads; --xdp generic works with any driver: %w", name, err)
	}
	return fmt.Errorf("attach to %s: %w", name, err)
}

// Detach ends the attachment to an interface; of one that is gone, it forgets it.
func (f *Filter) Detach(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t := f.taps[name]; t != nil {
		return t.detach()
	}
	return nil
}

func (t *tap) detach() error {
	var errs []error
	for _, l := range t.links {
		errs = append(errs, l.Close())
	}
	t.links = nil
	return errors.Join(errs...)
}
