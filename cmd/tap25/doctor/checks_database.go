package doctor

import (
	"errors"
	"fmt"
	"syscall"

	"tap25/cmd/tap25/report"
	"tap25/store"
)

func checkDatabase(f *databaseFacts, want *Settings) []Check {
	c := &checkup{on: "database"}
	switch {
	case f.err != nil && f.private && errors.Is(f.err, syscall.EACCES):
		c.add("connection", Unknown, "only the user who runs the private cluster, and root, may ask it")
		return c.list
	case f.err != nil:
		c.add("connection", Problem, "rows will wait in the spool: "+f.err.Error(), "tap25 db status tries again")
		return c.list
	case f.none:
		c.add("connection", OK, "the first start makes the private cluster")
		return c.list
	case f.stopped:
		c.add("connection", OK, "the private cluster does not run; tap25 sniff starts it")
		return c.list
	case f.health.ReadOnly:
		c.add("connection", Problem, "the server takes no writes: rows will wait in the spool",
			"name the primary in --db, or all servers of the pair: postgres://tap1@db1.example,db2.example/mail")
		return c.list
	}
	c.add("connection", OK, "the database answers "+f.health.User)
	if checkSchema(c, f) && !f.private {
		checkRole(c, &f.health)
	}
	checkStoredRetention(c, &f.health, want)
	if !f.private { // tap25 starts it with these settings, and nobody else reaches it but by shared sockets
		checkServer(c, f)
		checkOthers(c, f)
	}
	return c.list
}

// checkSchema reports whether the schema is this program's.
func checkSchema(c *checkup, f *databaseFacts) bool {
	h := &f.health
	switch {
	case h.Have == h.Want:
		c.add("schema", OK, fmt.Sprintf("version %d, as this tap25 has it", h.Have))
		return true
	case h.Have > h.Want:
		c.add("schema", Problem, fmt.Sprintf("version %d, but this tap25 supports only %d: rows will wait in the spool",
			h.Have, h.Want), "use a newer tap25")
	case f.private:
		c.add("schema", OK, fmt.Sprintf("version %d; the next start migrates it to %d", h.Have, h.Want))
	case h.Have == 0:
		c.add("schema", Problem, "the database has no tap25 schema: rows will wait in the spool",
			"tap25 db migrate --db URL, as the database's owner")
	default:
		c.add("schema", Problem, fmt.Sprintf("version %d, but this tap25 needs %d: rows will wait in the spool", h.Have,
			h.Want), "tap25 db migrate --db URL, as the database's owner")
	}
	return false
}

func checkRole(c *checkup, h *store.Health) {
	switch {
	case !h.MayLoad:
		c.add("role", Problem, h.User+" may not load: rows will wait in the spool",
			fmt.Sprintf("GRANT tap25_sensor TO %q;", h.User))
	case h.Owner:
		c.add("role", Note, h.User+" can change and delete all that is recorded, and so can whoever takes the tap over",
			"CREATE ROLE tap1 LOGIN IN ROLE tap25_sensor;")
	default:
		c.add("role", OK, h.User+" may load rows, and nothing else")
	}
}

// checkStoredRetention compares the settings with what the database stores, and asks who drops days.
func checkStoredRetention(c *checkup, h *store.Health, want *Settings) {
	asked := want.RetentionText
	switch {
	case h.Have != h.Want || asked == "":
		return
	case !h.MayDrop && want.Retention != (store.Retention{}):
		c.add("retention", Note, h.User+" may not drop days, so the retention of the settings drops none",
			"run each day, as the database's owner or an administrator: tap25 db expire --db URL")
		return
	case !h.Counted:
		c.add("retention", Unknown, h.User+" may not see which retention the database stores")
	case h.Stored == "":
		c.add("retention", OK, "the database stores none yet")
	case h.Differs < 0:
		c.add("retention", Note, fmt.Sprintf("the settings say %s, but the database stores %s, and that is obeyed", asked,
			h.Stored), "tap25 db expire --retention "+asked+" --change-retention, if the longer one is wrong")
	case h.Differs > 0:
		c.add("retention", Note, fmt.Sprintf("the settings say %s, but the database stores %s: the longer one is obeyed",
			asked, h.Stored), "tap25 db expire --retention "+asked+" --change-retention, if the shorter one is wrong")
	default:
		c.add("retention", OK, h.Stored+", as in the settings")
	}
}

// What docs/operating.md asks of a server's settings, and PostgreSQL's default of shared_buffers.
const (
	wantLocks      = 512
	wantWAL        = 4 << 30
	defaultBuffers = 128 << 20
)

func checkServer(c *checkup, f *databaseFacts) {
	h := &f.health
	if h.MaxLocks < wantLocks {
		c.add("locks", Note, fmt.Sprintf("max_locks_per_transaction is %d: a question over years fails", h.MaxLocks),
			fmt.Sprintf("ALTER SYSTEM SET max_locks_per_transaction = %d; then restart the server", wantLocks))
	} else {
		c.add("locks", OK, fmt.Sprintf("max_locks_per_transaction is %d", h.MaxLocks))
	}
	if h.JIT {
		c.add("jit", Note, "jit is on: compiling a question over hundreds of days can take seconds",
			"ALTER SYSTEM SET jit = off; SELECT pg_reload_conf();")
	} else {
		c.add("jit", OK, "off")
	}
	if h.MaxWAL < wantWAL {
		c.add("WAL", Note, fmt.Sprintf("max_wal_size is %s: loads write more, because checkpoints are frequent",
			report.Bytes(h.MaxWAL)), "ALTER SYSTEM SET max_wal_size = '4GB'; SELECT pg_reload_conf();")
	} else {
		c.add("WAL", OK, "max_wal_size is "+report.Bytes(h.MaxWAL))
	}
	quarter := f.memory / 4
	switch {
	case h.SharedBuffers <= defaultBuffers && !h.Here:
		c.add("buffers", Note, fmt.Sprintf("shared_buffers is %s, PostgreSQL's default", report.Bytes(h.SharedBuffers)),
			"ALTER SYSTEM SET shared_buffers = to a quarter of the server's memory; then restart the server")
	case h.SharedBuffers <= defaultBuffers && quarter > 2*defaultBuffers:
		c.add("buffers", Note, fmt.Sprintf("shared_buffers is %s, PostgreSQL's default; a quarter of the memory is %s",
			report.Bytes(h.SharedBuffers), report.Bytes(quarter)),
			fmt.Sprintf("ALTER SYSTEM SET shared_buffers = '%dMB'; then restart the server", quarter>>20))
	default:
		c.add("buffers", OK, "shared_buffers is "+report.Bytes(h.SharedBuffers))
	}
}

// checkOthers judges who else may create objects in the database, and connect.
func checkOthers(c *checkup, f *databaseFacts) {
	if run := store.CloseSchemas(f.creators); len(run) > 0 {
		c.add("schemas", Problem, "others may create objects in a schema on the search path, "+
			"which statements could then use instead of tap25's", run...)
	} else {
		c.add("schemas", OK, "nobody else may create objects in a schema on the search path")
	}
	if f.open {
		c.add("logins", Note, "any login of the server may connect, and see how many rows each day has",
			"tap25 db migrate, as the database's owner")
	} else {
		c.add("logins", OK, "only logins with the right to connect may do so")
	}
}
