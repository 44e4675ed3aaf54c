package sniff

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tap25/cmd/tap25/confine"
	"tap25/cmd/tap25/report"
	"tap25/cmd/tap25/rows"
	"tap25/cmd/tap25/scope"
	"tap25/reassembly/smtp"
	"tap25/store"
	"tap25/store/numeral"
	"tap25/store/stream"
)

// output is the destination of the rows.
type output interface {
	emit(*smtp.Envelope)         // from any worker
	idle()                       // no frame waits at the moment
	close(context.Context) error // writes or loads the rows that are left
	cover(*store.Coverage) error // records coverage
	scoped(*scope.Scope) error   // another scope comes into force, or at the start none

	report() *report.Store                                   // nil: none
	health(now time.Time) (notLive []string, refusal string) // as loadHealth.judge
	spool() string                                           // directory that only this user may read; "": none
	rights(*confine.Rights) error                            // adds the rights that it needs
}

// openOutput opens standard output or the stream to the database. fail ends the tap: with the first write that fails.
func openOutput(ctx context.Context, cfg *Config, fail func(error)) (output, error) {
	if cfg.ToStdout {
		return &toStdout{rows.NewWriter(cfg.Stdout, cfg.Form, fail)}, nil
	}
	to := stream.Config{
		DSN: cfg.DSN, Limits: cfg.Limits, Sensor: cfg.Assembler.Sensor, Retention: cfg.Retention,
		PackAfter: cfg.PackAfter, EndReaders: cfg.EndReaders, Key: cfg.Key, Witness: cfg.Witness, Timestamp: cfg.Timestamp,
		Version: cfg.Version, Log: cfg.Log, Stderr: cfg.Stderr, Waiting: cfg.Waiting,
	}
	if cfg.Spool != "" {
		to.Dirs = []string{cfg.Spool}
	}
	s, err := stream.Open(ctx, to)
	if err != nil {
		return nil, err
	}
	if s.Database().Cluster != nil {
		if err := startCluster(ctx, s.Database()); err != nil {
			return nil, errors.Join(err, s.Close(ctx))
		}
	}
	retention := "never"
	if cfg.Retention != (store.Retention{}) {
		retention = cfg.Retention.String()
	}
	return &toDatabase{stream: s, limit: cfg.Limits.Bytes, retention: retention}, nil
}

// startWithin is how long a tap waits for a private cluster that was made before, such as one that recovers from a
// power failure. Then it listens, and its rows wait in the spool.
const startWithin = 5 * time.Second

// startCluster starts the private cluster while tap25 still has the rights that making one takes.
func startCluster(ctx context.Context, d *store.Database) error {
	if d.Late(ctx, startWithin) {
		return nil // the loader tries again, and logs why it cannot load
	}
	db, err := d.Connect(ctx)
	if err == nil {
		db.Close()
	}
	return err
}

// toStdout writes rows to standard output, on which a failed write ends the tap.
type toStdout struct{ rows *rows.Writer }

func (o *toStdout) emit(e *smtp.Envelope) { o.rows.Emit(e) }
func (o *toStdout) idle()                 { _ = o.rows.Flush() } // the Writer keeps the error and calls fail

func (o *toStdout) close(context.Context) error {
	err := o.rows.Flush()
	if n := o.rows.Unwritten(); err != nil && n > 0 {
		err = fmt.Errorf("%w: %s rows are lost", err, numeral.Grouped(n))
	}
	return err
}

func (o *toStdout) cover(*store.Coverage) error                         { return nil }
func (o *toStdout) scoped(*scope.Scope) error                           { return nil }
func (o *toStdout) report() *report.Store                               { return nil }
func (o *toStdout) health(time.Time) (notLive []string, refusal string) { return nil, "" }
func (o *toStdout) spool() string                                       { return "" }
func (o *toStdout) rights(*confine.Rights) error                        { return nil }

// toDatabase puts rows into a stream to the database.
type toDatabase struct {
	stream    *stream.Stream
	limit     int64 // of the spool, in bytes
	retention string
	progress  loadHealth
	forecast  report.Forecaster
}

func (o *toDatabase) emit(e *smtp.Envelope)           { o.stream.Emit(e) }
func (o *toDatabase) idle()                           {}
func (o *toDatabase) close(ctx context.Context) error { return o.stream.Close(ctx) }
func (o *toDatabase) spool() string                   { return o.stream.Dir() }

func (o *toDatabase) cover(c *store.Coverage) error {
	o.report() // at least once a minute, for the forecast
	return o.stream.Cover(c)
}

func (o *toDatabase) report() *report.Store {
	s := report.StoreOf(o.stream.Stats())
	s.SpoolLimit, s.SpoolDisk = o.limit, report.DiskOf(o.stream.Dir())
	_, s.Refusal = o.health(time.Now())
	if c := o.stream.Database().Cluster; c != nil {
		s.DatabaseDisk = report.DiskOf(c.DataDir())
	}
	s.Forecast, s.Retention = o.forecast.Look(s), o.retention
	return s
}

func (o *toDatabase) scoped(s *scope.Scope) error {
	c := store.ScopeChange{Program: "sniff", Since: time.Now()}
	if s != nil {
		c.Rules = new(s.Text())
	}
	return o.stream.RecordScope(c)
}

func (o *toDatabase) health(now time.Time) (notLive []string, refusal string) {
	return o.progress.judge(now, o.stream.Stats())
}
