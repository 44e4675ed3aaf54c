package smtp_test

import (
	"fmt"
	"strings"

	"pgregory.net/rapid"
)

// A generator draws sessions: it plays the client and a server that is right by RFC 5321, except where it draws
// otherwise.
type generator struct {
	t       *rapid.T
	session []exchange
	offset  int64

	// The server's state.
	mail   int // number of the MAIL whose transaction is open; 0: none
	rcpts  int // accepted in it
	chunks bool
	failed bool // a chunk was refused: all chunks behind it are
	authed bool

	chunking bool // the server knows it
	offered  bool // and has said so

	mails, names int  // numbers given out
	grouped      bool // the client sends groups of commands, as the server's EHLO reply lets it
	shown        bool // one has been
	bareLF       bool // lines may end so, and the server takes it
	lossy        bool // what RFC 2920 section 3.1 puts last in a group is so: DATA, STARTTLS, AUTH
}

func (g *generator) draw(label string, n int) int { return rapid.IntRange(0, n-1).Draw(g.t, label) }

// chance is true once in n times, and shrinks to false.
func (g *generator) chance(label string, n int) bool { return g.draw(label, n) == n-1 }

func pick[T any](g *generator, label string, from ...T) T { return from[g.draw(label, len(from))] }

// add appends an exchange, with a reply of some form for its code.
func (g *generator) add(x exchange) {
	x.offset = g.offset
	g.offset += int64(len(x.sent))
	for _, f := range x.finals {
		x.reply += fmt.Sprintf("%d ok: queued as %s\r\n", f.code, f.queue)
	}
	if x.code != 0 && len(x.finals) == 0 {
		text := pick(g, "text", " ok", "", " 2.0.0 250 fine", " MAIL FROM:<reply@evil.example>")
		if x.queue != "" {
			text = " 2.0.0 Ok: queued as " + x.queue
		}
		if g.chance("multi-line", 5) {
			x.reply = fmt.Sprintf("%d-first\r\n%d-\r\n", x.code, x.code)
		}
		x.reply += fmt.Sprintf("%d%s\r\n", x.code, text)
	}
	if x.kind == xHello && x.code == 250 {
		if g.lossy && g.grouped {
			x.reply = "250-PIPELINING\r\n" + x.reply
		}
		if g.offered = g.chunking; g.offered {
			x.reply = "250-CHUNKING\r\n" + x.reply
		}
	}
	x.waits = x.waits || !g.grouped
	if !g.lossy && g.bareLF && x.kind != xGreeting && x.kind != xMessage && x.kind != xBdat && x.kind != xTLS &&
		g.chance("bare LF", 3) {
		x.sent = strings.TrimSuffix(x.sent, "\r\n") + "\n"
		x.waits = x.waits || !g.shown // that the server takes it shows at its first answer; until then it may not
		g.shown = true
		g.offset--
	}
	g.session = append(g.session, x)
}

func (g *generator) command(kind exchangeKind, line string, code uint16) {
	g.add(exchange{kind: kind, sent: line + "\r\n", code: code, waits: g.chance("waits", 4)})
}

// drawSession draws a session and says whether it ends by FIN or RST.
func drawSession(t *rapid.T, lossy bool) ([]exchange, bool) {
	g := generator{t: t, lossy: lossy}
	g.grouped = !lossy || g.chance("pipelining", 2)
	g.bareLF = !lossy && g.chance("bare LF", 6)
	g.chunking = lossy || !g.chance("no CHUNKING", 4)
	g.add(exchange{kind: xGreeting, code: 220, waits: lossy || !g.chance("early talker", 4)})
	if !g.chance("no EHLO", 8) {
		g.hello()
	}
	for range 1 + g.draw("steps", 24) {
		if g.step(); g.session[len(g.session)-1].code == 421 {
			return g.session, true
		}
	}
	switch {
	case g.chance("no QUIT", 3):
	case g.chance("STARTTLS", 4):
		g.add(exchange{kind: xSTARTTLS, sent: "STARTTLS\r\n", code: 220, waits: true})
		records := "\x16\x03\x01\x00\x05hello\x17\x03\x03\x00\x20"
		if !g.lossy { // ciphertext that reads like this has no chance to come by behind a lost STARTTLS
			records += "\r\nMAIL FROM:<tls@evil.example>\r\n"
		}
		g.add(exchange{kind: xTLS, sent: records})
	default:
		g.command(xQuit, "QUIT", 221)
	}
	if g.chance("unanswered", 4) {
		g.unanswered()
	}
	return g.session, !g.chance("timeout", 4)
}

