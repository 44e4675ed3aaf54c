package report

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"tap25/store/cluster"
)

// ControlTimeout bounds the time that a peer of the control socket can take.
const ControlTimeout = 5 * time.Second

// ControlPath is the default of --control.
func ControlPath() (string, error) {
	if dir := os.Getenv("RUNTIME_DIRECTORY"); dir != "" { // systemd's
		return filepath.Join(dir, "control.sock"), nil
	}
	if os.Geteuid() == 0 && os.Getenv("XDG_STATE_HOME") == "" {
		return "/run/tap25/control.sock", nil
	}
	dir, err := cluster.StateDir()
	return filepath.Join(dir, "control.sock"), err
}

// Ask asks a running sniff for its report. The error says so if none listens on the socket.
func Ask(ctx context.Context, path string) (*Report, error) {
	d := net.Dialer{Timeout: ControlTimeout}
	c, err := d.DialContext(ctx, "unix", path)
	switch {
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("ask tap25 sniff: %w; run this as root, or as the user that runs tap25 sniff", err)
	// a socket on which nobody listens stays behind: sniff has given up the right to remove it
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("no tap25 sniff runs here: nothing listens on %s; if one runs with another --control, "+
			"name that", path)
	case err != nil:
		return nil, fmt.Errorf("ask tap25 sniff: %w", err)
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	if err := c.SetDeadline(time.Now().Add(2 * ControlTimeout)); err != nil {
		return nil, err
	}
	r := &Report{}
	if err := json.NewDecoder(c).Decode(r); err != nil {
		return nil, fmt.Errorf("ask tap25 sniff: no answer: %w; run this as root, or as the user that runs tap25 sniff",
			err)
	}
	return r, nil
}
