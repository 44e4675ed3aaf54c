package smtp_test

import (
	"fmt"

	"tap25/reassembly/smtp"
)

// The model is the slow and naive reading of a dialogue, against which the parser is held: it does not parse, but is
// told each command and its reply, one after the other, as the generator made them.

type exchangeKind uint8

const (
	xGreeting exchangeKind = iota // no command, only the reply
	xHello
	xMail
	xRcpt
	xData    // answered 354 or refused
	xMessage // the lines of a message up to the dot
	xBdat    // the command and its octets
	xRset
	xQuit
	xAuth  // AUTH and its continuation lines
	xOther // nothing that matters to mail
	xSTARTTLS
	xTLS // what follows an accepted STARTTLS, not answered
)

// An exchange is one command, or what else waits for a reply of its own, and that reply.
type exchange struct {
	kind  exchangeKind
	sent  string // all that the client sent for it
	arg   string // argument of EHLO, address of MAIL and RCPT
	size  int64  // octets of the message, of the chunk
	last  bool   // BDAT LAST
	waits bool   // the client sends nothing more before it has the reply
	code  uint16 // 0: never answered
	reply string
	queue string

	finals []final // with LMTP, the reply to the message of each recipient that was accepted

	offset int64 // of its first byte in the client's stream
}

// A final is a reply to a message.
type final struct {
	code  uint16
	queue string
}

// A modelRow is what the model says of one row.
type modelRow struct {
	mailNo                       int
	from, to                     string // "-" is null
	mailCode, rcptCode, dataCode uint16
	outcome                      smtp.Outcome
	bytes                        int64 // -1 is null, -2 is not said
	helo, queue                  string
	auth                         bool
	// of the first byte of the command whose time is seen_at; of the RCPT where no MAIL was seen
	offset int64
}

func (r modelRow) String() string {
	return fmt.Sprintf("{%d %s>%s %d/%d/%d %s bytes=%d helo=%s queue=%s auth=%v at=%d}", r.mailNo, r.from, r.to,
		r.mailCode, r.rcptCode, r.dataCode, r.outcome, r.bytes, r.helo, r.queue, r.auth, r.offset)
}

type modelTransaction struct {
	modelRow            // what its rows have in common
	refused  bool       // MAIL refused: the server holds no transaction
	rcpts    int        // RCPTs, refused ones too
	pending  []modelRow // the accepted and the unanswered
	dataCode uint16     // of what was refused last, for a MAIL alone
	spent    bool       // BDAT LAST was refused for want of a recipient
	bytes    int64
}

// refuse notes a refused DATA or BDAT for the recipients that there are.
func (tx *modelTransaction) refuse(code uint16) {
	tx.dataCode = code
	for i := range tx.pending {
		tx.pending[i].dataCode = code
	}
}

type model struct {
	rows   []modelRow
	helo   string
	auth   bool
	mailNo int
	tx     *modelTransaction
}

// modelRows returns the rows of a complete session; ended as in Dialogue.Close.
func modelRows(session []exchange, ended bool) []modelRow {
	m := modelAfter(session)
	if ended {
		m.end(smtp.Aborted)
	} else {
		m.end(smtp.Unknown)
	}
	return m.rows
}

func modelAfter(session []exchange) *model {
	m := &model{helo: "-"}
	for _, x := range session {
		m.exchange(x)
		if x.code == 421 {
			m.end(smtp.Aborted)
		}
	}
	return m
}

// holds says whether the server holds a transaction open.
func (m *model) holds() bool { return m.tx != nil && !m.tx.refused }

