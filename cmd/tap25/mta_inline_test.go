package main

import (
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tap25/cmd/tap25/report"
)

// TestSniff_BesideAMailServerOnItsOwnHost runs tap25 on the host of Postfix, which writes to Exim on another host and is
// written to, with the offloads that hosts have. No tap and no mirror is there: XDP sees what the host receives, the
// program at egress what it sends. The rows are those of both servers' logs.
func TestSniff_BesideAMailServerOnItsOwnHost(t *testing.T) {
	const mails = 120
	w := newWire(t)
	w.carried()
	for _, ns := range []string{w.client, w.server} {
		w.command("ip netns exec " + ns + " ethtool -K eth0 tso on gso on gro on tx on rx on sg on")
	}
	postfix, exim := w.mta(w.client, "postfix"), w.mta(w.server, "exim")
	stateHome(t)
	host := *w
	host.tap = w.client
	s := host.sniff("--db", "local", "--retention", "never", "--workers", "2", "--inline", "-i", "eth0")

	want := 0
	for side, ns := range []string{w.client, w.server} {
		var list []liveMail
		for i := side; i < mails; i += 2 {
			m := newLiveMail(i)
			list = append(list, m)
			want += m.rows
		}
		if err := w.submit(ns, list, func(int) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	var logs *mtaLogs
	awaitFor(t, time.Minute, "the logs", func() bool {
		logs = readLogs(t, postfix, exim)
		return len(logs.delivered) == want && logs.receivedAll()
	})
	r := host.atRest(s)
	if r.Read != report.Sum(r.Frames) || r.RingFull != 0 || r.LostBytes != 0 {
		t.Errorf("the counters do not add up, or something was lost: %+v", r)
	}
	s.end(syscall.SIGTERM)
	rows := rowsOfDatabase(t)
	if diff := cmp.Diff(logs, logsOf(rows), cmp.AllowUnexported(mtaLogs{})); diff != "" {
		t.Errorf("logs against rows: %s", diff)
	}
}
