// Package page serves the page that an operator looks at. It shows if mail is being recorded, if anything is lost, each
// step from the wire to the database, and the last hour and day as curves.
//
// The page is made of reports ([tap25/cmd/tap25/report]) alone, so it holds no address. [Page.Run] takes a sample every
// five seconds. A request shows a report that is at most a second old, however many ask. The page works without
// JavaScript; with JavaScript, it fetches texts and curves again. Everything is served from the binary.
//
//	page.go      the requests, and what they may cost
//	history.go   the last hour and day; rates; when a disk will be full
//	judge.go     recording, degraded or stopped, and why
//	view.go      the texts
//	files/       HTML, CSS, JavaScript; uPlot, which draws the curves
package page
