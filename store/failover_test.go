package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"tap25/store/spool"
	"tap25/store/storetest"
)

// host is a server of a test's own, reached by a socket in its directory.
type host struct {
	dir  string
	port int // of its TCP; the socket has it in its name
	pid  int // of its postmaster
	user string
}

func (h *host) dsn() string {
	return fmt.Sprintf("host=%s port=%d user=%s dbname=postgres", h.dir, h.port, h.user)
}

// pgCommand runs one of PostgreSQL's programs as the user of the shared cluster.
func pgCommand(t testing.TB, name string, args ...string) {
	t.Helper()
	c := storetest.Cluster(t)
	if out, err := c.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", name, err, out)
	}
}

// newHost is the directory of a server.
func newHost(t testing.TB, base, name string) *host {
	t.Helper()
	c := storetest.Cluster(t)
	uid, gid := c.Owner()
	_, user := storetest.Address(t, c)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	h := &host{dir: filepath.Join(base, name), port: l.Addr().(*net.TCPAddr).Port, user: user}
	if err := errors.Join(os.Mkdir(h.dir, 0o700), os.Chown(h.dir, uid, gid)); err != nil {
		t.Fatal(err)
	}
	return h
}

// start starts a server that ends with the test.
func (h *host) start(t testing.TB) {
	t.Helper()
	c := storetest.Cluster(t)
	cmd := c.Command("postgres", "-D", filepath.Join(h.dir, "data"), "-k", h.dir, "-p", strconv.Itoa(h.port), "-c",
		"listen_addresses=127.0.0.1", "-c", "fsync=off",
		"-c", "shared_buffers=16MB", "-c", "max_prepared_transactions=2", "-c", "max_locks_per_transaction=256", "-c",
		"timezone=UTC")
	var log bytes.Buffer
	cmd.Stderr = &log
	cmd.SysProcAttr.Pdeathsig = syscall.SIGQUIT
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	h.pid = cmd.Process.Pid
	ended := make(chan bool)
	go func() { cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGQUIT)
		<-ended
		if t.Failed() {
			t.Log(log.String())
		}
	})
	wait(t, func() bool {
		db, err := Open(t.Context(), h.dsn())
		if err == nil {
			db.Close()
		}
		return err == nil
	})
}