func (m *model) exchange(x exchange) {
	accepted := x.code >= 200 && x.code < 300
	switch x.kind {
	case xHello:
		if accepted {
			m.end(smtp.Aborted)
			m.helo = x.arg
		}
	case xMail:
		if !m.holds() || accepted {
			m.end(smtp.Aborted)
			m.begin(x.arg, x)
			m.tx.mailCode, m.tx.refused = x.code, x.code >= 400
		}
	case xRcpt:
		m.rcpt(x)
	case xData:
		switch {
		case m.tx != nil && x.code >= 400:
			m.tx.refuse(x.code)
		case m.tx != nil && x.code == 354:
			m.tx.refuse(0) // an earlier refusal no longer counts
		}
	case xMessage:
		if m.tx != nil && x.code != 0 {
			m.tx.bytes, m.tx.dataCode = x.size, x.code
			m.settle(x)
		}
	case xBdat:
		m.bdat(x)
	case xRset:
		if accepted {
			m.end(smtp.Aborted)
		}
	case xQuit:
		m.end(smtp.Aborted)
	case xAuth:
		m.auth = m.auth || x.code == 235
	case xSTARTTLS:
		if accepted {
			m.end(smtp.Aborted)
			m.rows = append(m.rows, modelRow{from: "-", to: "-", outcome: smtp.Encrypted, bytes: -1, helo: m.helo,
				queue: "-", auth: m.auth, offset: x.offset})
		}
	}
}

func (m *model) begin(from string, x exchange) {
	m.mailNo++
	m.tx = &modelTransaction{modelRow: modelRow{mailNo: m.mailNo, from: from, to: "-", bytes: -1, helo: m.helo,
		queue: "-", auth: m.auth, offset: x.offset}}
}

func (m *model) rcpt(x exchange) {
	if m.tx != nil && m.tx.spent && m.holds() && x.code == 503 {
		m.end(smtp.Aborted)
	}
	if m.tx == nil {
		m.begin("-", x)
		m.tx.refused = true // the next MAIL opens one of its own, whatever its reply
	}
	m.tx.rcpts++
	row := m.tx.modelRow
	row.to, row.rcptCode = x.arg, x.code
	if x.code < 400 {
		m.tx.pending = append(m.tx.pending, row)
		return
	}
	row.outcome = byCode(x.code)
	if row.mailCode >= 400 {
		row.outcome = byCode(row.mailCode)
	}
	m.rows = append(m.rows, row)
}

func (m *model) bdat(x exchange) {
	if m.tx == nil {
		return
	}
	m.tx.bytes += x.size
	if x.code >= 400 && m.tx.dataCode == 0 {
		m.tx.refuse(x.code)
	}
	m.tx.spent = m.tx.spent || x.last && x.code >= 400 && len(m.tx.pending) == 0
	if x.last && len(m.tx.pending) > 0 {
		if x.code < 300 || m.tx.dataCode == 0 {
			m.tx.dataCode = x.code
		}
		m.settle(x)
	}
}

// settle gives the reply to the message to all recipients that wait for it.
func (m *model) settle(x exchange) {
	tx := m.tx
	for i, row := range m.open() {
		row.dataCode, row.outcome, row.bytes = tx.dataCode, byCode(tx.dataCode), tx.bytes
		if len(x.finals) > 0 {
			row.dataCode, row.outcome, x.queue = x.finals[i].code, byCode(x.finals[i].code), x.finals[i].queue
		}
		if x.kind == xBdat && row.outcome != smtp.Accepted {
			row.bytes = -2
		}
		if row.outcome == smtp.Accepted && x.queue != "" {
			row.queue = x.queue
		}
		m.rows = append(m.rows, row)
	}
	m.tx = nil
}

// open returns the rows of the transaction that are not yet settled.
func (m *model) open() []modelRow {
	if m.tx.rcpts == 0 {
		return []modelRow{m.tx.modelRow}
	}
	return m.tx.pending
}

// end ends the transaction without a message.
func (m *model) end(outcome smtp.Outcome) {
	if m.tx == nil {
		return
	}
	for _, row := range m.open() {
		row.outcome, row.bytes = outcome, -2
		if m.tx.rcpts == 0 {
			row.dataCode = m.tx.dataCode
		}
		switch {
		case row.mailCode >= 400:
			row.outcome, row.dataCode = byCode(row.mailCode), 0
		case row.dataCode >= 400:
			row.outcome = byCode(row.dataCode)
		}
		m.rows = append(m.rows, row)
	}
	m.tx = nil
}

func byCode(code uint16) smtp.Outcome {
	switch code / 100 {
	case 5:
		return smtp.Refused
	case 4:
		return smtp.Deferred
	}
	return smtp.Accepted
}
