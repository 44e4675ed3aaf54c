package store

import (
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"tap25/store/spool"
)

// BenchmarkEvidence compares a load whose segments are signed with one whose segments are not: each in turn, into a
// database of its own, from sealed segments on disk. x-time is the ratio of the times, ours-% what signing takes of
// this process's CPU, in percent of the time of the load without.
func BenchmarkEvidence(b *testing.B) {
	for _, records := range []int{10_000, 100} {
		b.Run(fmt.Sprint(records), func(b *testing.B) {
			rows := 40 * records
			signed, plain := database(b, false), database(b, false)
			var took, used [2]time.Duration
			n := 0
			sign := signer(b)
			for b.Loop() {
				s := [2]*spool.Spool{}
				for i := range s {
					s[i] = openSpool(b, spool.Config{SegmentRecords: records})
				}
				for range rows {
					r := numbered("tap", 3*n) // of today
					n++
					sealOne(b, s[0], r)
					sealOne(b, s[1], r)
				}
				for i, l := range []*Loader{
					NewLoader(LoaderConfig{Spool: s[0], Connect: to(plain, "")}),
					NewLoader(LoaderConfig{Spool: s[1], Connect: to(signed, ""), Signer: sign}),
				} {
					if err := s[i].Seal(""); err != nil {
						b.Fatal(err)
					}
					begun, cpu := time.Now(), ownCPU()
					drain(b, s[i], l)
					took[i] += time.Since(begun)
					used[i] += ownCPU() - cpu
				}
			}
			b.ReportMetric(float64(n)/took[1].Seconds(), "rows/s")
			b.ReportMetric(took[1].Seconds()/took[0].Seconds(), "x-time")
			b.ReportMetric(100*(used[1]-used[0]).Seconds()/took[0].Seconds(), "ours-%")
		})
	}
}

// ownCPU is the CPU time of this process.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkRoots is what the roots of a segment of 10,000 rows cost.
func BenchmarkRoots(b *testing.B) {
	var rows [][]byte
	for n := range 10_000 {
		rows = append(rows, numbered("tap", n))
	}
	for b.Loop() {
		rootsOf(rows)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(rows)), "ns/row")
}
