// SPDX-License-Identifier: Apache-2.0

// Package bpf is the kernel side of live capture: an XDP program that keeps the
// TCP segments of the watched ports (and fragments that may hold some), copies
// them with their time to one ring buffer per worker, and counts a verdict for
// every frame it sees.
//
// Headers are walked through at most 32 layers, the same ones that the decoder reads
// (docs/encapsulations.md). What the walk cannot decide goes up whole, as Undecided,
// for the decoder: deeper frames, SNAP, PPP other than IP and MPLS, GRE with source
// routes, ERSPAN III without Ethernet inside, L2TPv3, TZSP, Teredo with headers of its
// own, mirrors of routers for intercepts, what is in MPLS or GTP-U and can be read in
// two ways, and fragments (other than of TCP) whose first was not seen. Dropped frames
// in which a tunnel may be that neither reads are counted by what they hold.
//
// A worker is chosen by the innermost pair of IP addresses that was read, the same for both directions; of a frame
// without any it is worker 0. Ports are left out on purpose: fragments show none, and must meet the rest of their
// connection. The price is that one worker reads all connections between two hosts. Later fragments of a tunnel's
// datagram show no inner addresses either: they follow their first fragment, by a table of 16,384 datagrams, for 100
// ms. One that overtakes its first is placed by the tunnel's addresses, so its datagram may never be whole: the
// defragmenter counts it. So does a connection whose frames are Undecided in a tunnel of other addresses for each
// direction meet two workers, and one whose packets are still under way along a source route.
//
// A frame is copied up to 65,535 octets, also one in several buffers; a longer one is
// cut there, with its original length, and counted. A frame that found its ring full
// is counted, and the next one of that ring reports how many were lost before it.
//
// The program is loaded once for each interface, with counters of verdicts and rings of its own. All other maps are
// shared.
//
// XDP does not see what an interface sends. With Config.Inline the same filter, compiled from egress.c, also runs at tc
// egress. It shares the maps of the interface's program at XDP, so the counters are sums of both.
//
// Nothing is pinned: programs and attachments end with the process. The exception is clsact with its filter, which serve
// at egress before Linux 6.6.
package bpf

//go:generate go tool bpf2go -go-package bpf -target bpfel -type verdict -type frame -type ring_count -type kind filter filter.c -- -O2 -mcpu=v3 -g -Wall -Werror -I/usr/include/x86_64-linux-gnu -I/usr/include/aarch64-linux-gnu
//go:generate go tool bpf2go -go-package bpf -target bpfel -no-global-types egress egress.c -- -O2 -mcpu=v3 -g -Wall -Werror -I/usr/include/x86_64-linux-gnu -I/usr/include/aarch64-linux-gnu
