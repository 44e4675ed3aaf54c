// Package smtp turns the two byte streams of one SMTP connection into envelope rows.
//
// Bytes are pushed as the capture brings them. What orders the two directions is not the capture but TCP itself: with
// every piece comes the number of bytes of the other direction that its sender had acknowledged when it sent it. A reply
// that the client had already received when it sent a command cannot answer that command, and a command sent behind a
// hole in the replies begins afresh. So a tap that swaps, delays or loses packets changes no row in silence.
//
// Nothing of a message, a credential or a reply's text is kept: bodies are counted as they pass, AUTH lines are dropped
// where they are read, and of a reply only the code and the queue id remain.
//
// A Dialogue serves one connection and one goroutine. Sources: RFC 5321 (SMTP), 2920 (PIPELINING), 3030 (BDAT),
// 3207 (STARTTLS), 4954 (AUTH), 1870 (SIZE), 3461 (DSN), 6531 (SMTPUTF8).
package smtp
