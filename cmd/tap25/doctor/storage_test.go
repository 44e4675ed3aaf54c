package doctor

import (
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tap25/store"
)

func TestDoctor_FindingsBehindTheTap(t *testing.T) {
	health := func(change func(h *store.Health)) func(*facts) {
		return func(f *facts) { change(&f.database.health) }
	}
	disk := func(free, growth int64, dropsIn int) func(*facts) {
		return func(f *facts) { f.disks[0].free, f.disks[0].growth, f.disks[0].dropsIn = free, growth, dropsIn }
	}
	waiting := func(age time.Duration) func(*facts) {
		return func(f *facts) {
			oldest := time.Unix(1_800_000_000, 0)
			f.spool.waiting.Oldest, f.spool.age = &oldest, age
		}
	}
	for name, c := range map[string]finding{
		"bad file": {func(f *facts) { f.want.ConfigError = errors.New("no") },
			"settings file", Problem, "tap25.yaml"},
		"password": {func(f *facts) { f.want.ExposedPassword = true }, "settings file", Problem, "chmod 640"},
		"no retention in the file": {func(f *facts) { f.want.RetentionText = "" }, "settings retention", Problem,
			"retention: 24mo"},
		"no retention, no file": {func(f *facts) { f.want.RetentionText, f.want.ConfigFile = "", "" },
			"settings retention", Note, "--retention never"},
		"a file as a spool": {func(f *facts) { f.spool.err = syscall.ENOTDIR }, "spool writable", Problem,
			"--spool DIRECTORY"},
		"spool not writable": {func(f *facts) { f.spool.err = syscall.EACCES }, "spool writable", Problem, "chown"},
		"spool full":         {func(f *facts) { f.spool.room = 64<<20 - 1 }, "spool room", Problem, "--spool"},
		"spool half full":    {func(f *facts) { f.spool.room = 3 << 30 }, "spool room", OK, ""},
		"spool hardly room":  {func(f *facts) { f.spool.room = 2 << 30 }, "spool room", Note, "df"},
		"rows wait":          {waiting(time.Hour), "spool waiting", Note, "journalctl"},
		"rows do not wait":   {waiting(time.Minute), "spool waiting", OK, ""},
		"refused":            {func(f *facts) { f.spool.waiting.SetAside = 1 }, "spool refused", Note, "spool dump"},
		"damaged":            {func(f *facts) { f.spool.waiting.Damaged = 1 }, "spool damaged", Note, "smartctl"},
		"no such disk":       {func(f *facts) { f.disks[0].err = syscall.EIO }, "disk spool", Unknown, ""},
		"disk nearly full":   {disk(1<<30-1, 0, -1), "disk spool", Problem, "larger disk"},
		"full in six days":   {disk(13<<30, 2<<30, -1), "disk spool", Problem, "expire"},
		"full in a week":     {disk(14<<30, 2<<30, 8), "disk spool", Note, "expire"},
		"full in a month":    {disk(60<<30, 2<<30, -1), "disk spool", OK, ""},
		"never full":         {disk(14<<30, 2<<30, 7), "disk spool", OK, ""},
		"no cluster yet": {func(f *facts) { f.database = &databaseFacts{private: true, none: true} },
			"database connection", OK, ""},
		"cluster of another": {func(f *facts) {
			f.database = &databaseFacts{private: true, err: syscall.EACCES}
		}, "database connection", Unknown, ""},
		"a standby": {health(func(h *store.Health) { h.ReadOnly = true }),
			"database connection", Problem, "db1.example"},
		"no schema":    {health(func(h *store.Health) { h.Have = 0 }), "database schema", Problem, "db migrate"},
		"older schema": {health(func(h *store.Health) { h.Have = 21 }), "database schema", Problem, "db migrate"},
		"newer schema": {health(func(h *store.Health) { h.Have = 23 }),
			"database schema", Problem, "newer tap25"},
		"may not load": {health(func(h *store.Health) { h.MayLoad = false }),
			"database role", Problem, `GRANT tap25_sensor TO "tap1";`},
		"owner":      {health(func(h *store.Health) { h.Owner = true }), "database role", Note, "CREATE ROLE"},
		"few locks":  {health(func(h *store.Health) { h.MaxLocks = 64 }), "database locks", Note, "= 512"},
		"jit":        {health(func(h *store.Health) { h.JIT = true }), "database jit", Note, "jit = off"},
		"little WAL": {health(func(h *store.Health) { h.MaxWAL = 1 << 30 }), "database WAL", Note, "4GB"},
		"default buffers": {health(func(h *store.Health) { h.SharedBuffers = 128 << 20 }),
			"database buffers", Note, "2048MB"},
		"may not drop": {health(func(h *store.Health) { h.MayDrop = false }),
			"database retention", Note, "db expire"},
		"sees no days": {health(func(h *store.Health) { h.Counted = false }), "database retention", Unknown, ""},
		"none stored":  {health(func(h *store.Health) { h.Stored = "" }), "database retention", OK, ""},
		"shorter settings": {health(func(h *store.Health) { h.Differs = -1 }),
			"database retention", Note, "--change-retention, if the longer"},
		"longer settings": {health(func(h *store.Health) { h.Differs = 1 }),
			"database retention", Note, "--change-retention, if the shorter"},
		"bad key": {func(f *facts) { f.evidence.keyErr = errors.New("no") },
			"evidence key", Problem, "ls -l"},
		"bad witness": {func(f *facts) { f.evidence.witnessErr = syscall.EROFS },
			"evidence witness", Problem, "ReadWritePaths"},
		"witness here": {func(f *facts) { f.evidence.sameDisk = true },
			"evidence witness", Note, "another machine"},
	} {
		t.Run(name, func(t *testing.T) { c.expect(t) })
	}
}

