// Package capture gives frames and their times, from capture files or from network interfaces.
//
// # Files
//
// [Files] reads pcap (microseconds and nanoseconds, both byte orders) and pcapng (all sections and interfaces), plain
// or compressed with gzip or zstd, from files, FIFOs and standard input, as one continuous stream. It never panics. Its
// memory is bounded by the longest block of the input (16 MiB at most) and the window of a zstd file (128 MiB at most),
// not by a length that the input merely claims. It drops no frame in silence: what it cannot read is a [*FileError]
// that names the file and the offset, after every frame before it.
//
// One goroutine calls Next. Progress and Close may be called from any other at any time.
//
// # Interfaces
//
// [Live] attaches the XDP program of package bpf to interfaces and gives each [Worker] the frames of one ring buffer,
// both directions of a connection to the same worker. A worker belongs to one goroutine and polls: Next returns
// [ErrNoFrame] after 1 to 10 ms without a frame. Frames that the ring had no room for are counted, and the next
// frame reports them in [Frame.Lost]. Times are the wall clock's, derived from CLOCK_MONOTONIC, with which the program
// stamps frames. A step of the wall clock is slewed, so that no frame is dated before one that came earlier; one of more
// than ten seconds is taken over at once and counted.
//
// [Live.Check] follows the interfaces: one that goes away is attached to again when it comes back. [Live.Stop]
// detaches; then the workers read what is left and return io.EOF.
//
// # Why not pcapgo
//
// Both file formats are read here and not by gopacket/pcapgo v1.1.19, which serves the tests as a second opinion. Its
// LinkType has 8 bits, so Linux cooked v2 (276) reads as 20, and a made-up 257 as Ethernet. Its pcap.Reader multiplies
// microseconds in 32 bits, refuses a frame longer than the file's snaplen (so every frame of a file whose snaplen is 0,
// which stands for "no limit") and refuses versions before 2.4. Its NgReader divides by zero at an if_tsresol of 2^-64
// or 10^-64 and smaller, is inexact at every power of 2, does not compare a packet's length with its block's, takes
// lengths below the smallest, ignores the trailing length, and allocates whatever length is claimed. Neither reports
// where in a file it stopped.
//
// The readers of github.com/gopacket/gopacket v1.7.7, the maintained fork, were given the same files. They have link
// types of 32 bits, take snaplen 0, refuse what would divide by zero, compare lengths with the block, and allocate what
// they read. They still multiply microseconds in 32 bits, refuse versions before 2.4 and an if_tsresol of 2^-64, are
// inexact at powers of 2 (half a second in units of 2^-30 s reads as 0.537 s), take a block of length 4, ignore the
// trailing length, and report no position. Without WantMixedLinkType they leave out the packets of interfaces with
// another link type than the first.
package capture
