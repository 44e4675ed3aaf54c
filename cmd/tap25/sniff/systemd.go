package sniff

import (
	"context"
	"fmt"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// notifySystemd reports that tap25 is ready, then feeds the watchdog while packets and loads make progress.
func (t *tap) notifySystemd(ctx context.Context) {
	t.notifyReady()
	defer t.notify(daemon.SdNotifyStopping)
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil || interval == 0 {
		interval = time.Minute
	}
	tick := time.NewTicker(interval / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if list := t.notLive(now); len(list) > 0 {
				t.log.Error().Strs("not_live", list).Msg("no progress")
				continue
			}
			t.notify(daemon.SdNotifyWatchdog)
		}
	}
}

func (t *tap) notifyReady() { t.notify(daemon.SdNotifyReady) }

func (t *tap) notifyReload() {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // every Linux has it
	t.notify(fmt.Sprintf("%s\nMONOTONIC_USEC=%d", daemon.SdNotifyReloading, ts.Nano()/1000))
}

// notify does nothing if systemd did not start tap25.
func (t *tap) notify(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		t.log.Warn().Err(err).Msg("cannot notify systemd")
	}
}
