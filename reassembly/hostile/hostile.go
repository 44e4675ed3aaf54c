// Package hostile makes the traffic of an attacker, for tests and benchmarks: whoever owns one end of a connection, or
// both, sends what costs the receiver most. Nothing of the product uses it.
//
// All frames are Ethernet frames of at most 1514 octets, and the same each time that they are made.
package hostile

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"
)

// Shape is one kind of hostile traffic, of any length.
type Shape struct {
	Name string
	Load Load

	fill func(*Wire)
}

// Write makes about n frames and gives each of them to emit, with the time at which it comes. It returns what was made.
func (s *Shape) Write(n int, emit func(t time.Time, frame []byte)) Made {
	w := &Wire{at: time.Unix(1_800_000_000, 0), emit: emit, want: n, random: rand.New(rand.NewPCG(25, 25))}
	s.fill(w)
	return w.made
}

// Load says what the frames of a shape are full of.
type Load uint8

const (
	Small    Load = iota // of little, most of them
	Commands             // of SMTP commands: what a frame may cost follows from how many it holds
	Lines                // of octets that are read one by one
)

// Made is what a shape has made.
type Made struct{ Frames, Octets, Commands int }

// Wire takes the frames of a shape.
type Wire struct {
	at     time.Time
	emit   func(time.Time, []byte)
	want   int
	made   Made
	random *rand.Rand
}

// room says whether the shape is to go on.
func (w *Wire) room() bool { return w.made.Frames < w.want }

// before says whether less than so many hundredths of the frames are made.
func (w *Wire) before(percent int) bool { return w.made.Frames < w.want*percent/100 }

// wait lets time pass before the next frame.
func (w *Wire) wait(d time.Duration) { w.at = w.at.Add(d) }

// frame sends one frame, a microsecond after the one before.
func (w *Wire) frame(b []byte) {
	w.at = w.at.Add(time.Microsecond)
	w.made.Frames++
	w.made.Octets += len(b)
	w.emit(w.at, b)
}

// Shapes are all of them.
func Shapes() []Shape {
	var all []Shape
	for _, list := range [][]Shape{holeShapes, dialogueShapes, commandShapes, headShapes, parseShapes, orderShapes,
		connectionShapes, packetShapes} {
		all = append(all, list...)
	}
	return all
}

// Named returns the shape of this name.
func Named(name string) Shape {
	all := Shapes()
	return all[slices.IndexFunc(all, func(s Shape) bool { return s.Name == name })]
}

var server = netip.MustParseAddrPort("198.51.100.25:25")

// client gives an address and port to the i-th of many clients.
func client(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), uint16(1024+i%60000))
}
