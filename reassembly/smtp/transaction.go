package smtp

import (
	"math"
	"time"
)

// transaction is one mail transaction (RFC 5321 section 3.3): a MAIL, its recipients, and what became of the message.
type transaction struct {
	mailNo    int
	t         time.Time
	flags     Flags
	helo      *string
	auth      bool
	path      *path // nil where no MAIL was seen
	mailCode  uint16
	open      bool // the server holds it open: its MAIL was not refused
	rcpts     queue[recipient]
	refusal   uint16 // of the last DATA or BDAT that was refused
	refused   int64  // number of the first recipient that came after it
	rows      int    // rows that went out before
	dataCode  uint16 // of a refused DATA or BDAT, or of the message
	spent     bool   // a refused BDAT LAST without recipients: servers end the transaction there, or do not
	bytes     int64
	unheard   bool // a reply may have been missed
	missed    bool // octets of the message were missed
	submitted bool // the message was given whole
	chunked   bool
	blindData bool // 354 was seen, the client was not
	severed   bool // commands behind a hole are not its own
	size      int
}

type recipient struct {
	t        time.Time
	path     *path
	code     uint16
	dataCode uint16 // of a DATA or BDAT that was refused while it was a recipient
	flags    Flags
}

// refuse notes a refused DATA or BDAT. It says nothing of recipients that are still to come.
func (tx *transaction) refuse(code uint16) {
	tx.dataCode = code
	tx.refusal, tx.refused = code, tx.rcpts.end()
}

// takeRcpt takes the first recipient.
func (tx *transaction) takeRcpt() recipient {
	refused := tx.rcpts.first < tx.refused
	rc := tx.rcpts.pop()
	if refused {
		rc.dataCode = tx.refusal
	}
	tx.size -= recipientSize + rc.path.octets()
	return rc
}

const recipientSize = 160

// resolve applies a command with its reply; r is nil where none was seen.
func (d *Dialogue) resolve(c command, r *reply) {
	code := uint16(0)
	if r != nil {
		code = r.code
	}
	if c.doubtful && !d.lfTaken {
		c.flags |= Smuggling
	}
	switch c.verb {
	case verbMail:
		d.mail(c, code)
	case verbRcpt:
		d.rcpt(c, code)
	case verbData:
		d.data(c, r)
	case verbEndOfData:
		d.endOfData(c, r)
	case verbBdat:
		d.bdat(c, r)
	case verbHello:
		d.helloReply(c, r)
	case verbRset, verbXclient:
		if code < 300 || c.verb == verbRset && d.sync.uncertain {
			d.endTransaction(d.abort(250)) // RSET cannot be refused, RFC 5321 section 4.1.1.5
			switch {
			case c.verb != verbRset:
			case code == 0 && d.sync.uncertain:
				d.sync.unsettle() // it may be a line of AUTH
			default:
				d.sync.settled(c.start)
			}
		}
	case verbQuit:
		d.endTransaction(d.abort(code))
	case verbAuth, verbAuthLine:
		d.authReply(c, code)
	case verbStartTLS:
		d.startTLS(c, r)
	case verbOther:
		switch {
		case !c.bad && code == 354 && d.match.pending.len() == 0 && r.acked == d.clientOff:
			d.beginChunk(math.MaxInt64) // of a size unknown: XEXCH50 and its kin; the next reply ends it
			d.chunkRefused = true
		case !c.bad:
		case code == 354:
			d.blindData(*r) // it was DATA
		case code < 400 && d.tx != nil:
			d.tx.severed = true // it may have ended the transaction, or begun another
		}
	}
	if code == 421 {
		if d.sync.uncertain {
			d.sync.unsettle() // the reply may be another's
		}
		d.endTransaction(Aborted)
	}
}

// abort is the outcome of a transaction that a command ended: unknown where the message was given and its reply missed,
// or where the command's own reply was.
func (d *Dialogue) abort(code uint16) Outcome {
	if d.unseenReply() || code == 0 && !d.neverAnswered() {
		return Unknown
	}
	return Aborted
}