// kill ends a server at once, with all of its processes: none of them has a moment to do anything.
func (h *host) kill() {
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", h.pid, h.pid))
	syscall.Kill(h.pid, syscall.SIGKILL)
	for child := range strings.FieldsSeq(string(children)) {
		if pid, err := strconv.Atoi(child); err == nil {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// hostPair is a primary with the schema, and its standby.
func hostPair(t *testing.T) (primary, standby *host) {
	t.Helper()
	database(t, true) // or skip
	base := storetest.Dir(t)
	primary, standby = newHost(t, base, "a"), newHost(t, base, "b")
	pgCommand(t, "initdb", "-D", filepath.Join(primary.dir, "data"), "-U", primary.user, "-E", "UTF8",
		"--locale=C.UTF-8", "-A", "trust", "--no-sync")
	primary.start(t)
	if err := openHost(t, primary.dsn()).Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	pgCommand(t, "pg_basebackup", "-d", primary.dsn(), "-D", filepath.Join(standby.dir, "data"), "-R", "-c", "fast",
		"--no-sync")
	standby.start(t)
	return primary, standby
}

func openHost(t testing.TB, dsn string) *DB {
	t.Helper()
	db, err := Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

// stopSending stops the process of the primary that sends to the standby, once that has all there is.
func stopSending(t testing.TB, primary *DB) {
	t.Helper()
	sender := 0
	wait(t, func() bool {
		return primary.Conn().QueryRow(t.Context(),
			"select pid from pg_stat_replication where replay_lsn = pg_current_wal_lsn()").Scan(&sender) == nil
	})
	if err := syscall.Kill(sender, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
}

// source appends numbered rows to a spool and loads them, until it is told to end.
type source struct {
	spool  *spool.Spool
	loader *Loader
	n      int
	end    func()
}

func newSource(t *testing.T, sensor, dsn string, keep time.Duration) *source {
	s := &source{spool: openSpool(t, spool.Config{Sensor: sensor, SegmentRecords: 100,
		SegmentAge: 50 * time.Millisecond, Keep: keep})}
	s.loader = NewLoader(LoaderConfig{Spool: s.spool, Connect: func(ctx context.Context) (*DB, error) {
		return OpenWritable(ctx, dsn)
	}})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan bool)
	go func() { s.loader.Run(ctx); close(ended) }()
	s.end = func() { cancel(); <-ended }
	t.Cleanup(s.end)
	return s
}

func (s *source) append(t testing.TB, sensor string, rows int) {
	t.Helper()
	for range rows {
		if err := s.spool.AppendWait(t.Context(), numbered(sensor, s.n)); err != nil {
			t.Fatal(err)
		}
		s.n++
	}
	if err := s.spool.Seal(""); err != nil {
		t.Fatal(err)
	}
}

// settled waits until all is loaded.
func (s *source) settled(t testing.TB) {
	t.Helper()
	wait(t, func() bool {
		st := s.spool.Stats()
		return s.loader.Idle() && st.Waiting+st.Reentering == 0 && s.loader.Stats().Err == nil
	})
}

// TestFailover_EveryRowOnceWhereTheStandbyLacksSome kills a primary whose standby has not got its last commits.
func TestFailover_EveryRowOnceWhereTheStandbyLacksSome(t *testing.T) {
	a, b := hostPair(t)
	primary := openHost(t, a.dsn())
	// the standby first
	both := fmt.Sprintf("host=%s,%s port=%d,%d user=%s dbname=postgres", b.dir, a.dir, b.port, a.port, a.user)
	sources := map[string]*source{"keeps": newSource(t, "keeps", both, time.Hour),
		"keeps nothing": newSource(t, "keeps nothing", both, 0)}
	for sensor, s := range sources {
		s.append(t, sensor, 2000)
		s.settled(t)
	}
	wait(t, func() bool {
		behind, err := primary.Behind(t.Context(), both)
		if err != nil {
			t.Fatal(err)
		}
		return behind == 0
	})
	stopSending(t, primary)
	sealRows(t, sources["keeps"].spool, "", spoilt(1), spoilt(2), numbered("keeps", sources["keeps"].n))
	sources["keeps"].n++
	for sensor, s := range sources {
		s.append(t, sensor, 2000)
		s.settled(t)
	}
	if behind, err := primary.Behind(t.Context(), both); err != nil || behind != 1 {
		t.Errorf("%d standbys are behind, want 1, %v", behind, err)
	}
	a.kill()
	for sensor, s := range sources { // which the primary never gets
		s.append(t, sensor, 500)
	}
	pgCommand(t, "pg_ctl", "promote", "-D", filepath.Join(b.dir, "data"), "-w")
	for _, s := range sources {
		s.settled(t)
	}
	promoted := openHost(t, both+testPath)
	checkOnce(t, promoted, "keeps", sources["keeps"].n)
	st, ld := sources["keeps"].spool.Stats(), sources["keeps"].loader.Stats()
	if st.Reentered != 2001 || ld.Reloaded != 2001 || st.SetAside != 2 || st.Lost != 0 || st.KeptSegments == 0 {
		t.Errorf("%+v, %+v", st, ld)
	}
	checkLoaded(t, sources["keeps"].spool, sources["keeps"].loader)
	if files, err := spool.Inspect(filepath.Dir(sources["keeps"].spool.Kept()[0].Path)); err != nil ||
		len(files) != int(st.KeptSegments)+1 {
		t.Errorf("%d files, want one of refused rows beside %d segments: %v", len(files), st.KeptSegments, err)
	}
	var rows int
	if err := promoted.Conn().QueryRow(t.Context(), "select count(*) from mail where sensor = 'keeps nothing'").
		Scan(&rows); err != nil || rows >= 4500 {
		t.Errorf("%d rows of a spool that keeps nothing, %v: the standby lacked none", rows, err)
	}
}

func TestOpen_FindsTheServerThatTakesWrites(t *testing.T) {
	t.Setenv("PGTARGETSESSIONATTRS", "")
	a, b := hostPair(t)
	nobody := &host{dir: storetest.Dir(t), port: 1}
	for _, c := range []struct {
		name          string
		hosts         []*host
		more          string
		reads, writes *host // the server that is connected to
	}{
		{"standby first", []*host{b, a}, "", a, a},
		{"standby first, nobody second", []*host{b, nobody, a}, "", a, a},
		{"the standby alone", []*host{b}, "", b, nil},
		{"no primary", []*host{b, nobody}, "", nil, nil},
		{"any is asked for", []*host{b, a}, " target_session_attrs=any", b, a},
		{"a standby is asked for", []*host{a, b}, " target_session_attrs=standby", b, b},
		{"a primary is asked for", []*host{b, a}, " target_session_attrs=primary", a, a},
	} {
		t.Run(c.name, func(t *testing.T) {
			var dirs, ports []string
			for _, h := range c.hosts {
				dirs, ports = append(dirs, h.dir), append(ports, strconv.Itoa(h.port))
			}
			dsn := "host=" + strings.Join(dirs, ",") + " port=" + strings.Join(ports, ",") + " user=" + a.user +
				" dbname=postgres" + c.more
			db, err := Open(t.Context(), dsn)
			checkConnected(t, db, err, c.reads)
			db, err = OpenWritable(t.Context(), dsn)
			checkConnected(t, db, err, c.writes)
		})
	}
	t.Run("one name with several addresses", func(t *testing.T) {
		for _, c := range []struct {
			hosts []*host
			want  *host
		}{{[]*host{b, a}, a}, {[]*host{b}, b}} {
			cfg, implied, err := parse("host=pair.example sslmode=disable dbname=postgres user=" + a.user)
			if err != nil || !implied {
				t.Fatal(err)
			}
			cfg.LookupFunc = func(context.Context, string) (addresses []string, err error) {
				for _, h := range c.hosts {
					addresses = append(addresses, fmt.Sprintf("127.0.0.1:%d", h.port))
				}
				return addresses, nil
			}
			db, err := preferWritable(t.Context(), cfg)
			checkConnected(t, db, err, c.want)
		}
	})
}

// checkConnected asserts that a connection is to a server, or was refused since none takes writes, and closes it.
func checkConnected(t *testing.T, db *DB, err error, want *host) {
	t.Helper()
	if err != nil {
		if want != nil || !errors.Is(err, pgconn.ErrReadOnlyConnection) || !Passes(err) || hopeless(err) {
			t.Error(err)
		}
		return
	}
	defer db.Close()
	var port int
	if err := db.Conn().QueryRow(t.Context(), "select pg_catalog.current_setting('port')::pg_catalog.int4").
		Scan(&port); err != nil || want == nil || port != want.port {
		t.Errorf("connected to port %d, want %v, %v", port, want, err)
	}
}
