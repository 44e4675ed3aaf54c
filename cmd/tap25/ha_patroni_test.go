package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tap25/store/cluster"
	"tap25/store/storetest"
)

// patroni is servers that Patroni keeps, one of them the leader, with the etcd that says which.
type patroni struct {
	t    *testing.T
	dir  string
	uid  int
	gid  int
	etcd string // address
	sync bool
	node []*patroniNode
}

// patroniNode is a server and the Patroni that keeps it.
type patroniNode struct {
	p    *patroni
	name string
	port int // of PostgreSQL
	rest int // of Patroni
	cmd  *exec.Cmd
	done chan bool
}

// freePort is one that nobody listens on.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// newPatroni starts etcd and so many servers, which end with the test.
func newPatroni(t *testing.T, nodes int, sync bool) *patroni {
	t.Helper()
	state := storetest.StateHome(t) // or skip
	for _, program := range []string{"patroni", "etcd"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%v: make test-ha installs it", err)
		}
	}
	cluster, err := cluster.New(state)
	if err != nil {
		t.Fatal(err)
	}
	p := &patroni{t: t, dir: filepath.Join(state, "ha"), sync: sync}
	p.uid, p.gid = cluster.Owner()
	if err := os.Mkdir(p.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(p.dir, p.uid, p.gid); err != nil {
		t.Fatal(err)
	}
	client, peer := freePort(t), freePort(t)
	p.etcd = fmt.Sprintf("127.0.0.1:%d", client)
	urls := []string{"http://" + p.etcd, fmt.Sprintf("http://127.0.0.1:%d", peer)}
	p.start("etcd", exec.Command("etcd", "--data-dir", filepath.Join(p.dir, "etcd"), "--listen-client-urls", urls[0],
		"--advertise-client-urls", urls[0],
		"--listen-peer-urls", urls[1], "--initial-advertise-peer-urls", urls[1], "--initial-cluster",
		"default="+urls[1], "--unsafe-no-fsync"))
	t.Cleanup(p.end)
	for i := range nodes {
		n := &patroniNode{p: p, name: fmt.Sprint("node", i), port: freePort(t), rest: freePort(t)}
		p.node = append(p.node, n)
		n.configure()
		n.start()
		if i == 0 {
			awaitFor(t, time.Minute, "a leader", func() bool { return p.leader() != nil })
		}
	}
	t.Cleanup(p.report)
	p.whole()
	return p
}

// report logs, if the test has failed, what the Patronis say and what they wrote last.
func (p *patroni) report() {
	if !p.t.Failed() {
		return
	}
	p.t.Log(p.state())
	for _, n := range p.node {
		log, _ := os.ReadFile(filepath.Join(p.dir, n.name+".log"))
		p.t.Logf("%s: %s", n.name, log[max(0, len(log)-4000):])
	}
}

// end ends the servers.
func (p *patroni) end() {
	for _, n := range p.node { // Patroni first, which would start its server again
		n.kill()
	}
}

// start starts a program as the user that PostgreSQL runs as; it ends with the test.
func (p *patroni) start(name string, cmd *exec.Cmd) chan bool {
	p.t.Helper()
	log, err := os.OpenFile(filepath.Join(p.dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		p.t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, p.dir
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "HOME=" + p.dir, "TZ=UTC"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(p.uid), Gid: uint32(p.gid)}
	}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	done := make(chan bool)
	go func() { cmd.Wait(); log.Close(); close(done) }()
	p.t.Cleanup(func() { cmd.Process.Kill(); <-done })
	return done
}

func (n *patroniNode) data() string { return filepath.Join(n.p.dir, n.name) }

// configure writes Patroni's settings: short times, and a standby may be promoted however much it lacks.
func (n *patroniNode) configure() {
	bin, err := filepath.EvalSymlinks("/usr/lib/postgresql")
	if err == nil {
		versions, _ := filepath.Glob(filepath.Join(bin, "*", "bin"))
		bin = versions[len(versions)-1]
	}
	text := fmt.Sprintf(`scope: tap25
name: %[1]s
restapi: {listen: "127.0.0.1:%[2]d", connect_address: "127.0.0.1:%[2]d"}
etcd3: {host: "%[3]s"}
bootstrap:
  dcs:
    ttl: 6
    loop_wait: 1
    retry_timeout: 2
    maximum_lag_on_failover: 10737418240
    synchronous_mode: %[4]t
    postgresql:
      use_pg_rewind: true
      parameters: {max_locks_per_transaction: 256, max_connections: 40, max_wal_size: 1GB, wal_keep_size: 8GB}
  initdb: [{encoding: UTF8}, {locale: C.UTF-8}, data-checksums, no-sync]
  pg_hba: ["local all all trust", "host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust"]
postgresql:
  listen: "127.0.0.1:%[5]d"
  connect_address: "127.0.0.1:%[5]d"
  data_dir: %[6]s
  bin_dir: %[7]s
  pgpass: %[6]s.pgpass
  remove_data_directory_on_rewind_failure: true
  remove_data_directory_on_diverged_timelines: true
  authentication: {superuser: {username: postgres, password: x}, replication: {username: replicator, password: x}}
  parameters: {unix_socket_directories: %[8]s, shared_buffers: 32MB, fsync: "off"}
`, n.name, n.rest, n.p.etcd, n.p.sync, n.port, n.data(), bin, n.p.dir)
	if err := os.WriteFile(n.data()+".yml", []byte(text), 0o644); err != nil {
		n.p.t.Fatal(err)
	}
}

