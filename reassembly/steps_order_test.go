package reassembly

import (
	"strings"
	"time"

	"tap25/reassembly/decode"
)

// checkerboard sends n octets with a hole before each, in an order of their places.
func checkerboard(p peer, from, n, ack int, place func(i int) int) {
	for i := range n {
		p.send(decode.ACK, from+2*place(i)+1, ack, "A")
	}
}

func forward(i int) int { return i }

func orderShapes() []shape {
	backward := func(n int) func(int) int { return func(i int) int { return n - 1 - i } }
	return []shape{
		{name: "checkerboard forward", send: func(h *hostile, n int) {
			c, _ := h.open(0)
			checkerboard(c, 8, n, 8, forward)
		}},
		{name: "checkerboard backward", send: func(h *hostile, n int) {
			c, _ := h.open(0)
			checkerboard(c, 8, n, 8, backward(n))
		}},
		{name: "checkerboard at random", send: func(h *hostile, n int) {
			c, _ := h.open(0)
			order := h.r.Perm(n)
			checkerboard(c, 8, n, 8, func(i int) int { return order[i] })
		}},
		{name: "checkerboards at random on many connections", send: func(h *hostile, n int) {
			for i := range 1 + n/500 {
				c, _ := h.open(i)
				order := h.r.Perm(500)
				checkerboard(c, 8, 500, 8, func(i int) int { return order[i] })
			}
		}},
		{name: "holes in both directions", send: func(h *hostile, n int) {
			c, s := h.open(0)
			for i := range n {
				c.send(decode.ACK, 8+9*i, 8+10*i, "xxxxxx")
				s.send(decode.ACK, 8+10*i, 8+9*i, "xxxxxxx")
				h.at = h.at.Add(time.Second)
			}
		}},
		{name: "holes that are filled from the first on", send: func(h *hostile, n int) {
			c, _ := h.open(0)
			for k := range n / 1000 {
				checkerboard(c, 8+2000*k, 1000, 8, forward)
				for i := range 1000 {
					c.send(decode.ACK, 8+2000*k+2*i, 8, "B")
				}
			}
		}},
		{name: "holes that are filled from the last on", send: func(h *hostile, n int) {
			c, _ := h.open(0)
			for k := range n / 1000 {
				checkerboard(c, 8+2000*k, 1000, 8, forward)
				for i := range 1000 {
					c.send(decode.ACK, 8+2000*k+2*(999-i), 8, "B")
				}
			}
		}},
		{name: "segments over many holes", send: func(h *hostile, n int) {
			c, _ := h.open(0)
			for k := range n / 1000 {
				checkerboard(c, 8+3000*k, 1000, 8, forward)
				c.send(decode.ACK, 9+3000*k, 8, strings.Repeat("B", 1990))
				c.send(decode.ACK, 8+3000*k, 8, strings.Repeat("B", 3000))
			}
		}},
		{name: "FINs in front of what is held", send: func(h *hostile, n int) {
			c, s := h.open(0)
			checkerboard(c, 8, 1900, 8, forward)
			for range n {
				c.send(decode.ACK, 5000, 8, "zz")
				c.send(decode.ACK|decode.FIN, 4900, 8, "")
				s.send(decode.ACK, 8, 5100, "")
			}
		}},
		{name: "overlaps with other bytes", send: func(h *hostile, n int) {
			c, _ := h.open(0)
			c.send(decode.ACK, 8, 8, strings.Repeat("A", 30000))
			checkerboard(c, 40000, 500, 8, forward)
			for i := range n {
				c.send(decode.ACK, 8+i*7%30000, 8, strings.Repeat("B", 40))
				c.send(decode.ACK, 40000+i*7%1000, 8, strings.Repeat("C", 40))
			}
		}},
		{name: "acknowledged holes of many connections while time jumps", grows: true, send: func(h *hostile, n int) {
			for i := range n {
				c, s := h.open(i)
				c.send(decode.ACK, 20, 8, "x")
				s.send(decode.ACK, 8, 21, "")
			}
			c, _ := h.open(n)
			for range n {
				h.at = h.at.Add(time.Second)
				c.send(decode.ACK, 16, 8, "")
			}
		}},
		{name: "holes of many connections while time jumps", grows: true, send: func(h *hostile, n int) {
			for i := range n {
				c, _ := h.open(i)
				c.send(decode.ACK, 20, 8, "x")
			}
			c, _ := h.open(n)
			for range n {
				h.at = h.at.Add(time.Second / 10)
				c.send(decode.ACK, 16, 8, "")
			}
		}},
	}
}
