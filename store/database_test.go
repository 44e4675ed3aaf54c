package store

import (
	"errors"
	"testing"
	"time"

	"tap25/store/storetest"
)

func TestDatabase_PrivateClusterIsStartedAndMigratedAlsoAfterItsServerDied(t *testing.T) {
	storetest.StateHome(t)
	d, err := NewDatabase(Local)
	if err != nil {
		t.Fatal(err)
	}
	for _, connect := range []func() (*DB, error){
		func() (*DB, error) { return d.Connect(t.Context()) },
		func() (*DB, error) { return d.Open(t.Context()) },
	} {
		db, err := connect()
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Check(t.Context()); err != nil {
			t.Error(err)
		}
		db.Close()
		out, err := d.Cluster.Command("pg_ctl", "stop", "-D", d.Cluster.DataDir(), "-m", "immediate", "-w").
			CombinedOutput()
		if err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}
	if err := d.Release(t.Context()); err != nil || d.Cluster.Running(t.Context()) {
		t.Errorf("released: %v; the server runs: %v", err, d.Cluster.Running(t.Context()))
	}
}

func TestDatabase_SchemaOfAnotherServerIsLeftAsItIs(t *testing.T) {
	d, err := NewDatabase(storetest.DSN(t, storetest.Database(t)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Connect(t.Context()); !errors.Is(err, ErrNoSchema) {
		t.Errorf("connect to load: %v", err)
	}
	db, err := d.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if have, _, err := db.Version(t.Context()); have != 0 || err != nil {
		t.Errorf("schema %d, %v", have, err)
	}
	if err := d.Release(t.Context()); err != nil || !storetest.Cluster(t).Running(t.Context()) {
		t.Errorf("released: %v", err)
	}
}

func TestDatabase_WhoWaitsForAStartThatFailsDoesNotTryInTurn(t *testing.T) {
	storetest.StateHome(t)
	d, err := NewDatabase(Local)
	if err != nil {
		t.Fatal(err)
	}
	d.starting <- struct{}{}
	waited := make(chan error)
	go func() { waited <- d.start(t.Context()) }()
	d.failed, d.failedAt = errors.New("no room"), time.Now().Add(time.Hour)
	<-d.starting
	if err := <-waited; err != d.failed {
		t.Errorf("%v", err)
	}
	if d.Cluster.Made() {
		t.Error("it made the cluster")
	}
}
