package reassembly

import "time"

// Verdict is what a port filter decides on one frame.
type Verdict uint8

const (
	Drop     Verdict = iota // no TCP of the ports
	Keep                    // a TCP segment from or to one of the ports
	Fragment                // a fragment of a datagram that may hold one
)

// PortVerdict tells what a filter of TCP ports (nil: 25) should do with a frame,
// by the decoder's own code and without any state: the form that the XDP program
// is compared with. A segment is kept for its ports alone, even where its header
// is not sound: that is for the reader to count.
func PortVerdict(link uint16, data []byte, ports []uint16) Verdict {
	d := decoder{ignoreChecksums: true, ports: ports}
	if ports == nil {
		d.ports = []uint16{smtpPort}
	}
	var p packet
	w := walk{data: data}
	v := w.link(link)
	if v == goOn {
		v = d.walk(&w, time.Time{}, &p)
	}
	switch {
	case p.src.IsValid():
		return Keep
	case v == fragment:
		return Fragment
	}
	return Drop
}
