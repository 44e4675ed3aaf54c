package bpf

import (
	"testing"
	"time"

	"github.com/cilium/ebpf"
)

// perFrame measures a program by the kernel's own clock; the rings are emptied between rounds.
func perFrame(b *testing.B, f *Filter, p *ebpf.Program, frame []byte) time.Duration {
	b.Helper()
	const round = 256 // fits in a ring whose memory stays in the cache
	var total time.Duration
	n := 0
	for n < b.N || n < 50*round {
		_, took, err := p.Benchmark(frame, round, nil)
		if err != nil {
			b.Fatal(err)
		}
		total += took * round
		n += round
		var got Frame
		for f.Ring(0).Next(&got) {
		}
	}
	return total / time.Duration(n)
}

// BenchmarkFilter gives the nanoseconds of each kind of frame, and their ratio to a
// bare XDP_DROP measured in the same run.
func BenchmarkFilter(b *testing.B) {
	f := load(b, Config{RingBytes: 1 << 20})
	full := ethernet(0x0800, ip(b, testSrc, testDst, 6, tcp(40001, 25, string(make([]byte, 1460)))))
	for _, c := range []struct {
		name  string
		frame []byte
	}{
		{"other port", ethernet(0x0800, ip(b, testSrc, testDst, 6, tcp(40001, 443, string(make([]byte, 1460)))))},
		{"UDP", ethernet(0x0800, ip(b, testSrc, testDst, 17, udp(443, make([]byte, 1200))))},
		{"match 1514", full},
		{"match 66", ethernet(0x0800, ip(b, testSrc, testDst, 6, tcp(40001, 25, "            ")))},
	} {
		b.Run(c.name, func(b *testing.B) {
			bare := perFrame(b, f, f.objects.Bare, c.frame)
			took := perFrame(b, f, f.objects.Tap25, c.frame)
			b.ReportMetric(float64(took.Nanoseconds()), "ns/frame")
			b.ReportMetric(float64(took)/float64(bare), "x-bare")
			b.ReportMetric(0, "ns/op")
		})
	}
	if s := stats(b, f); s.Full() != 0 {
		b.Errorf("%d frames found the ring full", s.Full())
	}
}

// BenchmarkRing gives what it costs to read a full-size frame from a ring, each byte of it once.
func BenchmarkRing(b *testing.B) {
	f := load(b, Config{})
	full := ethernet(0x0800, ip(b, testSrc, testDst, 6, tcp(40001, 25, string(make([]byte, 1460)))))
	const round = 4096
	var got Frame
	var sum byte
	n := 0
	b.ResetTimer()
	for n < max(b.N, 50*round) {
		b.StopTimer()
		if _, _, err := f.objects.Tap25.Benchmark(full, round, nil); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		for f.Ring(0).Next(&got) {
			for i := 0; i < len(got.Data); i += 64 { // each cache line
				sum += got.Data[i]
			}
			n++
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/frame")
	b.ReportMetric(0, "ns/op")
	_ = sum
}
