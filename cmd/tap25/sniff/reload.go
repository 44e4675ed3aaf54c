package sniff

import (
	"context"
)

// rereadOnHangup applies changed settings after each SIGHUP.
func (t *tap) rereadOnHangup(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.hangups:
			t.notifyReload()
			next, err := t.cfg.Reload()
			if err == nil {
				err = t.apply(next)
			}
			if err != nil {
				t.log.Error().Err(err).Msg("cannot read the settings again: they stay as they were")
			}
			t.notifyReady()
		}
	}
}

// apply applies the settings that can change while tap25 runs.
func (t *tap) apply(next *Settings) error {
	if names := t.cfg.unchangeable(next); len(names) > 0 {
		t.log.Warn().Strs("settings", names).Msg("these settings have changed and take effect at the next start")
	}
	ports := next.Assembler.Ports
	for _, w := range t.workers { // before the kernel, because a worker drops frames of ports that it does not know
		w.ports.Store(&ports)
	}
	if err := t.live.SetPorts(ports); err != nil {
		return err
	}
	if err := t.takeScope(next); err != nil {
		return err
	}
	t.cfg.SetLevel(next.LogLevel)
	t.log.Info().Uints16("ports", ports).Str("log_level", next.LogLevel).Msg("settings read again")
	return nil
}
