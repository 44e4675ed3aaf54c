package storetest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"tap25/store/cluster"
)

// Server is a PostgreSQL on a TCP port of loopback, which asks everybody for a password: each role's is [Password]. Its
// superuser is postgres.
type Server struct {
	Port    int
	DataDir string // what is in it belongs to the user who runs the server
	cluster *cluster.Cluster
	process *exec.Cmd
}

// Password is the password of each role of a [Server] that a test makes.
const Password = "loopback"

// NewServer makes and starts a server, with more of its settings (-c), and stops it at the test's end.
func NewServer(t testing.TB, settings ...string) *Server {
	t.Helper()
	s := &Server{cluster: NewCluster(t)}
	dir := filepath.Dir(filepath.Dir(s.cluster.DataDir()))
	uid, gid := s.cluster.Owner()
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	s.DataDir = filepath.Join(dir, "server")
	secret := s.File(t, "secret", Password)
	out, err := s.cluster.Command("initdb", "-D", s.DataDir, "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8",
		"-A", "scram-sha-256", "--pwfile", secret, "--no-sync").CombinedOutput()
	if err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	s.Start(t, settings...)
	return s
}

// File writes a file that only the server's user reads, beside the data directory, and returns its path.
func (s *Server) File(t testing.TB, name, text string) (path string) {
	t.Helper()
	path = filepath.Join(filepath.Dir(s.DataDir), name)
	uid, gid := s.cluster.Owner()
	err := os.WriteFile(path, []byte(text), 0o600)
	if err == nil {
		err = os.Chown(path, uid, gid)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// AsUser begins a shell's command that runs as the server's user; it is empty if that is this user.
func (s *Server) AsUser() string {
	if os.Geteuid() != 0 {
		return ""
	}
	uid, gid := s.cluster.Owner()
	return fmt.Sprintf("setpriv --reuid=%d --regid=%d --clear-groups ", uid, gid)
}

// Beside returns a server that is not started, with a data directory that is still to be made beside this one's.
func (s *Server) Beside(name string) *Server {
	return &Server{cluster: s.cluster, DataDir: filepath.Join(filepath.Dir(s.DataDir), name)}
}

// Start starts the server on a free port.
func (s *Server) Start(t testing.TB, settings ...string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Port = l.Addr().(*net.TCPAddr).Port
	l.Close()
	args := []string{"-D", s.DataDir, "-k", filepath.Dir(s.DataDir), "-p", strconv.Itoa(s.Port),
		"-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "shared_buffers=32MB",
		"-c", "max_locks_per_transaction=512", "-c", "timezone=UTC"}
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	s.process = s.cluster.Command("postgres", args...)
	log, err := os.Create(s.DataDir + ".log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	s.process.Stdout, s.process.Stderr = log, log
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Kill() })
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		conn, err := pgconn.Connect(context.Background(), s.DSN("postgres", "postgres"))
		if err == nil {
			conn.Close(context.Background())
			return
		}
		if time.Now().After(deadline) {
			said, _ := os.ReadFile(log.Name())
			t.Fatalf("the server does not answer: %v\n%s", err, said)
		}
	}
}

// Kill ends the server at once, if it runs.
func (s *Server) Kill() {
	s.Signal(syscall.SIGCONT)
	s.Signal(syscall.SIGQUIT)
	_ = s.process.Wait()
}

// Signal sends a signal to the server's first process.
func (s *Server) Signal(signal syscall.Signal) { _ = s.process.Process.Signal(signal) }

// DSN names a database of the server, and a role with its password.
func (s *Server) DSN(role, database string) string {
	return fmt.Sprintf("host=127.0.0.1 port=%d user=%s password=%s dbname=%s sslmode=disable", s.Port, role, Password,
		database)
}
