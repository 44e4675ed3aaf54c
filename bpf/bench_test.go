// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"math"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// round is how many frames of the second size class stay in the cache; the rings are emptied after each.
const round = 128

// fastest is the least time in nanoseconds that each of two programs takes for a frame, by the kernel's own clock: the
// machine's other work only ever adds to it. They run in turn, so that both have the same machine.
func fastest(b testing.TB, programs [2]*ebpf.Program, frame []byte, repeat int, empty func()) (least [2]float64) {
	b.Helper()
	least = [2]float64{math.Inf(1), math.Inf(1)}
	for range 40 {
		for i, p := range programs {
			_, took, err := p.Benchmark(frame, repeat, nil)
			if err != nil {
				b.Fatal(err)
			}
			least[i] = min(least[i], float64(took))
			empty()
		}
	}
	return least
}

// skip empties a ring without a look at it.
func skip(r *Ring) {
	r.ahead = r.producer.Load()
	r.position = r.ahead
	r.release()
}

// program loads instructions as an XDP program.
func program(b testing.TB, is ...asm.Instruction) *ebpf.Program {
	b.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "GPL", Instructions: is})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = p.Close() })
	return p
}

// bare is what a frame costs that nobody looks at.
func bare(b testing.TB) *ebpf.Program {
	return program(b, asm.Mov.Imm(asm.R0, 1), asm.Return())
}

// plainCopy does the least that brings n octets of a frame to a ring buffer with their time, looking at nothing.
func plainCopy(b testing.TB, f *Filter, n int32) *ebpf.Program {
	return program(b,
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.LoadMapPtr(asm.R1, f.inner[0].FD()),
		asm.Mov.Imm(asm.R2, 16+n),
		asm.Mov.Imm(asm.R3, 0),
		asm.FnRingbufReserve.Call(),
		asm.JEq.Imm(asm.R0, 0, "out"),
		asm.Mov.Reg(asm.R7, asm.R0),
		asm.FnKtimeGetNs.Call(),
		asm.StoreMem(asm.R7, 0, asm.R0, asm.DWord),
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.Mov.Imm(asm.R2, 0),
		asm.Mov.Reg(asm.R3, asm.R7),
		asm.Add.Imm(asm.R3, 16),
		asm.Mov.Imm(asm.R4, n),
		asm.FnXdpLoadBytes.Call(),
		asm.Mov.Reg(asm.R1, asm.R7),
		asm.Mov.Imm(asm.R2, 1), // BPF_RB_NO_WAKEUP
		asm.FnRingbufSubmit.Call(),
		asm.Mov.Imm(asm.R0, 1).WithSymbol("out"),
		asm.Return(),
	)
}

// BenchmarkFilter gives the nanoseconds of each kind of frame, and their ratio to the barest program that does what has
// to be done with it, measured in turn with it: one that drops it, or that copies it to a ring buffer.
func BenchmarkFilter(b *testing.B) {
	f := load(b, Config{RingBytes: 1 << 20})
	full := ethernet(0x0800, ip(b, testSrc, testDst, 6, tcp(40001, 25, string(make([]byte, 1460)))))
	empty := func() { skip(f.Ring(0)) }
	const dropped = 100_000 // frames in a run
	for _, c := range []struct {
		name   string
		barest *ebpf.Program
		frame  []byte
		repeat int
	}{
		{"other port", bare(b), ethernet(0x0800,
			ip(b, testSrc, testDst, 6, tcp(40001, 443, string(make([]byte, 1460))))), dropped},
		{"other port tagged", bare(b), ethernet(0x8100,
			joined([]byte{0, 7, 8, 0}, ip(b, testSrc, testDst, 6,
				tcp(40001, 443, string(make([]byte, 1456)))))), dropped},
		{"UDP", bare(b), ethernet(0x0800, ip(b, testSrc, testDst, 17, udp(443, make([]byte, 1200)))), dropped},
		{"other port in ERSPAN", bare(b),
			ethernet(0x0800, ip(b, "10.0.0.1", "10.0.0.2", 47,
				joined(be16(0x1000), be16(0x88be), make([]byte, 4), []byte{0x10, 0, 0, 0, 0, 0, 0, 0},
					ethernet(0x0800, ip(b, testSrc, testDst, 6,
						tcp(40001, 443, string(make([]byte, 1400)))))))), dropped},
		{"match 1514", plainCopy(b, f, 1514), full, round},
		{"match 66", plainCopy(b, f, 66), full[:66], round},
	} {
		b.Run(c.name, func(b *testing.B) {
			took := fastest(b, [2]*ebpf.Program{f.objects.Tap25, c.barest}, c.frame, c.repeat, empty)
			b.ReportMetric(took[0], "ns/frame")
			b.ReportMetric(took[1], "ns/barest")
			b.ReportMetric(took[0]/took[1], "x-barest")
			b.ReportMetric(0, "ns/op")
		})
	}
	if s := stats(b, f); s.Full() != 0 {
		b.Errorf("%d frames found the ring full", s.Full())
	}
}
