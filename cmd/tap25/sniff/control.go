package sniff

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

	"tap25/cmd/tap25/report"
)

// listenControl creates the socket. It replaces a socket on which no process listens.
func listenControl(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("create the directory of the control socket: %w", err)
	}
	if c, err := net.DialTimeout("unix", path, report.ControlTimeout); err == nil {
		_ = c.Close()
		return nil, fmt.Errorf("listen on control socket %s: another tap25 sniff listens there; name another socket "+
			"with --control", path)
	}
	if st, err := os.Lstat(path); err == nil && st.Mode()&fs.ModeSocket != 0 {
		_ = os.Remove(path)
	}
	old := unix.Umask(0o177)
	l, err := net.Listen("unix", path)
	unix.Umask(old)
	if err != nil {
		return nil, fmt.Errorf("listen on control socket: %w; name another socket with --control", err)
	}
	return l, nil
}

// serveControl answers each connection with a report. The peer must be root, or the user that tap25 was started by or
// runs as.
func (t *tap) serveControl(ctx context.Context, l net.Listener, starter uint32) {
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			t.log.Warn().Err(err).Msg("cannot accept a connection on the control socket")
			pause(ctx, time.Second) // most likely out of file descriptors
			continue
		}
		if err := t.answer(c.(*net.UnixConn), starter); err != nil {
			t.log.Warn().Err(err).Msg("cannot answer on the control socket")
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
		return fmt.Errorf("user %d may not ask: it is not root, nor the user that runs tap25", uid)
	}
	if err := c.SetDeadline(time.Now().Add(report.ControlTimeout)); err != nil {
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
	err = raw.Control(func(fd uintptr) {
		peer, peerErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err = errors.Join(err, peerErr); err != nil {
		return 0, fmt.Errorf("find the user of the peer: %w", err)
	}
	return peer.Uid, nil
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	<-ctx.Done()
}
