package store

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"tap25/store/spool"
)

// BenchmarkEvidence compares a load whose segments are signed with one whose segments are not: each in turn, into a
// database of its own, from sealed segments on disk. x-time is the ratio of the times, more-cpu-% how much more CPU
// this process and the server take, ours-cpu-% how much of that is this process's.
func BenchmarkEvidence(b *testing.B) {
	for _, records := range []int{10_000, 100} {
		b.Run(fmt.Sprint(records), func(b *testing.B) {
			rows := 20 * records
			signed, plain := database(b, false), database(b, false)
			var took, used, theirs [2]time.Duration
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
					begun, cpu, server := time.Now(), ownCPU(), serverCPU(b, plain)
					drain(b, s[i], l)
					took[i] += time.Since(begun)
					used[i] += ownCPU() - cpu
					theirs[i] += serverCPU(b, plain) - server
				}
			}
			b.ReportMetric(float64(n)/took[1].Seconds(), "rows/s")
			b.ReportMetric(took[1].Seconds()/took[0].Seconds(), "x-time")
			all := (used[0] + theirs[0]).Seconds()
			b.ReportMetric(100*(used[1]+theirs[1]-used[0]-theirs[0]).Seconds()/all, "more-cpu-%")
			b.ReportMetric(100*(used[1]-used[0]).Seconds()/all, "ours-cpu-%")
		})
	}
}

// serverCPU is the CPU time of the server's processes that have ended, as the loader's has, and of its postmaster.
func serverCPU(b *testing.B, db *DB) time.Duration {
	b.Helper()
	wait(b, func() bool { // this database's connection and the other's are left
		return ask[int](b, db, "select count(*) from pg_stat_activity where backend_type = 'client backend'") == 2
	})
	time.Sleep(100 * time.Millisecond) // until the postmaster has reaped them
	directory := ask[string](b, db, "show data_directory")
	pid, err := os.ReadFile(filepath.Join(directory, "postmaster.pid"))
	if err != nil {
		b.Fatal(err)
	}
	first, _, _ := strings.Cut(string(pid), "\n")
	stat, err := os.ReadFile(filepath.Join("/proc", first, "stat"))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])) // proc(5): from field 3 on
	ticks := 0
	for _, f := range fields[11:15] { // utime, stime, cutime, cstime
		n, err := strconv.Atoi(f)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * (time.Second / 100)
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
