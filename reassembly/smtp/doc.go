// Package smtp turns the two byte streams of one SMTP connection into envelope rows.
//
// Octets are pushed as the capture brings them. What orders the two directions is not the capture but TCP itself: with
// every piece comes the number of octets of the other direction that its sender had acknowledged when it sent it. A
// reply that the client had already received when it sent a command cannot answer that command, and matching begins
// afresh at a command that was sent after a hole in the replies. So a tap that swaps, delays or loses packets changes
// no row in silence.
//
// Nothing of a message, a credential or a reply's text is kept: bodies are counted as they pass, AUTH lines are dropped
// where they are read, and of a reply only the code and the queue id remain.
//
// A Dialogue serves one connection and one goroutine. Sources: RFC 5321 (SMTP), 2920 (PIPELINING), 3030 (BDAT), 3207
// (STARTTLS), 4954 (AUTH), 1870 (SIZE), 3461 and 6533 (DSN), 6531 (SMTPUTF8), 2033 (LMTP), 4468 (BURL), 821 and 2645
// (TURN, ATRN); proxy-protocol.txt of HAProxy, XCLIENT_README and XFORWARD_README of Postfix.
//
// # Parts
//
// A Dialogue consists of parts, each in a file of its own. Methods of a part write the fields of that part and of no
// other; a test reads the source and holds them to it. Methods of Dialogue read all parts and have them change.
//
//	part          file            holds
//	head          head.go         what may stand before the first command: a PROXY header
//	clientReader  client.go       what the client's next octet means
//	backlog       backlog.go      what the client sent that cannot be read until a reply has come
//	replyReader   reply.go        the reply that is being read
//	matcher       matcher.go      commands without replies, replies without commands
//	certainty     certainty.go    where both sides are known to stand
//	dialect       dialect.go      what both sides have shown of how they speak SMTP
//	mails         transaction.go  the client's name, its authentication, the open transaction
//	texts         memory.go       the texts and paths that rows point to
//
// An event goes this way: Push or Lost hands octets to readClient (command.go) or readReplies (reply.go). Commands and
// replies wait in the matcher. Then run (run.go) matches them (match.go; after a hole resync.go) and reads the backlog,
// until neither leads on. resolve (resolve.go) applies a command with its reply; rows leave by emit (rows.go).
//
// Two things are decided in one place each: which direction is the client's in Dialogue.read, which after TURN hands
// all to a second Dialogue (turn.go); and in Dialogue.settle whether one reply settles a message for all its
// recipients, or, with LMTP (lmtp.go), for one.
//
// # What the client's next octet means
//
//	          354 to DATA                      n octets read
//	    ┌───────────────────────┐         ┌─────────────────────┐
//	    │                       │         │                     │
//	┌───▼────┐             ┌────┴─────────▼──┐              ┌───┴─────┐
//	│ inData │             │    inCommand    │              │ inChunk │
//	└───┬────┘             └────▲─────────┬──┘              └───▲─────┘
//	    │                       │         │                     │
//	    └───────────────────────┘         ├─────────────────────┘
//	      CRLF . CRLF, or the server      │   BDAT n
//	      settled the message             │
//	                                      │ 220 to STARTTLS
//	                                 ┌────▼────┐
//	                                 │ inHello │
//	                                 └────┬────┘
//	                                      │ ClientHello read, or octets that are none
//	                                 ┌────▼────┐
//	                                 │ inDark  │
//	                                 └─────────┘
//
// A lone dot in a flight between two holes leads to inData without 354 (judgeFlight); a second reply within a chunk
// that was refused leads from inChunk to inCommand (readSurplus).
//
// # What is certain
//
// The fields of certainty change by these events only. + sets a field, - clears it; offsets take a value (=).
//
//	event         uncertain unsettled ambiguous clientGap serverGap mailMissed replyMissed anyReplyMissed serverHoleEnd
//	midstream         +                             +         +
//	lostReplies       +                                       +                     +                           =
//	missedReplies     +                                       +                     +            +              =
//	overflowed                                                                      +                           =
//	matchAfresh                                                                                                 =
//	lostCommands      +         +                   +                   +
//	lostBody          +         +                   +
//	lostEndOfData                                                       +
//	couldNotTell                          +         +         +
//	unsettle                    +
//	sawMail                                                             -
//	align                                 -
//	inStep            -        (1)                  -         -                     -                           -
//	settled                    (2)
//	beforeHole        -        (5)
//	afterHole         +        (5)
//	began                                                                          (3)
//	crossed                                                                                                    (4)
//	ended                                                                                                       -
//
//	(1) set if a transaction is open and the dialogue was uncertain: it may be another than the server's.
//	(2) cleared, unless a hole in the client's octets comes after the command that shows it (clientHoleEnd).
//	(3) set if a hole in the replies is not crossed yet, else cleared.
//	(4) cleared if all replies before the hole's end are matched.
//	(5) set as before the first hole, until afterHole.
//
// lostReplies leaves anyReplyMissed as it is: the hole's place and length are known, so it tells which commands it
// concerns.
//
// While uncertain is set, knownClient and knownServer say how far each side was read before the first hole, and hidden
// counts the replies that answer nothing that was seen. Of the other fields, sawGoAhead sets goAhead and lostReplies
// clears it, lostClient sets clientHoleEnd, judged sets commandsUntil, doubt sets doubted, conflict sets conflicted and
// agree clears it.
package smtp