// neverAnswered says whether the connection has ended and the server, all of whose replies were seen since the transaction
// began, never answered what still waits.
func (d *Dialogue) neverAnswered() bool { return d.ended && d.seen[FromServer] && !d.sync.replyMissed }

// leftUnanswered says so where no reply of the session was missed.
func (d *Dialogue) leftUnanswered() bool { return d.neverAnswered() && !d.sync.anyReplyMissed }

func (d *Dialogue) mail(c command, code uint16) {
	refused := code >= 400
	accepted := code >= 200 && code < 300 && !d.sync.uncertain
	nested := d.tx != nil && d.tx.path != nil && (d.tx.open || d.sync.uncertain)
	if nested && refused && !d.sync.uncertain && !d.sync.unsettled && !d.tx.severed {
		return // RFC 5321 section 4.1.4
	}
	outcome := d.abort(code)
	if d.tx != nil && d.tx.severed {
		outcome = Unknown
	}
	// Where it may be nested in a transaction, known or not, and refused, the recipients behind it are nobody's.
	undecided := !accepted && (d.sync.unsettled || nested && !d.tx.submitted && (code == 0 && !d.leftUnanswered() || d.sync.uncertain || d.tx.severed))
	if undecided {
		d.sync.unsettle()
	}
	if undecided && d.seen[FromServer] {
		c.flags |= Gap
	}
	if accepted {
		d.sync.settled(c.start)
	}
	if code == 0 && d.sync.replyMissed && d.seen[FromServer] {
		c.flags |= Gap
	}
	d.endTransaction(outcome)
	d.open(c)
	d.tx.mailCode, d.tx.open, d.tx.severed = code, !refused, undecided
}

// open begins a transaction.
func (d *Dialogue) open(c command) {
	d.mailNo++
	d.tx = &transaction{mailNo: d.mailNo, t: c.t, flags: c.flags | d.nextFlag, helo: d.helo, auth: d.auth, path: c.path, open: true, size: 512 + c.path.octets()}
	d.nextFlag = 0
	if d.lfDoubt {
		d.tx.flags |= Smuggling
	}
	if c.path == nil && d.sync.mailMissed {
		d.tx.flags |= Gap
	}
	if (d.sync.uncertain || d.sync.unsettled || d.authUnsure && !d.auth) && !d.s.Midstream {
		d.tx.flags |= Gap
	}
	d.sync.began()
}

func (d *Dialogue) rcpt(c command, code uint16) {
	if d.tx != nil && d.tx.mailCode >= 400 && code >= 200 && code < 300 {
		d.tx.severed = true
		d.sync.unsettle() // its MAIL was nested in a transaction that the server holds
	}
	if d.tx == nil || d.tx.severed || d.tx.submitted || d.tx.spent && d.tx.path != nil && d.tx.open && code == 503 {
		outcome := Unknown
		if d.leftUnanswered() && d.tx != nil && !d.tx.severed {
			outcome = Aborted
		}
		d.endTransaction(outcome)
		flags := c.flags
		if !d.s.Midstream && (code >= 200 && code < 300 || code == 0 && d.lost > 0) {
			flags |= Gap // no server accepts a RCPT without MAIL: one was missed
		}
		d.open(command{t: c.t, flags: flags})
	}
	if code == 0 && d.sync.replyMissed && d.seen[FromServer] {
		c.flags |= Gap
	}
	rc := recipient{t: c.t, path: c.path, code: code, flags: c.flags}
	tx := d.tx
	if code >= 400 {
		outcome := refusal(code)
		if tx.mailCode >= 400 {
			outcome = refusal(tx.mailCode)
		}
		d.emitRow(rc, outcome, nil)
		return
	}
	if tx.rcpts.len() >= orDefault(d.cfg.MaxRcpt, 1<<17) {
		d.stats.Overflows++
		tx.flags |= Truncated
		d.emitRow(tx.takeRcpt(), Unknown, nil)
	}
	tx.rcpts.push(rc)
	tx.size += recipientSize + rc.path.octets()
}

