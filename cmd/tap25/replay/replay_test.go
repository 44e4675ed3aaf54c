package replay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"tap25/capture/capturetest"
	"tap25/reassembly"
	"tap25/reassembly/decode"
	"tap25/reassembly/smtp"
	"tap25/store"
	"tap25/store/storetest"
	"tap25/store/stream"
)

func TestMain(m *testing.M) { os.Exit(storetest.Run(m)) }

func envelope(n int) *smtp.Envelope {
	client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), 40000)
	server, to := netip.MustParseAddrPort("198.51.100.25:25"), fmt.Sprintf("r%d@b.example", n)
	return &smtp.Envelope{SeenAt: time.Now().UTC(), Sensor: "tap", SessionID: int64(n), Client: client, Server: server,
		RcptTo: &to, Outcome: smtp.Accepted}
}

// target is an empty database with tap25's schema, and a copy of it that can take its place: as a standby does that
// lacks all that came since.
type target struct {
	t    *testing.T
	name string
	dsn  string
}

func newTarget(t *testing.T) *target {
	t.Helper()
	d := &target{t: t, name: storetest.Database(t)}
	d.dsn = storetest.DSN(t, d.name)
	db, err := store.Open(t.Context(), d.dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *target) connect(dsn string) *pgx.Conn {
	d.t.Helper()
	conn, err := pgx.Connect(d.t.Context(), dsn)
	if err != nil {
		d.t.Fatal(err)
	}
	return conn
}

func (d *target) admin(statements ...string) {
	d.t.Helper()
	conn := d.connect(storetest.Cluster(d.t).DSN())
	defer conn.Close(context.Background())
	for _, s := range statements {
		if _, err := conn.Exec(d.t.Context(), strings.ReplaceAll(s, "NAME", d.name)); err != nil {
			d.t.Fatal(err)
		}
	}
}

func (d *target) rows() (n int) {
	d.t.Helper()
	conn := d.connect(d.dsn)
	defer conn.Close(context.Background())
	if err := conn.QueryRow(d.t.Context(), "select count(*) from tap25.mail").Scan(&n); err != nil {
		d.t.Fatal(err)
	}
	return n
}

// looked opens a stream, and looks files up as a replay does.
func (d *target) looked(files []string, keep time.Duration) (*loading, error) {
	d.t.Helper()
	s, err := stream.Open(d.t.Context(), stream.Config{DSN: d.dsn, Dirs: []string{d.t.TempDir()},
		Limits: stream.Limits{Keep: keep}, Sensor: "tap",
		Waits: true, Rereadable: true, Patience: time.Minute, Log: zerolog.Nop(), Stderr: &bytes.Buffer{}})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			d.t.Error(err)
		}
	})
	l := &loading{stream: s, open: newSegment()}
	l.inputs, err = lookUp(d.t.Context(), d.config(), s, files)
	return l, err
}

func (d *target) config() *Config {
	return &Config{DSN: d.dsn, Reassembly: reassembly.Config{Sensor: "tap", Ports: []uint16{25}}, Wait: time.Minute,
		Log:    zerolog.Nop(),
		Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}}
}

