package smtp

// The work for an event must not grow with what came before it: who sends packets would decide how long each takes.
// Most of it does not. What may, if segments overtake each other in ways that no network makes, is paid for: each
// event and each octet allows for some steps (see Stats.Steps), and what is not used is kept, up to a limit.
const (
	stepsPerEvent = 256
	stepsPerOctet = 2
	stepsAhead    = 1 << 18 // about a millisecond
)

// work counts the steps of one dialogue.
type work struct {
	credit int64 // steps that may be taken before the commands that wait are given up
	stats  *Stats
}

// pay allows for the work of one event.
func (w *work) pay(octets int) {
	w.credit = min(w.credit+stepsPerEvent+stepsPerOctet*int64(octets), stepsAhead)
}

// steps counts n iterations of a loop over what goes on waiting.
func (w *work) steps(n int) {
	w.credit -= int64(n)
	w.takes(n)
}

// takes counts n iterations of a loop whose elements wait no more, which need not be paid for: each had an octet of
// its own.
func (w *work) takes(n int) { w.stats.Steps += int64(n) }

// spent reports whether more steps were taken than were paid for.
func (w *work) spent() bool { return w.credit < 0 }

// forgive drops what was not paid for.
func (w *work) forgive() { w.credit = 0 }