func (n *patroniNode) start() {
	n.cmd = exec.Command("patroni", n.data()+".yml")
	n.done = n.p.start(n.name, n.cmd)
}

// postmaster is the process of the server; 0: none.
func (n *patroniNode) postmaster() (pid int) {
	b, err := os.ReadFile(filepath.Join(n.data(), "postmaster.pid"))
	if err == nil {
		fmt.Sscan(string(b), &pid)
	}
	return pid
}

// kill ends Patroni and the server with all of its processes, none of which has a moment to do anything.
func (n *patroniNode) kill() {
	pid := n.postmaster()
	n.cmd.Process.Kill()
	if pid > 0 {
		children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
		syscall.Kill(pid, syscall.SIGKILL)
		for child := range strings.FieldsSeq(string(children)) {
			if pid, err := strconv.Atoi(child); err == nil {
				syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
	<-n.done
}

// leader asks the Patronis which of them is it; nil: none yet.
func (p *patroni) leader() *patroniNode {
	for _, n := range p.node {
		if n.answers("/leader") {
			return n
		}
	}
	return nil
}

// answers says whether a Patroni answers a question of its health with yes.
func (n *patroniNode) answers(question string) bool {
	client := http.Client{Timeout: 2 * time.Second}
	r, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d%s", n.rest, question))
	if err != nil {
		return false
	}
	r.Body.Close()
	return r.StatusCode == http.StatusOK
}

// whole waits until every server is there: a leader, and standbys that follow it, one of them synchronously where that
// is asked for.
func (p *patroni) whole() {
	p.t.Helper()
	awaitFor(p.t, 3*time.Minute, "a leader and its standbys", func() bool {
		l := p.leader()
		if l == nil {
			return false
		}
		conn, err := pgx.Connect(p.t.Context(), l.dsn())
		if err != nil {
			return false
		}
		defer conn.Close(context.Background())
		var streaming, synchronous int
		err = conn.QueryRow(p.t.Context(), "select count(*), count(*) filter (where sync_state in ('sync', "+
			"'quorum')) from pg_stat_replication where state = 'streaming' and pg_wal_lsn_diff(pg_current_wal_lsn(), "+
			"flush_lsn) < 10e6").Scan(&streaming, &synchronous)
		time.Sleep(100 * time.Millisecond)
		return err == nil && streaming == len(p.node)-1 && (!p.sync || synchronous > 0)
	})
}

func (n *patroniNode) dsn() string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", n.port)
}

// dsn names every server.
func (p *patroni) dsn() string {
	var hosts []string
	for _, n := range p.node {
		hosts = append(hosts, fmt.Sprintf("127.0.0.1:%d", n.port))
	}
	return "postgres://postgres@" + strings.Join(hosts, ",") + "/postgres?sslmode=disable"
}

// holdBack stops the processes of a leader that send to its standbys.
func (n *patroniNode) holdBack() {
	conn, err := pgx.Connect(n.p.t.Context(), n.dsn())
	if err != nil {
		n.p.t.Fatal(err)
	}
	defer conn.Close(context.Background())
	rows, err := conn.Query(n.p.t.Context(), "select pid from pg_stat_replication")
	if err != nil {
		n.p.t.Fatal(err)
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil || len(pids) == 0 {
		n.p.t.Fatalf("%d send to standbys, %v", len(pids), err)
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			n.p.t.Fatal(err)
		}
	}
}

// state is what the Patronis say, for a test that has failed.
func (p *patroni) state() string {
	var b bytes.Buffer
	for _, n := range p.node {
		client := http.Client{Timeout: 2 * time.Second}
		var said map[string]any
		if r, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d/patroni", n.rest)); err == nil {
			json.NewDecoder(r.Body).Decode(&said)
			r.Body.Close()
		}
		fmt.Fprintf(&b, "%s: %v\n", n.name, said)
	}
	return b.String()
}
