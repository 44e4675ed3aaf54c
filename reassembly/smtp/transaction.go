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
	origin    origin
	path      *path // nil if no MAIL was seen
	mailCode  uint16
	open      bool // the server holds it open: its MAIL was not refused
	rcpts     queue[recipient]
	refusal   uint16  // of the last DATA or BDAT that was refused
	refused   int64   // number of the first recipient that came after it
	rows      int     // rows that went out before
	best      Outcome // of the rows that went out, see Stats.Mails
	dataCode  uint16  // of a refused DATA or BDAT, or of the message
	spent     bool    // a refused BDAT LAST without recipients: servers end the transaction there, or do not
	bytes     int64
	unheard   bool // a reply may have been missed
	missed    bool // octets of the message were missed
	submitted bool // the message was given whole
	chunked   bool
	blindData bool   // 354 was seen, the client was not
	severed   bool   // commands after a hole are not its own
	mayBeOver bool   // a hole may hide its end, and MAIL and RCPT of another: a message is not its own either
	lostSight bool   // so it was when both sides were in step again: nothing will tell any more
	undecided bool   // the reply to DATA was missed
	awaited   int    // replies to the message that are to come, with LMTP
	lastFinal int64  // end of the last one that came
	chunkCode uint16 // of a BDAT that was refused before the last
	first     *reply // the first of them, while it is not known if there are more
	size      int
}

type recipient struct {
	t        time.Time
	path     *path
	code     uint16
	dataCode uint16 // of a DATA or BDAT that was refused while it was a recipient
	flags    Flags
}

// sever has later commands not be its own, since a hole may hide its end and another's beginning.
func (tx *transaction) sever() {
	if tx != nil {
		tx.severed, tx.mayBeOver = true, true
	}
}

// goesOn records that what was missed hides no mail.
func (tx *transaction) goesOn() {
	if tx != nil {
		tx.mayBeOver = tx.lostSight
	}
}

func (tx *transaction) flag(f Flags) {
	if tx != nil {
		tx.flags |= f
	}
}

// answered applies the reply to its MAIL. If it is undecided whether the server holds it, or another, recipients are
// not its own.
func (tx *transaction) answered(code uint16, undecided bool) {
	tx.mailCode, tx.open, tx.severed, tx.mayBeOver = code, code < 400, undecided, undecided
}

// refuse notes a refused DATA or BDAT. Recipients that are still to come are not refused by it.
func (tx *transaction) refuse(code uint16) {
	tx.dataCode = code
	tx.refusal, tx.refused = code, tx.rcpts.end()
}

// refuseChunk notes a refused BDAT: the first one counts.
func (tx *transaction) refuseChunk(code uint16) {
	if tx.dataCode == 0 {
		tx.refuse(code)
	}
}

// chunk notes a BDAT. A sum that reaches 2^63-1, which also stands for all sizes beyond it, is not known.
func (tx *transaction) chunk(c *command) {
	tx.chunked = true
	tx.flags |= c.flags
	if c.size < 0 || c.size >= math.MaxInt64-tx.bytes || tx.severed { // a hole may hide another chunk
		tx.missed = true
	} else {
		tx.bytes += c.size
	}
	tx.submitted = tx.submitted || c.last
}

// refusedEmpty records that BDAT LAST was refused for want of a recipient: one may follow.
func (tx *transaction) refusedEmpty() { tx.submitted, tx.spent = false, true }

// beginMessage notes that a message begins that was announced by DATA. What was missed before is not of this message,
// unless it is of chunks, or of a message before: then the size stays unknown, since the transaction may end first.
func (tx *transaction) beginMessage() { tx.missed = tx.missed && (tx.chunked || tx.submitted) }

// endMessage notes the end of data.
func (tx *transaction) endMessage(c *command) {
	tx.flags |= c.flags
	tx.submitted = true
	if c.size < 0 {
		tx.missed = true
	} else {
		tx.bytes = c.size
	}
}

// missSize notes that the size of the message is not known.
func (tx *transaction) missSize() { tx.missed = true }

// missRefusal notes that the reply to DATA was missed, and that no message followed: the server may have refused it.
func (tx *transaction) missRefusal() {
	if tx != nil {
		tx.undecided = true
	}
}

// beginUnseen notes that a message begins of which no octet is seen.
func (tx *transaction) beginUnseen() { tx.blindData, tx.missed = true, true }

// endUnseen notes the end of such a message.
func (tx *transaction) endUnseen() { tx.submitted = true }

// lose notes that octets of the message were missed.
func (tx *transaction) lose() {
	if tx != nil {
		tx.missed = true
	}
}

// presume notes that the message, or one of unknown size, was given to the server and its reply may have
// been missed.
func (tx *transaction) presume() {
	if tx != nil {
		tx.submitted, tx.unheard, tx.missed = true, true, true
	}
}

// missReply notes that the reply to the message may have been missed. Whatever comes next is not its own.
func (tx *transaction) missReply() {
	tx.unheard = true
	tx.sever()
}

