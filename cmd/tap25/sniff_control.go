package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"tap25/store/cluster"
)

// controlTimeout bounds what a peer of the control socket can take.
const controlTimeout = 5 * time.Second

// controlPath is where a sniff of this user listens if not told otherwise.
func controlPath() (string, error) {
	if dir := os.Getenv("RUNTIME_DIRECTORY"); dir != "" { // systemd's
		return filepath.Join(dir, "control.sock"), nil
	}
	if os.Geteuid() == 0 && os.Getenv("XDG_STATE_HOME") == "" {
		return "/run/tap25/control.sock", nil
	}
	dir, err := cluster.StateDir()
	return filepath.Join(dir, "control.sock"), err
}

// listenControl makes the socket, in the place of one that nobody listens on any more.
func listenControl(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("make directory of the control socket: %w", err)
	}
	if c, err := net.DialTimeout("unix", path, controlTimeout); err == nil {
		_ = c.Close()
		return nil, fmt.Errorf("control socket %s: another tap25 sniff listens there; give this one another with --control", path)
	}
	if st, err := os.Lstat(path); err == nil && st.Mode()&fs.ModeSocket != 0 {
		_ = os.Remove(path)
	}
	old := unix.Umask(0o177)
	l, err := net.Listen("unix", path)
	unix.Umask(old)
	if err != nil {
		return nil, fmt.Errorf("listen on control socket: %w", err)
	}
	return l, nil
}

// serveControl answers each connection with a report. The peer must be root, or the user that tap25 was started by or runs as.
func (t *tap) serveControl(ctx context.Context, l net.Listener, starter uint32) {
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			t.log.Warn().Err(err).Msg("control socket")
			time.Sleep(time.Second) // out of file descriptors, most likely
			continue
		}
		if err := t.answer(c.(*net.UnixConn), starter); err != nil {
			t.log.Warn().Err(err).Msg("control socket")
		}
		_ = c.Close()
	}
}

func (t *tap) answer(c *net.UnixConn, starter uint32) error {
	uid, err := peerUser(c)
	if err != nil {
		return err
	}
	if uid != 0 && uid != starter && uid != uint32(os.Geteuid()) {
		return fmt.Errorf("user %d asked, and is neither root nor the one that runs tap25", uid)
	}
	if err := c.SetDeadline(time.Now().Add(controlTimeout)); err != nil {
		return err
	}
	return json.NewEncoder(c).Encode(t.report())
}

func peerUser(c *net.UnixConn) (uint32, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var peer *unix.Ucred
	var peerErr error
	err = raw.Control(func(fd uintptr) { peer, peerErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err = errors.Join(err, peerErr); err != nil {
		return 0, fmt.Errorf("ask who the peer is: %w", err)
	}
	return peer.Uid, nil
}
