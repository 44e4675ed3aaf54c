package decode

import "time"

// FilterVerdict is what a port filter decides on one frame.
type FilterVerdict uint8

const (
	FilterDrop     FilterVerdict = iota // no TCP of the ports
	FilterKeep                          // a TCP segment from or to one of the ports
	FilterFragment                      // a fragment of a datagram that may hold one
)

// Filter tells what a filter of TCP ports (nil: 25) should do with a frame,
// by the decoder's own code and without any state: the form that the XDP program
// is compared with. A segment is kept for its ports alone, even where its header
// is not sound: that is for the reader to count.
func Filter(link uint16, data []byte, ports []uint16) FilterVerdict {
	d := Decoder{IgnoreChecksums: true, ports: ports}
	if ports == nil {
		d.ports = []uint16{DefaultPort}
	}
	var p Packet
	w := walk{data: data}
	v := w.link(link)
	if v == goOn {
		v = d.walk(&w, time.Time{}, &p)
	}
	switch {
	case p.Src.IsValid():
		return FilterKeep
	case v == Fragment:
		return FilterFragment
	}
	return FilterDrop
}
