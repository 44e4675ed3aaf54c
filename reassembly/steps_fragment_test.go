package reassembly

import ()

func fragmentShapes() []shape {
	const of = 64000
	each := func(n int, do func(k, i int)) {
		for k := range n / 1000 {
			for i := range 1000 {
				do(k, i)
			}
		}
	}
	return []shape{
		{name: "tiny fragments backward", send: func(h *hostile, n int) {
			each(n, func(k, i int) { h.fragment(h.t, k, 8*(999-i), 8*(1000-i), 8000, 'x', false) })
		}},
		{name: "tiny fragments at random, never complete", send: func(h *hostile, n int) {
			order := h.r.Perm(7999)
			each(n, func(k, i int) { h.fragment(h.t, k, 8*order[i], 8*order[i]+8, of, 'x', k%2 == 0) })
		}},
		{name: "overlapping fragments with other bytes", send: func(h *hostile, n int) {
			each(n, func(k, i int) { h.fragment(h.t, k, 8*(i%100), 8*(i%100)+64, of, byte('a'+i%3), false) })
		}},
		{name: "overlapping fragments that RFC 5722 forbids", send: func(h *hostile, n int) {
			each(n, func(k, i int) { h.fragment(h.t, 1000*k+i/4, 8*(i%4), 8*(i%4)+64, of, byte('a'+i%3), true) })
		}},
		{name: "datagrams of one fragment", send: func(h *hostile, n int) {
			for i := range n {
				h.fragment(h.t, i, 8, 1408, of, 'x', false)
			}
		}},
		{name: "fragments of datagrams far apart", send: func(h *hostile, n int) {
			for i := range n {
				h.fragment(h.t, i%5000, 2048*(i/5000), 2048*(i/5000)+8, of, 'x', false)
			}
		}},
		{name: "datagrams that are complete again and again", send: func(h *hostile, n int) {
			for i := range n / 2 {
				h.fragment(h.t, i%3, 0, 32, 40, byte('a'+i%7), false)
				h.fragment(h.t, i%3, 32, 40, 40, byte('a'+i%7), false)
			}
		}},
	}
}