func refusal(code uint16) Outcome {
	if code >= 500 {
		return Refused
	}
	return Deferred
}

// data applies the reply to DATA and frees the client's bytes behind it.
func (d *Dialogue) data(c command, r *reply) {
	d.blocked = false
	code := uint16(0)
	if r != nil {
		code = r.code
	}
	if code == 354 && !c.bad && r.end > c.acked && r.acked == c.end && d.sync.serverHoleEnd <= r.start {
		d.inStep() // nothing but DATA is answered so
		d.agreed()
		d.lfTaken, d.lfDoubt = d.lfTaken || d.lfDoubt, false // as many commands as replies
		d.sync.sawGoAhead(r.end)
		d.pace.waited = d.pace.waited || d.tx != nil && d.tx.path != nil && d.tx.flags&Gap == 0
	}
	if d.sync.uncertain {
		d.sync.unsettle()
		if code != 354 {
			code = 0 // it may be another command's: what the client did tells
		}
	}
	if code >= 400 || code >= 200 && code < 300 {
		if d.tx != nil && code >= 400 {
			d.tx.refuse(code)
		}
		return
	}
	if code == 0 && !d.heldIsMessage() {
		return
	}
	if d.tx != nil && d.tx.mailCode >= 400 && d.sync.unsettled {
		d.endTransaction(Unknown) // the message is of another, which was missed
	}
	if d.tx == nil {
		d.open(command{t: c.t, flags: c.flags})
	}
	if code > 0 || !d.leftUnanswered() {
		d.tx.refuse(0)
	}
	d.tx.missed = d.tx.chunked && d.tx.missed
	d.beginMessage(body{})
	d.sure = code == 354
}

func (d *Dialogue) endOfData(c command, r *reply) {
	if c.flags&Gap != 0 && (d.tx == nil || d.tx.severed) { // its MAIL was missed
		d.endTransaction(Unknown)
		d.open(command{t: c.t})
	}
	if d.tx == nil {
		return
	}
	if c.end > 0 || d.sync.goAhead > 0 {
		d.sync.settled(c.start)
	}
	if r != nil && r.acked == c.end && !c.bad {
		d.agreed()
	}
	tx := d.tx
	tx.flags |= c.flags
	tx.submitted = true
	tx.bytes = c.size
	tx.missed = tx.missed || c.size < 0
	if r != nil {
		d.settle(r)
	}
}

func (d *Dialogue) helloReply(c command, r *reply) {
	code := uint16(0)
	if r != nil {
		code = r.code
	}
	if code >= 300 {
		if d.tx != nil && d.sync.uncertain {
			d.tx.severed = true
			d.sync.unsettle()
		}
		return
	}
	if d.sync.uncertain && d.tx != nil {
		d.sync.unsettle() // it may have been refused
	} else if !d.sync.uncertain {
		d.sync.settled(c.start)
	}
	if code > 0 && !d.sync.uncertain && !r.torn {
		d.pace.plain = !r.pipelining
	}
	if r != nil {
		d.chunking = r.chunking
	}
	d.endTransaction(d.abort(code))
	if c.arg != nil {
		d.helo = c.arg
	}
}

func (d *Dialogue) authReply(c command, code uint16) {
	d.blocked = false
	switch {
	case code == 235:
		d.auth = true
	case code == 334:
		d.authLines = 1
	case code == 0 && d.sync.replyMissed && d.seen[FromServer]:
		d.authUnsure = true // 235 may have been missed
		if c.verb == verbAuth && c.arg != nil {
			d.authLines = presumedAuthLines(*c.arg, c.last)
		}
	case code == 0 && c.verb == verbAuth && c.arg != nil:
		d.authLines = presumedAuthLines(*c.arg, c.last)
	}
}
