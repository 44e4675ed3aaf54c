package sniff

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"tap25/bpf"
	"tap25/capture"
	"tap25/cmd/tap25/confine"
	"tap25/cmd/tap25/page"
	"tap25/cmd/tap25/report"
	"tap25/cmd/tap25/scope"
	"tap25/store/stream"
)

// lastLoad bounds how long the end waits for the database if no signal was the cause. Rows that are not loaded by then
// wait in the spool.
const lastLoad = 10 * time.Second

// tap is a running sniff.
type tap struct {
	cfg      *Config
	log      *zerolog.Logger
	hangups  chan os.Signal
	live     *capture.Live
	workers  []*worker
	gate     scope.Gate // before out
	out      output
	page     *page.Page // nil: no HTTP
	started  time.Time
	control  string // path of the socket
	serve    []func(context.Context)
	exposed  bool         // metrics are served to other hosts
	unnoted  bool         // the scope that is in force since the start is not noted
	lastMail atomic.Int64 // when the last row was emitted, in nanoseconds since 1970; 0: none was
	checked  heartbeat    // of the goroutine that checks the interfaces
	losses   losses
	covered  coverage
}

// Config configures Run.
type Config struct {
	Settings
	Reload   func() (*Settings, error) // reads the settings again, after SIGHUP
	SetLevel func(level string)        // of Log

	Log            zerolog.Logger // gets no address and nothing of a dialogue
	Stdout, Stderr io.Writer      // of rows, if Settings.ToStdout, and of the summary
	Version        string         // of tap25
	Waiting        func()         // see cluster.Cluster
}

// Run captures until ctx ends or it fails: from the opening of the interfaces to the summary, which goes to cfg.Stderr.
// After the end of ctx the error is nil, unless rows were lost. It is nil too if the reader of cfg.Stdout went away.
func Run(ctx context.Context, cfg *Config) (result error) {
	signalled := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	t := &tap{cfg: cfg, log: &cfg.Log, hangups: make(chan os.Signal, 1), started: time.Now()}
	t.losses.counts = []frameCounts{{at: t.started}}
	t.covered.cut = make(chan struct{}, 1)
	signal.Notify(t.hangups, syscall.SIGHUP) // first, because until then SIGHUP ends the process
	defer signal.Stop(t.hangups)
	if err := confine.ForbidCores(); err != nil {
		return err
	}
	var err error
	if t.live, err = capture.OpenLive(cfg.live()); err != nil {
		return fmt.Errorf("sniff: %w", err)
	}
	defer func() { result = errors.Join(result, t.live.Close()) }()
	if t.out, err = openOutput(ctx, cfg, cancel); err != nil {
		return err
	}
	t.gate.Set(cfg.Scope)
	if err := t.begin(ctx); err != nil {
		return errors.Join(err, t.live.Stop(), t.closeOutput(ctx))
	}
	return t.run(ctx, signalled, cfg.Stderr)
}

// begin does what needs rights, then gives them up.
func (t *tap) begin(ctx context.Context) error {
	cfg := t.cfg.Assembler
	cfg.Emit = t.emit
	t.workers = newWorkers(t.live, cfg, t.out.idle)
	if err := t.listen(); err != nil {
		return err
	}
	notes, err := t.confine()
	if err != nil {
		return fmt.Errorf("give up rights: %w", err)
	}
	t.noteScope() // as the user that tap25 has become
	t.logStart(notes)
	return nil
}

// listen creates the sockets while tap25 has the right to.
func (t *tap) listen() (err error) {
	if t.control = t.cfg.Control; t.control == "" {
		if t.control, err = report.ControlPath(); err != nil {
			return err
		}
	}
	control, err := listenControl(t.control)
	if err != nil {
		return err
	}
	starter := uint32(os.Getuid())
	t.serve = append(t.serve, func(ctx context.Context) { t.serveControl(ctx, control, starter) })
	if t.cfg.Metrics != "" {
		w, err := listenHTTP(t.cfg.Metrics, t.cfg.MetricsHosts)
		if err != nil {
			return errors.Join(fmt.Errorf("serve metrics: %w; name another address with --metrics", err),
				control.Close())
		}
		t.exposed = w.exposed
		t.page = page.New(t.report)
		t.serve = append(t.serve, t.page.Run, func(ctx context.Context) { t.serveHTTP(ctx, w) })
	}
	return nil
}

// logStart logs what runs, and what could be better.
func (t *tap) logStart(notes []string) {
	stats, _ := t.live.Stats()
	for _, l := range stats.Links {
		mode := "native"
		if !l.Native {
			mode = "generic"
		}
		t.log.Info().Str("interface", l.Name).Str("xdp", mode).Bool("up", l.Up).Msg("listening")
		if !l.Native && t.cfg.Mode == bpf.Auto {
			t.log.Warn().Str("interface", l.Name).
				Msg("the driver has no native XDP, or none with this MTU: generic mode costs several times the CPU")
		}
		if !l.Up {
			t.log.Warn().Str("interface", l.Name).Msg("the interface is down: run ip link set " + l.Name + " up")
		}
	}
	t.logScope()
	if t.exposed {
		t.log.Warn().Msg("metrics: " + report.ExposedMetrics)
	}
	if t.cfg.ExposedPassword {
		t.log.Warn().Msg("the configuration file holds a password, and any user may read it: change the password, " +
			"and chmod o-r the file")
	}
	for _, note := range notes {
		t.log.Warn().Msg(note)
	}
}

// run listens until ctx ends or a worker fails, and writes what is left.
func (t *tap) run(ctx, signalled context.Context, stderr io.Writer) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	late := stream.GraceAfter(ctx)
	var workers, others sync.WaitGroup
	for _, w := range t.workers {
		workers.Go(func() {
			if err := w.run(late); err != nil {
				cancel(fmt.Errorf("read ring: %w", err))
			}
		})
	}
	others.Go(func() { t.checkLinks(ctx) })
	for _, serve := range t.serve {
		others.Go(func() { serve(ctx) })
	}
	others.Go(func() { t.rereadOnHangup(ctx) })
	others.Go(func() { t.watchScope(ctx) })
	others.Go(func() { t.coverMinutes(ctx) })
	others.Go(func() { t.notifySystemd(ctx) })
	<-ctx.Done()
	cause := context.Cause(ctx)
	t.log.Info().Msg("stopping")
	err := t.live.Stop()
	workers.Wait()
	others.Wait()
	t.noteLosses(time.Now())
	t.cover(true)
	closed := t.closeOutput(ctx)
	if errors.Is(closed, stream.ErrAway) && !errors.Is(closed, stream.ErrLost) && signalled.Err() != nil {
		t.log.Warn().Err(closed).Msg("ended while rows wait in the spool; the next start loads them")
		closed = nil
	}
	err = errors.Join(err, closed)
	t.report().Summary(stderr)
	if errors.Is(cause, syscall.EPIPE) || errors.Is(cause, io.ErrClosedPipe) {
		return nil // the reader of standard output has enough
	}
	if signalled.Err() == nil { // it did not end by a signal
		err = errors.Join(cause, err)
	}
	return err
}

// closeOutput writes what is left, and waits for the database no longer than lastLoad.
func (t *tap) closeOutput(ctx context.Context) error {
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), lastLoad)
	defer done()
	return t.out.close(ctx)
}
