package archive

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"time"

	"tap25/cmd/tap25/disclose"
	"tap25/store"
	"tap25/store/evidence"
)

// Settings are how an export is made.
type Settings struct {
	Dir     string
	Form    string // one of Forms
	Key     *evidence.Key
	Version string // of tap25
	Wrote   func(File)
}

// ErrNotOwner is the error of a login that may not read all mail.
var ErrNotOwner = errors.New("only the owner of the database exports all mail; an auditor exports what a case opens: " +
	"name it with --case")

// Mail exports the rows of the view mail that a question asks for. If an earlier export of the same question was
// interrupted in that directory, it goes on after the last whole file. After an error, the files of whole days stay.
func Mail(ctx context.Context, db *store.DB, q store.MailQuestion, s Settings) (*Manifest, error) {
	source, err := db.MailSource(ctx)
	if store.LacksRight(err) {
		return nil, ErrNotOwner
	}
	if err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	e, err := begin(s, Manifest{
		Question: Question{Since: utc(q.Since), Before: utc(q.Before), Sensors: q.Sensors},
		Made:     Made{At: source.At.UTC(), By: source.By, Version: s.Version},
		Database: &Database{Identity: source.Database, Schema: source.Schema},
	})
	if err != nil {
		return nil, err
	}
	err = e.mail(ctx, db, q)
	if err == nil {
		err = e.completeness(db.MailCompleteness(ctx, q))
	}
	if err == nil {
		source, err = db.MailSource(ctx) // with the links of what was loaded meanwhile
	}
	for _, head := range source.Heads {
		e.m.Chains = append(e.m.Chains, head.String())
	}
	return e.end(ctx, err)
}

// Case exports what a case opens. The database records the question, as it does for a disclosure. After an error, no
// file stays: what was shown is on record, and cannot be gone on with.
func Case(ctx context.Context, db *store.DB, q store.CaseQuestion, s Settings) (*Manifest, error) {
	question := Question{Case: &q.Case, Since: utc(q.Since), Before: utc(q.Before)}
	e, err := begin(s, Manifest{Question: question, Made: Made{Version: s.Version}})
	if err != nil {
		return nil, err
	}
	a, err := db.AskCase(ctx, q)
	if err == nil {
		e.m.Made.At, e.m.Made.By = a.At.UTC(), a.By
		e.m.Access = &disclose.Access{Number: a.Number, SHA256: a.SHA256}
		digest := evidence.HashOf(nil)
		err = e.days(ctx, db.CaseMail(ctx, q), func(r *store.CaseRow) { digest = disclose.DigestWith(digest, r) })
		if err == nil && digest.String() != a.SHA256 {
			err = errors.New("the rows are not those that the database recorded: ask again")
		}
	}
	if err == nil {
		err = e.completeness(a.Completeness, nil)
	}
	return e.end(ctx, err)
}

// export is an export that was begun.
type export struct {
	s   Settings
	m   *Manifest
	dir *directory

	out    *out // the file of day; nil: none
	rows   rowWriter
	number int64 // of rows in it
	day    time.Time
}

// begin opens the directory for the export that a manifest describes.
func begin(s Settings, m Manifest) (*export, error) {
	m.Format, m.Form, m.TimeZone = formatVersion, s.Form, "UTC"
	m.PublicKey = string(evidence.PublicPEM(s.Key.Public()))
	if m.Question.Sensors == nil {
		m.Question.Sensors = []string{}
	}
	m.Files, m.Chains, m.Completeness.Values = []File{}, []string{}, []disclose.Value{}
	dir, err := openDirectory(s.Dir)
	if err != nil {
		return nil, err
	}
	e := &export{s: s, m: &m, dir: dir}
	before, err := dir.resume()
	switch {
	case err != nil:
	case before == nil:
		err = e.note()
	case m.Question.Case != nil || !before.isOf(&m):
		err = fmt.Errorf("export: %s has an interrupted export that this one cannot go on with: it is of a case, "+
			"another question, another database or another version of tap25; delete it, or name another directory",
			s.Dir)
	default:
		m.Files, m.Rows = before.Files, before.Rows
	}
	if err != nil {
		return nil, errors.Join(err, dir.close())
	}
	return e, nil
}

