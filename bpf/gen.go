// Package bpf is the kernel side of live capture: an XDP program that keeps the
// TCP segments of the watched ports (and fragments that may hold some), copies
// them with their time to one ring buffer per worker, and counts a verdict for
// every frame it sees.
//
// Headers are walked through at most 32 layers: Ethernet, VLAN tags, MPLS, PPPoE,
// IPv4, IPv6 and its extension headers, GRE, ERSPAN I to III, VXLAN, Geneve and
// IP in IP. What the walk cannot decide goes up whole, as Undecided.
//
// Workers are chosen by the innermost pair of IP addresses, the same for both
// directions. Ports are left out on purpose: the fragments of a datagram show
// none, and a connection's fragments must meet its whole segments. The price is
// that two hosts' mail is the work of one worker, however many their connections.
// Later fragments of a tunnel's datagram show no inner addresses either; they
// follow their first fragment, by a table of the datagrams in flight.
//
// Nothing is pinned: programs and attachments end with the process.
package bpf

//go:generate go tool bpf2go -go-package bpf -target bpfel -type verdict -type frame -type ring_count filter filter.c -- -O2 -g -Wall -Werror -I/usr/include/x86_64-linux-gnu -I/usr/include/aarch64-linux-gnu
