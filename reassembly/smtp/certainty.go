package smtp

import "math"

// certainty is what is known of where both sides stand. Octets that were missed take some of it away, and certain
// exchanges give it back. Each of its methods is one such event; the package documentation has the table of what each
// sets and clears.
type certainty struct {
	uncertain bool // octets were missed since the last exchange that shows beyond doubt where both sides stand
	unsettled bool // it is not certain whether the server holds a transaction open, and whose
	ambiguous bool // whether the client sent a message after a DATA is not known

	clientGap bool // since both sides were in step, octets of the client were missed that may have been DATA
	serverGap bool // since both sides were in step, octets of the server were missed

	mailMissed     bool  // a MAIL may have been missed since the last that was seen
	replyMissed    bool  // a reply may have been missed since the transaction began
	anyReplyMissed bool  // a reply that nothing shows the length of may have been missed since the session began
	clientHoleEnd  int64 // offset of the client after its last hole
	serverHoleEnd  int64 // offset of the server after a hole in the replies, until matching has begun afresh; 0: none
	// end of the 354 by which both sides were in step; 0: none since octets of the server were missed
	goAhead int64
	// what the client, and the server, sent up to these offsets is from before the first hole since both sides were in
	// step; they count if uncertain is set
	knownClient, knownServer int64
	wasUnsettled             bool // unsettled, before that hole
	hidden                   int  // replies since then that answer nothing that was seen

	commandsUntil int64 // offset of the client up to which its commands are known to be commands, in spite of both gaps
	doubted       bool  // octets may have been missed at the beginning, see Doubt
	conflicted    bool  // other octets were met than were read; since then nothing has shown where both sides stand
}

// midstream is the beginning of a connection without SYN: both sides had said something before.
func (s *certainty) midstream() { s.uncertain, s.clientGap, s.serverGap = true, true, true }

// miss records that octets were missed after these offsets of the client and the server.
func (s *certainty) miss(client, server int64) {
	if !s.uncertain {
		s.knownClient, s.knownServer, s.wasUnsettled = math.MaxInt64, math.MaxInt64, s.unsettled
		s.hidden = 0
	}
	s.uncertain, s.knownClient, s.knownServer = true, min(s.knownClient, client), min(s.knownServer, server)
}

// answersNothing records that a reply answers nothing that was seen.
func (s *certainty) answersNothing() { s.hidden++ }

// hidesMail reports whether the client's octets that were missed may be the end of a mail, MAIL and RCPT of another:
// each has a reply.
func (s *certainty) hidesMail() bool { return s.knownServer < math.MaxInt64 || s.hidden >= 3 }

// missedBoth reports whether octets of both sides were missed since both were in step.
func (s *certainty) missedBoth() bool {
	return s.knownClient < math.MaxInt64 && s.knownServer < math.MaxInt64
}

// beforeHole has the dialogue be as certain as it was before the first hole, until afterHole.
func (s *certainty) beforeHole() {
	s.uncertain = false
	s.unsettled, s.wasUnsettled = s.wasUnsettled, s.unsettled
}

// afterHole has it be uncertain again.
func (s *certainty) afterHole() {
	s.uncertain = true
	s.unsettled, s.wasUnsettled = s.unsettled || s.wasUnsettled, s.unsettled
}

// lostReplies is a hole in the server's octets, from offset from to offset end.
func (s *certainty) lostReplies(from, end int64) {
	s.miss(math.MaxInt64, from)
	s.serverGap, s.replyMissed = true, true
	s.serverHoleEnd, s.goAhead = end, 0
}

// missedReplies records that an unknown number of replies before offset end is not matched: they did not come, or
// were forgotten.
func (s *certainty) missedReplies(end int64) {
	s.miss(math.MaxInt64, 0)
	s.serverGap, s.replyMissed, s.anyReplyMissed = true, true, true
	s.serverHoleEnd = max(s.serverHoleEnd, end)
}

// matchAfresh has no reply before offset end answer what the client sends from now on.
func (s *certainty) matchAfresh(end int64) { s.serverHoleEnd = max(end, 1) }

// overflowed records that the commands that waited were given up: replies to them may still come before, or after,
// offset end.
func (s *certainty) overflowed(end int64) {
	s.matchAfresh(end)
	s.replyMissed = true
}

// crossed records that all replies up to offset x are matched.
func (s *certainty) crossed(x int64) {
	if x >= s.serverHoleEnd {
		s.serverHoleEnd = 0
	}
}

// lostCommands is a hole in the client's octets at offset from, where commands were expected.
func (s *certainty) lostCommands(from int64) {
	s.miss(from, math.MaxInt64)
	s.unsettled, s.clientGap, s.mailMissed = true, true, true
}

// lostBody is a hole in a message at offset from, which may hide its end and commands after it.
func (s *certainty) lostBody(from int64) {
	s.miss(from, math.MaxInt64)
	s.unsettled, s.clientGap = true, true
}

// lostEndOfData records that the end of a message was in a hole, and so may be the MAIL of the next.
func (s *certainty) lostEndOfData() { s.mailMissed = true }

// couldNotTell records that it is not known whether the client sent a message or commands after DATA.
func (s *certainty) couldNotTell() { s.ambiguous, s.clientGap, s.serverGap = true, true, true }

// inStep records that both sides are where the parser takes them to be, whatever was missed before. An open transaction
// may still be another than the server's.
func (s *certainty) inStep(open bool) {
	s.unsettled = s.unsettled || s.uncertain && open
	s.uncertain, s.clientGap, s.serverGap, s.replyMissed, s.serverHoleEnd = false, false, false, false, 0
}

// sawGoAhead records that both sides are in step by a 354 that ends at offset end.
func (s *certainty) sawGoAhead(end int64) { s.goAhead = end }

// settled records that a command at offset start of the client shows what transaction the server holds open, unless a
// hole comes after it.
func (s *certainty) settled(start int64) {
	if start >= s.clientHoleEnd {
		s.unsettled = false
	}
}

// unsettle records that a command, or its reply, leaves open which transaction the server holds.
func (s *certainty) unsettle() { s.unsettled = true }

// sawMail records that no MAIL is missing before this one.
func (s *certainty) sawMail() { s.mailMissed = false }

// ended records that no reply that is still to come answers what the client sent.
func (s *certainty) ended() { s.serverHoleEnd = 0 }

// lostClient is any hole in the client's octets that ends at offset end.
func (s *certainty) lostClient(end int64) { s.clientHoleEnd = end }

// judged records that the client's octets up to offset end are known to be a message or commands.
func (s *certainty) judged(end int64) { s.commandsUntil = end }

// align records that a reply and its command were found.
func (s *certainty) align() { s.ambiguous = false }

// conflict records that other octets may have counted than were read.
func (s *certainty) conflict() { s.conflicted = true }

// agree records that an exchange that cannot be another has shown that those that were read counted.
func (s *certainty) agree() { s.conflicted = false }

// doubt records that octets may have been missed at the beginning, for good.
func (s *certainty) doubt() { s.doubted = true }

// began records that a transaction begins: replies that were matched before are not its own.
func (s *certainty) began() { s.replyMissed = s.serverHoleEnd > 0 }