// isOf reports whether an export with this manifest can go on as another.
func (m *Manifest) isOf(o *Manifest) bool {
	return m.Form == o.Form && m.Made.Version == o.Made.Version && m.PublicKey == o.PublicKey &&
		reflect.DeepEqual(m.Question, o.Question) && reflect.DeepEqual(m.Database, o.Database)
}

// note writes the manifest so far.
func (e *export) note() error {
	text, err := e.m.text()
	if err == nil {
		err = e.dir.put(unfinishedFile, text)
	}
	return err
}

// mail exports the days that are not there yet.
func (e *export) mail(ctx context.Context, db *store.DB, q store.MailQuestion) error {
	days, err := db.MailDays(ctx, q)
	if err != nil {
		return err
	}
	last := ""
	if n := len(e.m.Files); n > 0 {
		last = e.m.Files[n-1].Name
	}
	for _, d := range days {
		if nameOf(d.Day, e.s.Form) <= last {
			continue
		}
		if err := e.days(ctx, db.MailOfDay(ctx, d, q), func(*store.CaseRow) {}); err != nil {
			return err
		}
	}
	return nil
}

// days writes rows that come in the order of their time. It calls saw with each.
func (e *export) days(ctx context.Context, rows iter.Seq2[*store.CaseRow, error], saw func(*store.CaseRow)) error {
	for r, err := range rows {
		if err == nil {
			err = e.row(r)
		}
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		saw(r)
	}
	return e.endFile()
}

func (e *export) row(r *store.CaseRow) (err error) {
	day := r.Envelope.SeenAt.UTC().Truncate(24 * time.Hour)
	if e.out != nil && !day.Equal(e.day) {
		if day.Before(e.day) {
			return errOrder
		}
		if err := e.endFile(); err != nil {
			return err
		}
	}
	if e.out == nil {
		e.day = day
		if e.out, err = e.dir.create(nameOf(day, e.s.Form)); err != nil {
			e.out = nil
			return err
		}
		if e.rows, err = newRows(e.out, e.s.Form, e.m.Question.Case != nil); err != nil {
			return err
		}
	}
	e.number++
	return e.rows.Add(r)
}

// endFile ends the file that is open, if there is one.
func (e *export) endFile() error {
	if e.out == nil {
		return nil
	}
	if err := e.rows.Close(); err != nil {
		return err
	}
	file, err := e.out.finish()
	if err != nil {
		return err
	}
	done := File{file, e.number}
	e.m.Files, e.m.Rows = append(e.m.Files, done), e.m.Rows+e.number
	e.out, e.number = nil, 0
	if e.s.Wrote != nil {
		e.s.Wrote(done)
	}
	return e.note()
}

func (e *export) completeness(row []byte, err error) error {
	if err == nil {
		e.m.Completeness, err = disclose.ParseCompleteness(row)
	}
	return err
}

// end signs the manifest, unless err is an error already.
func (e *export) end(ctx context.Context, err error) (*Manifest, error) {
	if e.out != nil {
		err = errors.Join(err, e.out.drop())
	}
	var text []byte
	if err == nil {
		text, err = e.m.text()
	}
	if err == nil {
		err = e.dir.put(signatureFile, e.s.Key.Sign(text))
	}
	if err == nil {
		err = e.dir.put(manifestFile, text)
	}
	if err == nil {
		err = e.dir.root.Remove(unfinishedFile)
	}
	ofCase := e.m.Question.Case != nil
	if err != nil && ofCase {
		err = errors.Join(err, e.dir.discard(e.m.Files))
	}
	if err = errors.Join(err, e.dir.close()); err == nil {
		return e.m, nil
	}
	if ctx.Err() != nil && !ofCase {
		err = errors.New("interrupted; the same command goes on after the last whole file")
	}
	return nil, fmt.Errorf("export: %w", err)
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}
