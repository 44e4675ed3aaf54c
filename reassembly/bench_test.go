package reassembly_test

import (
	"fmt"
	"testing"
	"time"

	"tap25/reassembly"
	"tap25/reassembly/hostile"
	"tap25/reassembly/smtp"
)

// openConnections opens n connections. It returns a segment of each, that may be read again and again.
func openConnections(n int) (asm *reassembly.Assembler, segments [][]byte, now time.Time) {
	const handshake = 3 // frames, of which the last is that segment
	shape := hostile.Named("connections with one octet")
	asm = reassembly.New(reassembly.Config{MaxConns: n, MaxHeld: 1 << 40, Emit: func(*smtp.Envelope) {}})
	frames := 0
	shape.Write((handshake+1)*n, func(t time.Time, frame []byte) {
		if now = t; frames%(handshake+1) == handshake-1 {
			segments = append(segments, frame)
		}
		frames++
		asm.Frame(t, 1, frame, len(frame))
	})
	return asm, segments, now
}

// BenchmarkOpenConnections reads a segment of each of many open connections in turn. What it costs should not grow with
// their number, but for what the processor's caches make of it. A million of them take 4 GB.
func BenchmarkOpenConnections(b *testing.B) {
	for _, n := range []int{1000, 10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			asm, segments, now := openConnections(n)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				asm.Frame(now, 1, segments[i%n], len(segments[i%n]))
				i++
			}
			if s := asm.Stats(); s.Sessions != int64(n) || s.ConnsEvicted > 0 {
				b.Errorf("%d sessions, %d evicted", s.Sessions, s.ConnsEvicted)
			}
		})
	}
}
