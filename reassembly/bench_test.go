package reassembly_test

import (
	"fmt"
	"testing"
	"time"

	"tap25/reassembly"
	"tap25/reassembly/hostile"
	"tap25/reassembly/smtp"
)

// BenchmarkOpenConnections reads a segment of each of many open connections in turn. What it costs should not grow with
// their number, but for what the processor's caches make of it. A million of them take 4 GB.
func BenchmarkOpenConnections(b *testing.B) {
	const handshake = 3 // frames, of which the last is the one that is read again and again
	shape := hostile.Named("connections with one octet")
	for _, n := range []int{1000, 10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			asm := reassembly.New(reassembly.Config{MaxConns: n, MaxHeld: 1 << 40, Emit: func(*smtp.Envelope) {}})
			var acks [][]byte
			var now time.Time
			frames := 0
			shape.Write((handshake+1)*n, func(t time.Time, frame []byte) {
				if now = t; frames%(handshake+1) == handshake-1 {
					acks = append(acks, frame)
				}
				frames++
				asm.Frame(t, 1, frame, len(frame))
			})
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				asm.Frame(now, 1, acks[i%n], len(acks[i%n]))
				i++
			}
			if s := asm.Stats(); s.Sessions != int64(n) || s.ConnsEvicted > 0 {
				b.Errorf("%d sessions, %d evicted", s.Sessions, s.ConnsEvicted)
			}
		})
	}
}