// caughtUp records that both sides are in step again in the midst of it; a reply may have been missed before.
func (tx *transaction) caughtUp(replyMissed bool) {
	tx.flags |= Gap
	tx.unheard = tx.unheard || replyMissed
	tx.lostSight = tx.mayBeOver
}

// settle applies the reply that decides on the message, and returns the code that counts.
func (tx *transaction) settle(code uint16) uint16 {
	if tx.chunked && tx.dataCode >= 400 && code >= 400 {
		code = tx.dataCode
	}
	tx.dataCode = code
	return code
}

// takesNoRcpt reports whether a RCPT with that reply begins another transaction.
func (tx *transaction) takesNoRcpt(code uint16) bool {
	return tx == nil || tx.severed || tx.submitted || tx.spent && tx.path != nil && tx.open && code == 503
}

func (tx *transaction) addRcpt(rc recipient) {
	tx.rcpts.push(rc)
	tx.size += recipientSize + rc.path.octets()
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

// countRow records that a row goes out.
func (tx *transaction) countRow(o Outcome) {
	if tx.rows == 0 || o == Accepted || tx.best != Accepted && o < tx.best {
		tx.best = o
	}
	tx.rows++
}

// recipientSize is about what a recipient takes in the queue, which grows by doubling.
const recipientSize = 80

// mails is what is known of the client and its mail transactions.
type mails struct {
	helo       *string
	auth       bool
	authMissed bool         // the reply that AUTH had was missed
	count      int          // transactions
	tx         *transaction // the open one, in own
	own        transaction
	encrypted  *transaction // an encrypted session's row, until its ClientHello is read
	nextFlags  Flags        // flags for the transaction that opens next
	origin     origin       // the client that PROXY or XCLIENT names
	forwarded  origin       // the client that XFORWARD names for the next transaction; by ByNobody if there was none
}

// begin begins a transaction with a MAIL, or with what shows that one was missed.
func (m *mails) begin(c *command) {
	m.count++
	m.own = transaction{
		mailNo: m.count, t: c.t, flags: c.flags | m.nextFlags, helo: m.helo, auth: m.auth, origin: m.client(),
		path: c.path, open: true, size: 512 + c.path.octets(), rcpts: m.own.rcpts.anew(),
	}
	m.tx = &m.own
	m.nextFlags = 0
}

// countFrom has the next transaction be the one after the n-th.
func (m *mails) countFrom(n int) { m.count = n }

// drop drops the open transaction of a connection that is no SMTP.
func (m *mails) drop() { m.tx = nil }

// end drops the open transaction.
func (m *mails) end() {
	if m.tx.open {
		m.reset()
	}
	m.tx = nil
}

// reset drops what holds for one transaction, as Postfix does after each, and at RSET and a greeting.
func (m *mails) reset() { m.forwarded = origin{} }

// client is the client that is named for the next transaction. If XFORWARD says that it is not known, PROXY does not
// name it either.
func (m *mails) client() origin {
	switch {
	case m.forwarded.by == ByNobody:
		return m.origin
	case !m.forwarded.ip.IsValid():
		return origin{}
	}
	return m.forwarded
}

// proxied notes the content of a header of the PROXY protocol.
func (m *mails) proxied(o origin) { m.origin = o }

// forwards notes an accepted XFORWARD. Each adds to what those before it said.
func (m *mails) forwards(a clientAttributes) {
	m.forwarded = a.update(m.forwarded, ByXFORWARD)
	m.forwarded.by = ByXFORWARD
}

// reintroduced notes an accepted XCLIENT, which begins the session anew (Postfix's XCLIENT_README).
func (m *mails) reintroduced(a clientAttributes) {
	m.origin = a.update(m.origin, ByXCLIENT)
	m.helo, m.auth, m.authMissed = nil, false, false
	m.reset()
}

// encrypt begins the row of a session that STARTTLS encrypts.
func (m *mails) encrypt(c *command) {
	m.encrypted = &transaction{t: c.t, flags: c.flags | m.nextFlags, helo: m.helo, auth: m.auth, origin: m.client()}
	m.nextFlags = 0
}

// takeEncrypted takes that row, nil if there is none.
func (m *mails) takeEncrypted() *transaction {
	tx := m.encrypted
	m.encrypted = nil
	return tx
}

// flag marks what is open, and reports whether there is anything.
func (m *mails) flag(f Flags) bool {
	m.tx.flag(f)
	m.encrypted.flag(f)
	return m.tx != nil || m.encrypted != nil
}

// flagNext marks the transaction that begins next.
func (m *mails) flagNext(f Flags) { m.nextFlags |= f }

// greeted notes the argument of HELO or EHLO.
func (m *mails) greeted(helo *string) {
	m.reset()
	if helo != nil {
		m.helo = helo
	}
}

// authenticated notes that AUTH succeeded.
func (m *mails) authenticated() { m.auth = true }

// missAuth notes that AUTH may have succeeded.
func (m *mails) missAuth() { m.authMissed = true }

// memoryUse is about how many bytes are used.
func (m *mails) memoryUse() (n int) {
	if m.helo != nil {
		n += len(*m.helo)
	}
	if m.tx != nil {
		n += m.tx.size
	}
	return n
}
