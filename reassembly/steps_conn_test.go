package reassembly

import (
	"net/netip"
	"strings"
	"time"

	"tap25/reassembly/decode"
)

func connShapes() []shape {
	return []shape{
		{name: "SYNs that lead nowhere", grows: true, send: func(h *hostile, n int) {
			for i := range n {
				peer{h, i, false}.send(decode.SYN, -1, -9001, "")
			}
		}},
		{name: "SYNs over the limit while time passes", cfg: Config{MaxHalfOpen: 100}, send: func(h *hostile, n int) {
			for i := range n {
				peer{h, i, false}.send(decode.SYN, -1, -9001, "")
				h.at = h.at.Add(2 * time.Second)
			}
		}},
		{name: "connections over the limit", cfg: Config{MaxConns: 50}, send: func(h *hostile, n int) {
			for i := range n {
				h.open(i)
			}
		}},
		{name: "connections that fall silent at once", send: func(h *hostile, n int) {
			for i := range n {
				h.open(i)
			}
			h.at = h.at.Add(time.Hour)
			for i := range n {
				h.open(n + i)
			}
		}},
		{name: "connections that end", send: func(h *hostile, n int) {
			for i := range n {
				c, s := h.open(i)
				c.send(decode.ACK|decode.FIN, 8, 8, "")
				s.send(decode.ACK|decode.FIN, 8, 9, "")
				h.at = h.at.Add(10 * time.Millisecond)
			}
		}},
		{name: "resets", send: func(h *hostile, n int) {
			c, s := h.open(0)
			for i := range n {
				c.send(decode.RST, 8+i%3, 8, "")
				s.send(decode.ACK, 8, 8+i%3, "")
				c.send(decode.RST|decode.ACK, 1<<30, 8, "")
			}
		}},
		{name: "ports that are used again", send: func(h *hostile, n int) {
			for range n {
				c, _ := h.open(0)
				c.send(decode.RST, 16, 8, "")
			}
		}},
		{name: "handshakes on a live connection", send: func(h *hostile, n int) {
			c, s := h.open(0)
			for i := range n {
				c.send(decode.SYN, i*1000, -9001, "")
				s.send(decode.SYN|decode.ACK, i*1000, i*1000+1, "")
				c.send(decode.ACK, 8, 8, "N")
			}
		}},
		{name: "segments that no host takes", send: func(h *hostile, n int) {
			c, s := h.open(0)
			for i := range n {
				c.send(decode.ACK, 1<<28+i*7919, 1<<27+i*104729, "xxxxxx")
				s.send(decode.ACK, 8, 16+i%5, "")
			}
		}},
		{name: "segments set aside that the peer acknowledges bit by bit", send: func(h *hostile, n int) {
			c, s := h.open(0)
			for i := range n {
				c.send(decode.PSH, 8+i, 8, "xxxxxxxxxxxxxxxx")
				s.send(decode.ACK, 8, 8+i, "")
			}
		}},
		{name: "window updates and bare acknowledgments", send: func(h *hostile, n int) {
			c, s := h.open(0)
			c.send(decode.ACK, 20, 8, "x")
			for range n {
				s.send(decode.ACK, 8, 8, "")
				c.send(decode.ACK, 8, 8, "")
			}
		}},
		{name: "flights that grow and are acknowledged", send: func(h *hostile, n int) {
			c, s := h.open(0)
			cs, ss := 8, 8
			for range n / 20 {
				for range 20 {
					c.send(decode.ACK, cs, ss, strings.Repeat("x", 1400))
					cs += 1400
				}
				s.send(decode.ACK, ss, cs, "xxxxxxxx")
				ss += 8
			}
		}},
		{name: "flights that press on what may be held", cfg: Config{MaxHeld: 4 << 20}, send: func(h *hostile, n int) {
			for i := range 200 {
				h.open(i)
			}
			for i := range n {
				peer{h, i % 200, false}.send(decode.ACK, 8+1400*(i/200), 8, strings.Repeat("x", 1400))
			}
		}},
		{name: "holes that press on what may be held", cfg: Config{MaxHeld: 4 << 20}, send: func(h *hostile, n int) {
			for i := range n / 10 {
				c, _ := h.open(i)
				checkerboard(c, 8, 10, 8, forward)
			}
		}},
		{name: "senders of wrong checksums", grows: true, send: func(h *hostile, n int) {
			for i := range n * 20 {
				h.count(func() {
					src := netip.AddrPortFrom(netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)}), 9)
					x := decode.Packet{Flow: decode.FlowOf(src, netip.MustParseAddrPort("198.51.100.25:25")),
						Flags: decode.ACK, ChecksumBad: true}
					h.a.segment(&segment{t: h.at, p: x})
				})
			}
		}},
	}
}
