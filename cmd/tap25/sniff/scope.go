package sniff

import (
	"context"
	"os"
	"time"

	"tap25/cmd/tap25/scope"
	"tap25/reassembly/smtp"
)

// emit passes a row on to the output if it is in scope.
func (t *tap) emit(e *smtp.Envelope) {
	t.lastMail.Store(time.Now().UnixNano())
	if t.gate.Pass(e) {
		t.out.emit(e)
		t.covered.rows.Add(1)
	}
}

// takeScope puts a changed scope in force, unless the change cannot be noted. Which file it is in is settled at the
// start.
func (t *tap) takeScope(next *Settings) error {
	now := t.gate.Scope()
	if now == nil || next.Scope == nil || next.ScopeFile != t.cfg.ScopeFile || next.Scope.Digest() == now.Digest() {
		return nil
	}
	if err := t.out.scoped(next.Scope); err != nil {
		return err
	}
	t.gate.Set(next.Scope)
	t.cutCoverage()
	t.logScope()
	return nil
}

// noteScope has the output note the scope of the start. A disk that is full keeps no row in scope from being captured:
// watchScope tries again.
func (t *tap) noteScope() {
	err := t.out.scoped(t.gate.Scope())
	if t.unnoted = err != nil; t.unnoted {
		t.log.Error().Err(err).Msg("the scope is in force, and not noted for the database yet")
	}
}

// logScope logs which scope is in force, without its entries.
func (t *tap) logScope() {
	s := t.gate.Scope()
	if s == nil {
		return
	}
	domains, networks := s.Size()
	t.log.Info().Str("sha256", s.Digest()).Int("domains", domains).Int("networks", networks).Msg("scope in force")
	if s.KeepsNothing() {
		t.log.Warn().Msg(scope.KeepsNothingText)
	}
	if f, err := os.Open(t.cfg.ScopeFile); err != nil {
		t.log.Warn().Err(err).Msg("SIGHUP will not take up a changed scope: make the file readable for the user that " +
			"tap25 has become")
	} else {
		f.Close()
	}
}

const (
	watchScopeEvery = time.Second
	warnScopeEvery  = time.Hour
)

// watchScope warns, once an hour, while the scope keeps no row.
func (t *tap) watchScope(ctx context.Context) {
	tick := time.NewTicker(watchScopeEvery)
	defer tick.Stop()
	var warned time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if t.unnoted && t.out.scoped(t.gate.Scope()) == nil {
				t.unnoted = false
			}
			if text := t.gate.Counts().Warning(); text != "" && now.Sub(warned) > warnScopeEvery {
				t.log.Warn().Msg(text)
				warned = now
			}
		}
	}
}
