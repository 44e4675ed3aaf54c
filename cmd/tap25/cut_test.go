package main

import (
	"strings"
	"testing"

	"tap25/cmd/tap25/replay"
	"tap25/cmd/tap25/report"
	"tap25/reassembly"
	"tap25/reassembly/smtp"
)

// What a bound has cut is said at the end of a replay, and by a running sniff.
func TestSummary_SaysWhatABoundHasCut(t *testing.T) {
	stats := reassembly.Stats{SMTP: smtp.Stats{Overflows: 3, GivenUp: 4, Unread: 5}}
	want := map[string]int64{"limits met": 3, "commands given up for work": 4, "octets left unread": 5}
	var text strings.Builder
	(&replay.Summary{Traffic: stats}).Write(&text)
	var r report.Report
	r.SetTraffic(&stats)
	for name, n := range want {
		if !strings.Contains(text.String(), name) {
			t.Errorf("the summary does not say %q:\n%s", name, text.String())
		}
		if r.Anomalies[name] != n {
			t.Errorf("the report says %d %s, want %d", r.Anomalies[name], name, n)
		}
	}
}
