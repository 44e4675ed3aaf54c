// Package capture gives frames and their times: from capture files, one after the other.
//
// A Files reads pcap (µs and ns, both byte orders) and pcapng (all sections and interfaces), plain or compressed with
// gzip or zstd, from files, FIFOs and standard input, as one continuous stream. It never panics. Its memory
// is bounded by the longest block of the input (16 MiB at most) and the window of a zstd file (128 MiB at most), not by a
// length that the input merely claims. It drops no frame in silence: what it cannot read is a *FileError that names the
// file and the offset, after every frame before it.
//
// One goroutine calls Next; Progress and Close may be called from any other at any time.
//
// Both formats are read here and not by gopacket/pcapgo v1.1.19, which serves as a second opinion in the tests only.
// Its LinkType has 8 bits, so that Linux cooked v2 (276) reads as 20 and a made-up 257 as Ethernet; pcap.Reader
// multiplies microseconds in 32 bits, refuses a frame longer than the file's snaplen (and so every frame of a file
// whose snaplen is 0, which stands for "no limit") and refuses versions before 2.4; NgReader divides by zero at an
// if_tsresol of 2^-64 or 10^-64 and smaller, is inexact at every power of 2, does not compare a packet's length with its
// block's, takes lengths below the smallest, ignores the trailing length, allocates whatever length is claimed; and
// neither says where in a file it stopped.
package capture
