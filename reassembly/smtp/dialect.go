package smtp

// dialect is what both sides have shown of how they speak SMTP.
type dialect struct {
	chunking bool // the server offered CHUNKING in its last reply to EHLO, or took a BDAT
	lhlo     bool // the client said LHLO (RFC 2033)
	lmtp     bool // its last greeting was that
	greeted  bool // a greeting was accepted

	// A client either groups commands (RFC 2920) in every session or waits for each reply; one that has sent a whole
	// mail so is taken at its habit.
	noPipelining bool // the server did not offer PIPELINING
	grouped      bool // a command was sent before the reply to the one before it had been received
	waited       bool // a mail was sent without that

	takesLF   bool // the server takes a bare LF for a line end
	mayTakeLF bool // a line after a bare LF took a reply that may be another's
}

// lockStep reports whether the client waits for each reply before it sends the next command.
func (s *dialect) lockStep() bool { return !s.grouped && (s.noPipelining || s.waited) }

// groups records that the client sent a command before it had the reply to the one before.
func (s *dialect) groups() { s.grouped = true }

// waits records that the client has sent a whole mail and waited for each reply.
func (s *dialect) waits() { s.waited = true }

// offered applies the reply to EHLO. certain reports whether that is what it answers, and whether it is whole.
func (s *dialect) offered(r *reply, certain bool) {
	if certain {
		s.noPipelining = !r.pipelining
	}
	s.chunking = r.chunking
}

// says records that the client sends a greeting, of which the reply is to come.
func (s *dialect) says(lhlo bool) { s.lhlo = s.lhlo || lhlo }

// greet records that a greeting was accepted: LHLO, or EHLO or HELO.
func (s *dialect) greet(lhlo bool) { s.lmtp, s.greeted = lhlo, true }

// knowsBdat records that the server answered BDAT as one that knows it.
func (s *dialect) knowsBdat() { s.chunking = true }

// acceptsLF records that the server takes a bare LF for a line end.
func (s *dialect) acceptsLF() { s.takesLF, s.mayTakeLF = true, false }

// tookReplyAfterLF records that a line after a bare LF took a reply, and whether it is the first of which nobody knows
// if it was its own.
func (s *dialect) tookReplyAfterLF() (first bool) {
	first = !s.mayTakeLF
	s.mayTakeLF = true
	return first
}

// asManyReplies records that there were as many replies as commands: lines after a bare LF were commands if they took
// one.
func (s *dialect) asManyReplies() {
	if s.mayTakeLF {
		s.acceptsLF()
	}
}
