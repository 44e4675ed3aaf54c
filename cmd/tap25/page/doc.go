// Package page is what an operator looks at: one page that says whether mail is being recorded and whether anything is
// lost, with the steps from the wire to the database, and the last hour and day as curves.
//
// It is made of reports ([tap25/cmd/tap25/report]) alone, so it holds no address. [Page.Run] takes one every five
// seconds; what a request shows is at most a second old, however many ask. The page works without JavaScript; with it,
// the texts and curves are fetched again. Everything is served from the binary.
//
//	page.go      the requests, and what they may cost
//	history.go   the last hour and day; rates; when a disk will be full
//	judge.go     recording, degraded or stopped, and why
//	view.go      the texts
//	files/       HTML, CSS, JavaScript; uPlot, which draws the curves
package page
