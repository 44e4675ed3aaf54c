// Package sniff captures mail on network interfaces and records its envelopes.
//
// A sniff opens the interfaces, the output and its sockets, then gives up all rights that it no longer needs, then
// runs: one worker a ring takes frames to rows, in a goroutine of its own; nothing else touches an Assembler. Around
// the workers, others check the interfaces, answer questions, read the settings again, and feed systemd's watchdog. The
// end of the context, or the first failure, ends them all in order; what the workers have is written, and a summary.
//
//	settings.go      what it does; which settings can change while it runs
//	run.go           from the opening to the summary
//	worker.go        one ring, one Assembler
//	scope.go         which rows are recorded
//	coverage.go      a record each minute of what was seen and lost
//	output.go        standard output, or a stream to the database
//	rights.go        which rights are kept
//	links.go, reload.go, systemd.go   interfaces that go and come, SIGHUP, the watchdog
//	health.go        if it makes progress, and if it records
//	losses.go        what full rings lose, in the log and as a state
//	report.go        what it counts
//	control.go, metrics.go, http.go, http_conns.go   who may ask, and how much that may cost; the page at / is package
//	                 tap25/cmd/tap25/page
//	listen.go        listening for a time, for tap25 doctor
package sniff