// twoFiles are files that have digests; nobody reads them as captures.
func twoFiles(t *testing.T) (paths []string) {
	t.Helper()
	t.Setenv("XDG_STATE_HOME", t.TempDir()) // for the lock of replays
	for n := range 2 {
		path := filepath.Join(t.TempDir(), "capture")
		if err := os.WriteFile(path, fmt.Append(nil, t.Name(), n), 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}

// A follower loads parts of a file, or all of it, before a replay of the same or while it goes on.
func TestLoad_BesideAFollowerOfTheSameFile(t *testing.T) {
	d, files := newTarget(t), twoFiles(t)
	l, err := d.looked(files, 0)
	if err != nil {
		t.Fatal(err)
	}
	loaded := func(key string) {
		t.Helper()
		if err := l.stream.Ask(t.Context(), func(db *store.DB) error {
			_, err := db.Load(t.Context(), "tap", key, nil)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	l.inputs.files[0].add(100) // a row of the first file
	loaded(l.inputs.files[0].key)
	if err := l.inputs.note(t.Context(), l.stream); !errors.Is(err, errTwice) {
		t.Errorf("a file was followed meanwhile: %v", err)
	}
	if err := l.inputs.note(t.Context(), l.stream); err != nil { // as if the answer to the first was lost
		t.Errorf("noted again: %v", err)
	}
	loaded(l.inputs.files[1].numbered())
	l.inputs.release() // the replay below waits for who has the files
	if _, err := Load(t.Context(), *d.config(), files); err == nil ||
		!strings.Contains(err.Error(), files[1]+": a replay --follow has begun this file") {
		t.Errorf("a file that a follower has begun: %v", err)
	}
}

// A replay of files ends by noting them as loaded, which the server must not take that lacks their rows.
func TestLoad_NotesItsFilesInTheDatabaseThatHasItsRows(t *testing.T) {
	d := newTarget(t)
	d.admin("create database NAME_copy template NAME")
	l, err := d.looked(twoFiles(t), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	defer l.inputs.release()
	for n := range 100 {
		l.emit(row{envelope(n), l.inputs.files[n%2]})
	}
	if err := errors.Join(l.seal(), l.stream.Drain(t.Context())); err != nil || d.rows() != 100 {
		t.Fatal(err)
	}
	d.admin("alter database NAME allow_connections false",
		"select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = 'NAME'",
		"alter database NAME rename to NAME_lost", "alter database NAME_copy rename to NAME")
	if n := d.rows(); n != 0 {
		t.Fatalf("%d rows in the copy", n)
	}
	if err := l.inputs.note(t.Context(), l.stream); err != nil {
		t.Fatal(err)
	}
	if n := d.rows(); n != 100 {
		t.Errorf("%d rows of 100 in the database that notes the files", n)
	}
	if st := l.stream.Stats(); st.Loader.Reloaded != 100 || st.Loader.Added != 100 || st.Spool.Loaded != 100 {
		t.Errorf("%+v", st)
	}
}

// The file of a row comes with it: rows of a file that the database holds are left out, others count for their file's
// parts.
func TestLoading_ARowCountsForItsFile(t *testing.T) {
	d := newTarget(t)
	l, err := d.looked(twoFiles(t), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer l.inputs.release()
	l.inputs.files[0].held = true
	for n, of := range []*input{l.inputs.files[1], l.inputs.files[0], nil, l.inputs.files[1]} {
		l.emit(row{envelope(n), of})
	}
	if a, b := l.inputs.files[0].rows, l.inputs.files[1].rows; a != 0 || b != 2 || l.repeated != 1 || l.open.rows != 3 {
		t.Errorf("%d and %d rows of the files, %d repeated, %d in the segment", a, b, l.repeated, l.open.rows)
	}
}

func TestParts_LastOfAFileBearsItsKey(t *testing.T) {
	for rows, want := range map[int][]string{1: {"k"}, partRows: {"k"}, partRows + 1: {"k-0", "k"},
		3 * partRows: {"k-0", "k-1", "k"}} {
		p := parts{key: "k"}
		var keys []string
		for range rows {
			if ended := p.add(100); ended != "" {
				keys = append(keys, ended)
			}
		}
		if keys = append(keys, p.key); !slices.Equal(keys, want) {
			t.Errorf("%d rows are %v, want %v", rows, keys, want)
		}
	}
	p := parts{key: "k"}
	for n := range 3 {
		if ended := p.add(stream.LargestSegment); (ended != "") != (n > 0) {
			t.Errorf("row %d of %d octets: %q ended", n, stream.LargestSegment, ended)
		}
	}
	// The keys that tap25 has given to files ever since: sha256("d [25 587] auto") and sha256("d [25] off"); with other
	// ports of intercepts sha256("d intercepts [9001 30030]").
	for want, cfg := range map[string]reassembly.Config{
		"follow-d": {Ports: []uint16{25}, InterceptPorts: []uint16{30030}},
		"follow-e067b3a95f138324b55b35efdfc71825919d92105ab8d04e761af68db0bda3fb": {Ports: []uint16{587, 25}},
		"follow-a3446c187bf4f0864724c338a448925d72e5527e042047181e8f1790458c666e": {Ports: []uint16{25},
			Checksum: reassembly.Off},
		"follow-1eed49fcee630dad3525b857050408340e4f6f2585b58fe7d15c107a0e8306c9": {Ports: []uint16{25},
			InterceptPorts: []uint16{30030, 9001}},
	} {
		if got := (&Config{Reassembly: cfg}).fileKey("d"); got != want {
			t.Errorf("ports %v, checksums %v: %s, want %s", cfg.Ports, cfg.Checksum, got, want)
		}
	}
}

// A file of 64 GiB, which takes half a minute.
func TestDigestFile_EndsWithItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sparse")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 64<<30); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, n, err := digestFile(ctx, path, 64<<30); err == nil {
		t.Errorf("%d octets were read", n)
	}
	cfg := Config{DSN: "postgres://nobody@127.0.0.1:1/none?sslmode=disable", Stderr: &bytes.Buffer{}}
	if s, err := Load(ctx, cfg, []string{path}); s != nil || !errors.Is(err, ErrInterrupted) {
		t.Errorf("%v, %v", s, err)
	}
}

func TestFollow_WaitsForItsCheckpoint(t *testing.T) {
	dir := t.TempDir()
	var diag capturetest.Buffer
	f := &follower{cfg: &Config{Log: zerolog.New(&diag)}, done: &checkpoint{path: filepath.Join(dir, "follow.json")}}
	obstacle := filepath.Join(dir, "follow.json.new")
	if err := os.MkdirAll(filepath.Join(obstacle, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- f.note(context.Background(), doneFile{Name: "x"}, nil) }()
	for end := time.Now().Add(time.Minute); !strings.Contains(diag.String(),
		"write the checkpoint"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not say what it waits for")
		}
	}
	if err := os.RemoveAll(obstacle); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if c, err := readCheckpoint(dir); err != nil || c.find("x") == nil {
		t.Errorf("%v, %v", c, err)
	}
}

func TestSummary_SetsThousandsApart(t *testing.T) {
	var b strings.Builder
	(&Summary{Frames: 12_345_678, Octets: 1e9, Elapsed: 2 * time.Second}).Write(&b)
	for _, want := range []string{"packets   12,345,678\n", "bytes     1,000,000,000\n",
		"seconds   2.00 (6,172,839 packets/s, 500.0 MB/s)\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in %s", want, b.String())
		}
	}
}

func TestSummary_NamesWhatIsNotRead(t *testing.T) {
	var s Summary
	var b strings.Builder
	if s.Write(&b); strings.Contains(b.String(), "unopened") {
		t.Error(b.String())
	}
	s.Traffic.Unread.Add(decode.UnreadUDPPort(4341), 40)
	s.Traffic.Unread.Add(decode.UnreadIPProtocol(50), 50)
	b.Reset()
	if s.Write(&b); !strings.Contains(b.String(), "\nunopened  ip protocol 50: 50, udp port 4341: 40\n") {
		t.Error(b.String())
	}
}
