package store

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tap25/reassembly/smtp"
	"tap25/store/evidence"
)

// CaseQuestion is a question on a case. Nil is what the warrants allow.
type CaseQuestion struct {
	Case          string
	Since, Before *time.Time
	Target        *string // a mailbox, a domain, an IP address or a subnet that a warrant names
}

// CaseAnswer is what the database has recorded of a question, and what the answer rests on.
type CaseAnswer struct {
	Number       int64 // of the access
	By           string
	At           time.Time
	Rows         int64
	SHA256       string // of the rows, docs/auditing.md; hexadecimal
	Warrants     []CaseWarrant
	Completeness []byte // the row of completeness() as JSON; nil if nothing is recorded
}

// CaseWarrant is a warrant of an answer. Nil is what it does not have, being older than approvals.
type CaseWarrant struct {
	ID                       int64
	Basis                    string
	Applicant                string
	AppliedAt                time.Time
	Approver                 *string
	ApprovedAt               *time.Time
	Targets                  []string
	Since, Before, ValidTill time.Time
}

// CaseRow is a row that a case opens: one recipient of one mail, once.
type CaseRow struct {
	Envelope smtp.Envelope // the most complete row of all that show this recipient of this mail
	Sensors  []string      // all sensors that have it, sorted
	Copies   int64         // rows of mail that it stands for
}

// Leaf returns the leaf that the row has in the tree of its segment and day: that of all its stored columns in COPY's
// binary form (docs/evidence.md).
func (r *CaseRow) Leaf() evidence.Hash {
	return evidence.Leaf(widen(nil, AppendRow(nil, &r.Envelope)))
}

// CaseTree is the tree of a segment's rows of a day's partition, with the link that signs its root.
type CaseTree struct {
	Link, Signature []byte
	Key             ed25519.PublicKey
	Day             int32 // UTC, from 1970-01-01
	Leaves          []evidence.Hash
}

// AskCase has the database record a question on an open case, and returns what it recorded. [DB.CaseMail] shows the
// rows then, for 15 minutes.
func (db *DB) AskCase(ctx context.Context, q CaseQuestion) (a CaseAnswer, err error) {
	var number *int64
	err = db.conn.QueryRow(ctx, "select tap25.ask_case($1, $2, $3, $4)", q.Case, q.Since, q.Before, q.Target).
		Scan(&number)
	if err == nil && number == nil {
		err = errors.New("every warrant of the case has ended")
	}
	if err != nil {
		return a, fmt.Errorf("ask the case: %w", err)
	}
	a.Number = *number
	err = db.conn.QueryRow(ctx, "select session_user::text, at, rows, sha256 from tap25.case_answer($1)", number).
		Scan(&a.By, &a.At, &a.Rows, &a.SHA256)
	if err != nil {
		return a, fmt.Errorf("read the record of the question: %w", err)
	}
	rows, err := db.conn.Query(ctx, `select id, basis, applicant::text, applied_at, approver::text, approved_at, targets,
		since, before, valid_until from tap25.case_warrants($1)`, number)
	if err == nil {
		a.Warrants, err = pgx.CollectRows(rows, pgx.RowToStructByPos[CaseWarrant])
	}
	if err != nil {
		return a, fmt.Errorf("read the warrants: %w", err)
	}
	err = db.conn.QueryRow(ctx, "select tap25.answer_completeness($1)::text", number).Scan(&a.Completeness)
	if err != nil {
		return a, fmt.Errorf("ask how complete the answer is: %w", err)
	}
	return a, nil
}

// CaseMail reads the rows of a question that [DB.AskCase] has asked, in the order of their digest.
func (db *DB) CaseMail(ctx context.Context, q CaseQuestion) iter.Seq2[*CaseRow, error] {
	return query(ctx, db, "read the case", scanCaseRow, "select "+rowColumns+
		", sensors, copies from tap25.case_mail($1, $2, $3, $4)", q.Case, q.Since, q.Before, q.Target)
}

