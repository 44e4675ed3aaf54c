package store

import (
	"syscall"
	"testing"
	"time"

	"tap25/store/cluster"
	"tap25/store/spool"
	"tap25/store/storetest"
)

// ownCluster is a cluster that a test may kill.
func ownCluster(t *testing.T) *cluster.Cluster {
	t.Helper()
	c := storetest.NewCluster(t)
	t.Cleanup(func() { c.Down() })
	up(t, c)
	return c
}

// up starts a cluster's server and leaves it running.
func up(t testing.TB, c *cluster.Cluster) {
	if err := c.Up(t.Context()); err != nil {
		t.Error(err)
	}
	if err := c.Release(t.Context()); err != nil {
		t.Error(err)
	}
}

// stopImmediately stops a cluster's server as pg_ctl's -m immediate does, and starts it again.
func stopImmediately(t testing.TB, c *cluster.Cluster) {
	out, err := c.Command("pg_ctl", "stop", "-D", c.DataDir(), "-m", "immediate", "-w").CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	up(t, c)
}

// TestLoader_EveryRowOnceWhateverIsStruck strikes loads within COPY, between COPY and COMMIT, and when COMMIT is done
// but its answer not yet there.
func TestLoader_EveryRowOnceWhateverIsStruck(t *testing.T) {
	for _, c := range []struct {
		name        string
		short, full int // at each place
		owns        bool
		strike      func(*testing.T, *cluster.Cluster) func(backend int)
	}{
		{"the connection", 8, 100, false, func(*testing.T, *cluster.Cluster) func(int) { return nil }},
		{"its backend, SIGTERM", 4, 50, false, func(*testing.T, *cluster.Cluster) func(int) {
			return func(backend int) { syscall.Kill(backend, syscall.SIGTERM) }
		}},
		{"its backend, SIGKILL", 1, 50, true, func(*testing.T, *cluster.Cluster) func(int) {
			return func(backend int) { syscall.Kill(backend, syscall.SIGKILL) }
		}},
		{"the server, -m immediate", 1, 50, true, func(t *testing.T, c *cluster.Cluster) func(int) {
			return func(int) { stopImmediately(t, c) }
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			server, db := (*cluster.Cluster)(nil), (*DB)(nil)
			if c.owns {
				server = ownCluster(t)
				db = openCluster(t, server)
				if err := db.Migrate(t.Context()); err != nil {
					t.Fatal(err)
				}
			} else {
				db = database(t, false)
				server = storetest.Cluster(t)
			}
			each := long(c.short, c.full)
			p := newProxy(t, server, each, c.strike(t, server))
			n := loadUntilSpent(t, db, p, each)
			if c.owns { // the connection is gone with the server
				waitForServer(t, server)
				db = openCluster(t, server)
			}
			checkOnce(t, db, "tap", n)
		})
	}
}

// loadUntilSpent loads numbered rows through a proxy until it has struck each time, and returns how many. One
// transaction takes what waits, so the rows come in turns.
func loadUntilSpent(t *testing.T, db *DB, p *proxy, each int) (n int) {
	s := openSpool(t, spool.Config{SegmentRecords: 100})
	l := NewLoader(LoaderConfig{Spool: s, Connect: to(db, p.dir), MaxPause: 10 * time.Millisecond})
	for !p.spent(each) && !t.Failed() {
		for range 250 {
			sealOne(t, s, numbered("tap", n))
			n++
		}
		if err := s.Seal(""); err != nil {
			t.Fatal(err)
		}
		drain(t, s, l)
	}
	if st := s.Stats(); st.Waiting != 0 || st.Loaded != int64(n) || st.Lost != 0 {
		t.Errorf("%d rows: %+v", n, st)
	}
	// Each answer that was lost is of rows that were there; one transaction may have had more than one segment.
	if held := l.Stats().Held; held < int64(50*each) {
		t.Errorf("%d answers to COMMIT were lost, but %d rows were found to be there", each, held)
	}
	return n
}

func openCluster(t *testing.T, c *cluster.Cluster) *DB {
	t.Helper()
	db, err := Open(t.Context(), c.DSN()+testPath)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

func waitForServer(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	wait(t, func() bool { return c.Running(t.Context()) })
}
