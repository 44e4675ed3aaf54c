package sniff

import (
	"context"
	"time"

	"tap25/cmd/tap25/scope"
	"tap25/reassembly/smtp"
)

// emit passes a row on to the output if it is in scope.
func (t *tap) emit(e *smtp.Envelope) {
	if t.gate.Pass(e) {
		t.out.emit(e)
	}
}

// takeScope puts a changed scope in force. Which file it is in is settled at the start.
func (t *tap) takeScope(next *Settings) {
	now := t.gate.Scope()
	if now == nil || next.Scope == nil || next.ScopeFile != t.cfg.ScopeFile || next.Scope.Digest() == now.Digest() {
		return
	}
	t.gate.Set(next.Scope)
	t.logScope()
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
			if text := t.gate.Counts().Warning(); text != "" && now.Sub(warned) > warnScopeEvery {
				t.log.Warn().Msg(text)
				warned = now
			}
		}
	}
}