// rowColumns are the columns of a row as scanRow reads them.
const rowColumns = `seen_at, sensor, session_id, mail_no, client_ip, client_port, server_ip, server_port, origin_ip,
	coalesce(origin_port, 0), coalesce(origin_by, ''), coalesce(network, ''), helo, mail_from, rcpt_to,
	mail_from_raw, rcpt_to_raw, coalesce(mail_code, 0), coalesce(rcpt_code, 0), coalesce(data_code, 0), outcome::text,
	message_bytes, declared_size, envid, orcpt, queue_id, auth, tls_server_name, lost_bytes, flags`

// CaseTrees reads the trees of the segments that rows of an answer are in.
func (db *DB) CaseTrees(ctx context.Context, access int64) iter.Seq2[*CaseTree, error] {
	return query(ctx, db, "read the proofs of the case", scanCaseTree,
		"select body, signature, public_key, day - date '1970-01-01', leaves from tap25.case_leaves($1)", access)
}

// query reads the rows of a statement one by one.
func query[T any](ctx context.Context, db *DB, what string, scan func(pgx.Rows) (*T, error), sql string, args ...any,
) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		rows, err := db.conn.Query(ctx, sql, args...)
		if err != nil {
			yield(nil, fmt.Errorf("%s: %w", what, err))
			return
		}
		defer rows.Close()
		for rows.Next() {
			row, err := scan(rows)
			if err != nil {
				yield(nil, fmt.Errorf("%s: %w", what, err))
				return
			}
			if !yield(row, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(nil, fmt.Errorf("%s: %w", what, err))
		}
	}
}

func scanMailRow(rows pgx.Rows) (*CaseRow, error) {
	r := &CaseRow{}
	return r, scanRow(rows, &r.Envelope)
}

func scanCaseRow(rows pgx.Rows) (*CaseRow, error) {
	r := &CaseRow{}
	return r, scanRow(rows, &r.Envelope, &r.Sensors, &r.Copies)
}

// scanRow reads rowColumns, and then more.
func scanRow(rows pgx.Rows, e *smtp.Envelope, more ...any) error {
	var client, server netip.Addr
	var origin *netip.Addr
	var clientPort, serverPort uint16
	var outcome, originBy string
	var flags []string
	err := rows.Scan(append([]any{&e.SeenAt, &e.Sensor, &e.SessionID, &e.MailNo, &client, &clientPort, &server, &serverPort, &origin,
		&e.OriginPort, &originBy, &e.Network, &e.HELO, &e.MailFrom, &e.RcptTo, &e.MailFromRaw, &e.RcptToRaw,
		&e.MailCode, &e.RcptCode, &e.DataCode, &outcome, &e.MessageBytes, &e.DeclaredSize, &e.EnvID, &e.ORcpt,
		&e.QueueID, &e.Auth, &e.TLSServerName, &e.LostBytes, &flags}, more...)...)
	if err != nil {
		return err
	}
	e.Client, e.Server = netip.AddrPortFrom(client, clientPort), netip.AddrPortFrom(server, serverPort)
	if origin != nil {
		e.OriginIP = *origin
	}
	named := slices.Index(smtp.OriginNames(), originBy)
	became := slices.Index(smtp.Outcomes(), outcome)
	bits, known := smtp.ParseFlags(flags)
	if named < 0 || became < 0 || !known {
		return errors.New("a row has a word that this tap25 does not know")
	}
	e.OriginBy, e.Outcome, e.Flags = smtp.OriginBy(named), smtp.Outcome(became), bits
	return nil
}

func scanCaseTree(rows pgx.Rows) (*CaseTree, error) {
	t := &CaseTree{}
	var leaves []byte
	if err := rows.Scan(&t.Link, &t.Signature, &t.Key, &t.Day, &leaves); err != nil {
		return nil, err
	}
	for len(leaves) >= len(evidence.Hash{}) {
		t.Leaves = append(t.Leaves, evidence.Hash(leaves[:len(evidence.Hash{})]))
		leaves = leaves[len(evidence.Hash{}):]
	}
	return t, nil
}
