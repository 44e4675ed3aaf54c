// Package report is what a running tap25 sniff counts, and the forms in which people and programs see it.
//
// There is one [Report], which sniff fills. Its sums hold: seen = dropped by design + ring full + delivered, delivered
// = read + waiting in the rings, read = the frames by verdict. These show it, and package page:
//
//	status.go, trend.go   tap25 status, with rates and their past
//	summary.go            the summary at the end of a sniff
//	metrics.go            Prometheus
//	ask.go                JSON by the control socket, for tap25 status and tap25 doctor
//
// From machine.go it has the state of the clock and of the disks. The counts of a coverage record are made in
// coverage.go.
//
// What replay's summary needs too is here as well: lists of named counters (counts.go). No report holds an address or
// anything of a dialogue.
package report
