package main

import (
	"fmt"
	"sync"
	"syscall"
	"testing"
)

// A ring of 16 KiB cannot take bursts: frames are lost, and each is counted; no row is wrong without a flag.
func TestSniff_OverloadMakesNoWrongRow(t *testing.T) {
	w := newWire(t)
	m := w.serve()
	s := w.sniff("--workers", "1", "--ring-bytes", "16384")
	var senders sync.WaitGroup
	for i := range 8 {
		senders.Go(func() {
			if err := w.send("192.0.2.25:25", fmt.Sprintf("s%d-", i), 60); err != nil {
				t.Error(err)
			}
		})
	}
	senders.Wait()
	var r *report
	await(t, "counters at rest", func() bool {
		var err error
		r, err = askReport(t.Context(), s.control)
		return err == nil && r.Read == r.Delivered && r.Lost == r.RingFull && r.Seen == sumOf(r.Dropped)+r.RingFull+r.Delivered
	})
	if r.RingFull == 0 {
		t.Fatal("no frame was lost: this shows nothing")
	}
	truth := map[string]bool{}
	for _, mail := range m.taken {
		truth[mail] = true
	}
	rows := s.end(syscall.SIGTERM)
	whole, flagged := 0, 0
	for i, row := range rows {
		if row["flags"] != nil {
			flagged++
			continue
		}
		whole++
		if !truth[essentials(rows[i : i+1])[0]] {
			t.Errorf("row %d is complete by its flags, but the server took no such mail: outcome %v, lost %v", i, row["outcome"], row["lost_bytes"])
		}
	}
	t.Logf("%d frames of %d lost, %d rows whole, %d flagged, of %d", r.RingFull, r.RingFull+r.Delivered, whole, flagged, len(m.taken))
}
