package decode

import "time"

// FilterVerdict is what a filter of TCP ports decides about one frame.
type FilterVerdict uint8

const (
	FilterDrop     FilterVerdict = iota // no TCP of the ports
	FilterKeep                          // a TCP segment from or to one of the ports
	FilterFragment                      // a fragment of a datagram that may hold one
)

// Filter reports what a filter of TCP ports should do with a frame; nil means
// [DefaultPort] alone. It runs the decoder's own code without any state: the XDP
// program of package bpf is tested against it. link and data are as in
// [Decoder.Decode]. A segment is kept for its ports alone, even if its header is
// malformed: [Decoder] counts that.
func Filter(link uint16, data []byte, ports []uint16) FilterVerdict {
	d := Decoder{IgnoreChecksums: true, ports: ports}
	if ports == nil {
		d.ports = []uint16{DefaultPort}
	}
	var p Packet
	w := walk{data: data, seeds: d.seeds}
	v := w.link(link)
	if v == goOn {
		v = d.walk(&w, time.Time{}, &p)
	}
	switch {
	case p.Flow != (Flow{}):
		return FilterKeep
	case v == Fragment:
		return FilterFragment
	}
	return FilterDrop
}
