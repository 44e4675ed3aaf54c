package capture

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMain lets the test binary be the child that is killed.
func TestMain(m *testing.M) {
	if name := os.Getenv("TAP25_TEST_LISTEN_ON"); name != "" {
		l, err := OpenLive(LiveConfig{Interfaces: []string{name}})
		if err != nil {
			panic(err)
		}
		runtime.GC() // a Live that nobody holds is collected, and its attachment ends
		runtime.GC()
		_, _ = os.Stdout.WriteString("attached\n")
		_, _ = io.Copy(io.Discard, os.Stdin) // until the parent ends, if it does not kill first
		runtime.KeepAlive(l)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestLive_NothingStaysAttachedAfterAnyEnd(t *testing.T) {
	for name, end := range map[string]func(*exec.Cmd, io.Closer) error{
		"kill -9":       func(c *exec.Cmd, _ io.Closer) error { return c.Process.Kill() },
		"SIGTERM":       func(c *exec.Cmd, _ io.Closer) error { return c.Process.Signal(unix.SIGTERM) },
		"SIGQUIT":       func(c *exec.Cmd, _ io.Closer) error { return c.Process.Signal(unix.SIGQUIT) },
		"without Close": func(_ *exec.Cmd, stdin io.Closer) error { return stdin.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			inNamespace(t)
			child, stdin := startChild(t)
			if !linkShows(t, "xdp") || !linkShows(t, "promiscuity 1") { // at once: attaching is synchronous
				t.Error("the child is not attached and promiscuous")
			}
			if err := end(child, stdin); err != nil {
				t.Fatal(err)
			}
			_ = child.Wait()
			wait(t, "detached and not promiscuous", func() bool {
				return !linkShows(t, "xdp") && linkShows(t, "promiscuity 0")
			})
		})
	}
}

// startChild runs the test binary as a child that listens on tap0, and returns once it does.
func startChild(t testing.TB) (*exec.Cmd, io.Closer) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "TAP25_TEST_LISTEN_ON=tap0")
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if line != "attached\n" {
		_ = child.Wait()
		t.Fatal(line)
	}
	return child, stdin
}

func linkShows(t testing.TB, what string) bool {
	t.Helper()
	out, err := exec.Command("ip", "-d", "link", "show", "dev", "tap0").CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(out), what)
}