// The private cluster has the settings that tap25 gives it, and no login of others: it is not judged by them.
func TestDoctor_PrivateClusterIsJudgedByItsSchemaAndRetention(t *testing.T) {
	f := soundFacts()
	f.database.private, f.database.open = true, true
	f.database.health.MaxLocks, f.database.health.Owner, f.database.health.Have = 64, true, 21
	for _, c := range checkAll(f) {
		if c.State != OK {
			t.Errorf("%+v", c)
		}
	}
}

func TestDoctor_FactsOfFiles(t *testing.T) {
	dir := t.TempDir()
	key, witness := filepath.Join(dir, "key"), filepath.Join(dir, "no", "witness")
	s := &Settings{Key: key, Witness: witness}
	if f := evidenceFactsNow(s, dir); f.keyErr != nil || f.witnessErr == nil {
		t.Errorf("no key yet, no directory of the witness: %+v", f)
	}
	if err := os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY"}), 0o644); err != nil {
		t.Fatal(err)
	}
	s.Witness = filepath.Join(dir, "witness")
	if f := evidenceFactsNow(s, dir); f.keyErr == nil || f.witnessErr != nil || !f.sameDisk {
		t.Errorf("a key that others may read, a witness on the same disk: %+v", f)
	}
	if f := spoolFactsNow(filepath.Join(dir, "new", "spool"), 1<<20); f.err != nil || f.room != 1<<20 {
		t.Errorf("a spool that is not there yet: %+v", f)
	}
	if f := spoolFactsNow("/proc/self/spool", 1<<20); f.err == nil || !strings.Contains(f.err.Error(), "/proc/self") {
		t.Errorf("a spool where no file can be made: %+v", f)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if f := spoolFactsNow(file, 1<<20); !errors.Is(f.err, syscall.ENOTDIR) {
		t.Errorf("a file: %v", f.err)
	}
	if f := spoolFactsNow(dir, 1<<60); f.err != nil || f.room > 1<<50 {
		t.Errorf("the disk bounds the room too: %+v", f)
	}
	for _, there := range []string{dir, "/"} {
		if got := existing(filepath.Join(there, "no", "such")); got != there {
			t.Errorf("%q, want %q", got, there)
		}
	}
}