// unanswered takes the replies away from the last commands, as far as it stays certain what they would have done.
func (g *generator) unanswered() {
	keep := len(g.session) - 1 - g.draw("unanswered from", min(6, len(g.session)-1))
	inMail := modelAfter(g.session[:keep]).holds()
	for i := keep; i < len(g.session); i++ {
		x := &g.session[i]
		certain := x.kind == xRcpt || x.kind == xOther || x.kind == xMail && !inMail || x.kind == xMessage && i == keep
		if !certain || x.code == 421 {
			g.session = g.session[:i]
			return
		}
		inMail = true
		x.code, x.reply = 0, ""
		if x.waits || x.kind == xMessage {
			g.session = g.session[:i+1]
			return
		}
	}
}

func (g *generator) step() {
	switch n := g.draw("step", 16); {
	case n < 4 && g.mail == 0, n == 0:
		g.mailCommand()
	case n < 9 && !g.chunks:
		g.rcptCommand()
	case n < 11 && !g.chunks:
		g.data()
	case n < 13:
		g.bdat()
	case n == 13:
		g.other()
	case n == 14:
		g.end()
		g.command(xRset, pick(g, "rset", "RSET", "rset", "RSET "), 250)
	default:
		if g.chance("EHLO", 3) {
			g.hello()
		} else {
			g.other()
		}
	}
}

func (g *generator) end() { g.mail, g.rcpts, g.chunks, g.failed = 0, 0, false, false }

func (g *generator) hello() {
	g.names++
	arg := fmt.Sprintf("h%d.example", g.names)
	code := uint16(250)
	if g.chance("EHLO refused", 6) {
		code = 501
	} else {
		g.end()
	}
	g.add(exchange{kind: xHello, sent: pick(g, "ehlo", "EHLO ", "helo ", "EhLo\t") + arg + "\r\n", arg: arg, code: code,
		waits: g.lossy || g.chance("waits", 2)})
}

func (g *generator) mailCommand() {
	g.mails++
	code := pick[uint16](g, "MAIL code", 250, 250, 250, 250, 451, 550, 421)
	if g.mail != 0 && code == 250 && !g.chance("nested MAIL accepted", 4) {
		code = 503
	}
	if code == 250 {
		g.end()
		g.mail = g.mails
	}
	arg := fmt.Sprintf("s%d@a.example", g.mails)
	form := pick(g, "MAIL form", "MAIL FROM:<%s>\r\n", "mail from: <%s> SIZE=100 X=Y\r\n",
		"MAIL  FROM:\t<%s> BODY=8BITMIME\r\n")
	g.add(exchange{kind: xMail, sent: fmt.Sprintf(form, arg), arg: arg, code: code,
		waits: !g.lossy && g.chance("waits", 3)})
}

func (g *generator) rcptCommand() {
	g.names++
	arg := fmt.Sprintf("r%d-%d@b.example", g.mail, g.names)
	code := uint16(503)
	if g.mail != 0 {
		code = pick[uint16](g, "RCPT code", 250, 250, 250, 251, 450, 550, 421)
	}
	if code < 300 {
		g.rcpts++
	}
	form := pick(g, "RCPT form", "RCPT TO:<%s>\r\n", "rcpt to: <%s> NOTIFY=NEVER\r\n",
		"RCPT\tTO:<@relay.example:%s>\r\n")
	g.add(exchange{kind: xRcpt, sent: fmt.Sprintf(form, arg), arg: arg, code: code, waits: g.chance("waits", 3)})
}

// bodyLines are lines of messages, among them what would be commands elsewhere.
var bodyLines = []string{
	"hello", "", ".", "..", ".x", "MAIL FROM:<body@evil.example>", "RCPT TO:<body@evil.example>", "DATA", "RSET",
	"QUIT",
	"EHLO body.evil.example", "BDAT 1000 LAST", "STARTTLS", "AUTH LOGIN", "250 ok", "bare\rCR",
	strings.Repeat("long ", 60),
}

func (g *generator) body(lines ...string) (stuffed string, size int64) {
	var b strings.Builder
	for range g.draw("lines", 8) {
		line := pick(g, "line", lines...)
		size += int64(len(line)) + 2
		if strings.HasPrefix(line, ".") {
			b.WriteByte('.')
		}
		b.WriteString(line + "\r\n")
	}
	return b.String(), size
}

