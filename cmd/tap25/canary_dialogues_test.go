package main

// canaryDialogues are sessions full of what must never be kept. {place} is a canary that says where it stood, {b64
// place} its base64, {plain place} the base64 of an AUTH PLAIN message with it as the password; {envelope} stands where
// it belongs into a row. A line is a segment with CRLF behind it; = in place of the colon leaves that away, + joins the
// next line on.
var canaryDialogues = map[string]string{
	"mails": `S: 220-{banner-first}
S: 220 mx.example ESMTP {banner}
C: EHLO client.example
S: 250-mx.example {hello}
S: 250-{keyword}
S: 250 PIPELINING
C: HELP {help}
S: 214 {help-reply}
C: VRFY {vrfy}@b.example
S: 252 {vrfy-reply}
C: EXPN {expn}
S: 550 {expn-reply}
C: NOOP {noop}
S: 250 {noop-reply}
C: ETRN {etrn}.example
S: 458 {etrn-reply}
C: XCLIENT NAME={xclient}.example ADDR=192.0.2.77 LOGIN={xclient-login}
S: 220 {xclient-reply}
C: XFORWARD HELO={xforward}
S: 501 {xforward-reply}
C: X{unknown} {unknown-argument}
S: 500 {unknown-reply}
C: {no-verb}
S: 502 {no-verb-reply}
C: MAIL FROM:<{envelope}@a.example> AUTH={mail-auth} X-P={mail-parameter} BODY={mail-body}
S: 250 2.1.0 {mail-reply}
C: RCPT TO:<{envelope}1@b.example> NOTIFY={notify} X={rcpt-parameter}
S: 250 2.1.5 {rcpt-reply}
C: RCPT TO:<{envelope}2@b.example>
S: 550 5.1.1 {rcpt-refusal}
C: DATA
S: 354 {data-reply}
C: Subject: {subject}
C: From: "{from-name}" <{from}@a.example>
C: To: <{to}@b.example>
C: Received: from {received} ([192.0.2.1])
C: {folded}
C:
C: {body}
C: {b64 body-base64}
C: ..{stuffed}
C: {very-last}
C: .
S: 250 2.0.0 {message-reply}
C: MAIL FROM:<{envelope}@a.example>
C: RCPT TO:<{envelope}@b.example>
C: BDAT 50
C= {bdat}{bdat-tail:50}
S: 250 {p-reply}
S: 250 {p-reply}
S: 250 {bdat-reply}
C: BDAT 10 LAST
C= {bdat-last:10}
S: 554 {bdat-refusal}
C: MAIL FROM:<{envelope}@a.example>
S: 250 ok
C: RCPT TO:<{envelope}@b.example>
S: 250 ok
C: BDAT x{bdat-argument}
S: 501 {bdat-argument-reply}
C: BDAT 99999999999999999999 LAST
S: 501 no
C: {bdat-malformed-body}
S: 500 {bdat-malformed-reply}
C: RSET {rset}
S: 250 {rset-reply}
C: MAIL FROM:<{envelope}@a.example>
S: 250 ok
C: RCPT TO:<{envelope}@b.example>
S: 250 ok
C: DATA
S: 554 {data-refusal}
C: Subject: {refused-subject}
C: {refused-body}
C: .
S: 500 {refused-line}
S: 500 {refused-line}
S: 500 {refused-line}
C: QUIT {quit}
S: 221 {quit-reply}`,

	"auth": `S: 220 mx.example ESMTP
C: EHLO client.example
S: 250-mx.example
S: 250 AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256
C: AUTH PLAIN {plain initial-refused}
S: 535 5.7.8 {auth-refusal}
C: AUTH PLAIN
S: 334
C: {plain continued}
S: 535 5.7.8 no
C: AUTH LOGIN
S: 334 VXNlcm5hbWU6
C: {b64 login-user}
S: 334 {b64 login-challenge}
C: {b64 login-password}
S: 535 5.7.8 no
C: AUTH LOGIN {b64 login-initial}
S: 334 UGFzc3dvcmQ6
C: {b64 login-second}
S: 535 5.7.8 no
C: AUTH SCRAM-SHA-256 {b64 scram-first}
S: 334 {b64 scram-challenge}
C: {b64 scram-final}
S: 334 {b64 scram-more}
C: {scram-raw}
S: 535 5.7.8 no
C: AUTH CRAM-MD5
S: 334 {b64 cram-challenge}
C: *
S: 501 {cancelled}
C: AUTH PLAIN
S: 334
C: {plain cancelled-late}
S: 334 {b64 another}
C: *
S: 501 5.7.0 no
C: AUTH X-{mechanism}
S: 504 {mechanism-reply}
C: {plain sent-all-the-same}
S: 500 what
C: AUTH PLAIN+
C: {plain pipelined}+
C: MAIL FROM:<{envelope}@a.example>
S: 334
S: 235 2.7.0 {auth-accepted}
S: 250 ok
C: RCPT TO:<{envelope}@b.example>
S: 250 ok
C: DATA
S: 354 go
C: {body-after-auth}
C: .
S: 250 ok
C: QUIT
S: 221 bye`,

	"starttls": `S: 220 mx.example
C: EHLO client.example
S: 250 STARTTLS
C: STARTTLS+
C: MAIL FROM:<{injected-mail}@a.example>+
C: RCPT TO:<{injected-rcpt}@b.example>+
C: DATA+
C: {injected-body}+
C: .
S: 220 {starttls-reply}
C: EHLO {plaintext-hello}.example
S: 250 {plaintext-hello-reply}
C: MAIL FROM:<{plaintext-mail}@a.example>
S: 250 ok
C: RCPT TO:<{plaintext-rcpt}@b.example>
S: 250 ok
C: DATA
S: 354 go
C: {plaintext-body}
C: .
S: 250 2.0.0 Ok: queued as {plaintext-queue}`,

	"http": `C: POST /{http-path}?{http-query} HTTP/1.1
C: Host: {http-host}
C: Authorization: Basic {plain http-secret}
C:
C: {http-body}
S: HTTP/1.1 200 OK
S: Set-Cookie: {http-cookie}
S:
S: {http-answer}`,

	"ssh": `S: SSH-2.0-{ssh-server}
C: SSH-2.0-{ssh-client}
C= {ssh-binary}`,

	"redis": `C: AUTH {redis-password}
S: +OK
C: SET {redis-key} {redis-value}
S: +OK {redis-answer}`,

	"pop": `S: +OK {pop-banner}
C: USER {pop-user}
S: +OK
C: PASS {pop-password}
S: -ERR {pop-error}`,

	"junk": `S: {junk-banner}
C: {junk-client}
S= {junk-server-unfinished}
C= {junk-client-unfinished}`,
}

// canaryBody tries hard to be taken for envelopes; it is right where nothing is lost (DESIGN.md, "Limits").
const canaryBody = `S: 220 mx.example
C: EHLO client.example
S: 250 mx.example
C: MAIL FROM:<{envelope}@a.example>
S: 250 ok
C: RCPT TO:<{envelope}@b.example>
S: 250 ok
C: DATA
S: 354 go
C: MAIL FROM:<{body-mail}@evil.example>
C: RCPT TO:<{body-rcpt}@evil.example>
C: EHLO {body-ehlo}.example
C: STARTTLS
C: AUTH PLAIN {plain body-auth}
C: DATA
C: .
S: 250 ok
C: MAIL FROM:<{envelope}@a.example>
S: 250 ok
C: RCPT TO:<{envelope}@b.example>
S: 250 ok
C: DATA
S: 354 go
C= {lf}
C: MAIL FROM:<{smuggled-mail}@evil.example>
C: RCPT TO:<{smuggled-rcpt}@evil.example>
C: .
S: 250 ok
C: QUIT
S: 221 bye`