func (g *generator) data() {
	if g.rcpts == 0 {
		g.add(exchange{kind: xData, sent: "DATA\r\n", code: 503, waits: g.lossy || g.chance("waits", 4)})
		return
	}
	code := pick[uint16](g, "DATA code", 354, 354, 354, 451, 554)
	g.add(exchange{kind: xData, sent: "DATA\r\n", code: code, waits: g.lossy || !g.chance("streams", 3)})
	if code != 354 {
		return
	}
	text, size := g.body(bodyLines...)
	x := exchange{kind: xMessage, sent: text + ".\r\n", size: size,
		code: pick[uint16](g, "final code", 250, 250, 250, 451, 554)}
	if x.code == 250 && g.chance("queue id", 2) {
		g.names++
		x.queue = fmt.Sprintf("4F1B2C%06d", g.names)
	}
	g.end()
	x.waits = g.chance("waits", 2)
	g.add(x)
}

func (g *generator) bdat() {
	if !g.offered { // the server knows no BDAT: what follows are commands
		if g.lossy {
			g.other()
		} else if !g.chunks {
			g.add(exchange{kind: xData, sent: pick(g, "unknown bdat", "BDAT 30 LAST\r\n",
				"BDAT 99999999999999999999\r\n"), code: pick[uint16](g, "code", 500, 502, 504), waits: g.chance("waits",
				2)})
		}
		return
	}
	if !g.lossy && !g.chunks && g.chance("malformed", 8) {
		g.add(exchange{kind: xData, sent: pick(g, "bad bdat", "BDAT\r\n", "BDAT x LAST\r\n", "BDAT -1\r\n",
			"BDAT 3 LAST x\r\n"), code: 501, waits: g.chance("waits", 2)})
		return
	}
	lines := bodyLines
	if g.lossy {
		lines = lines[:2] // behind a lost BDAT nothing tells what is in a chunk from commands or from a message
	}
	text, _ := g.body(lines...)
	x := exchange{kind: xBdat, size: int64(len(text)), last: g.chance("LAST", 2) && g.rcpts > 0, code: 250,
		waits: g.chance("waits", 3)}
	x.sent = fmt.Sprintf("%s %d", pick(g, "bdat", "BDAT", "bdat", "Bdat "), x.size)
	if x.last {
		x.sent += pick(g, "last", " LAST", " last")
	}
	x.sent += "\r\n" + text
	switch {
	case g.rcpts == 0:
		x.code = 503
	case g.failed:
		x.code = 503
		g.chunks = !x.last
	case g.chance("chunk refused", 6):
		x.code, g.failed, g.chunks = 452, true, !x.last
	default:
		g.chunks = !x.last
	}
	if x.last && g.rcpts > 0 {
		g.end()
	}
	g.add(x)
}

func (g *generator) other() {
	switch g.draw("other", 7) {
	case 0:
		g.command(xOther, "NOOP", 250)
	case 1:
		g.command(xOther, "VRFY body@evil.example", 252)
	case 2:
		arg := " MAIL FROM:<fly@evil.example>"
		if g.lossy {
			arg = "" // a lost verb would leave a whole command
		}
		g.command(xOther, "X-FLY"+arg, pick[uint16](g, "code", 500, 502, 521, 299, 472))
	case 3:
		g.add(exchange{kind: xSTARTTLS, sent: "STARTTLS\r\n", code: 454, waits: g.lossy || g.chance("waits", 2)})
	case 4:
		g.command(xOther, "", 500)
	case 5:
		g.command(xOther, "HELP MAIL", 214)
	default:
		g.auth()
	}
}

func (g *generator) auth() {
	code := pick[uint16](g, "AUTH code", 235, 535)
	if g.authed || g.mail != 0 {
		code = 503
	}
	g.authed = g.authed || code == 235
	if code == 503 || g.chance("initial response", 2) {
		g.add(exchange{kind: xAuth, sent: "AUTH PLAIN AHUAcA==\r\n", code: code, waits: g.lossy})
		return
	}
	g.add(exchange{kind: xAuth, sent: "AUTH LOGIN\r\n", code: 334, waits: true})
	g.add(exchange{kind: xAuth, sent: pick(g, "user", "RSET\r\n", "dXNlcg==\r\n", "QUIT\r\n"), code: 334, waits: true})
	g.add(exchange{kind: xAuth, sent: pick(g, "secret", "DATA\r\n", "c2VjcmV0\r\n"), code: code, waits: true})
}
