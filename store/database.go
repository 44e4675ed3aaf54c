package store

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"tap25/store/cluster"
)

// Local takes the place of a connection string and means tap25's private cluster.
const Local = "local"

// Database is how to reach a database: by a connection string, or as tap25's private cluster, whose server it starts
// and whose schema it migrates. Open and Connect may be called by several goroutines.
type Database struct {
	DSN     string           // a PostgreSQL URL or keyword string
	Cluster *cluster.Cluster // the private cluster that DSN names; nil if the server is somebody else's

	starting chan struct{} // holds one element during a start of Cluster, which may change what follows
	failed   error         // of the last start; nil: it succeeded, or there was none
	failedAt time.Time
}

// NewDatabase returns the database that a connection string names, or the private cluster's if that is [Local]. It
// connects to nothing and starts nothing. An error says that no PostgreSQL is installed that could run the private
// cluster.
func NewDatabase(dsn string) (*Database, error) {
	if dsn != Local {
		return &Database{DSN: dsn}, nil
	}
	dir, err := cluster.StateDir()
	if err != nil {
		return nil, err
	}
	c, err := cluster.New(dir)
	if err != nil {
		return nil, err
	}
	c.Memory = cluster.AvailableMemory()
	return &Database{DSN: c.DSN(), Cluster: c, starting: make(chan struct{}, 1)}, nil
}

// Open connects for questions, see [Open]. The private cluster is started and migrated if need be. The schema of
// another database is not looked at: see [DB.Check].
func (d *Database) Open(ctx context.Context) (*DB, error) {
	db, err := d.connect(ctx, Open)
	if err == nil && d.Cluster != nil {
		err = db.Migrate(ctx)
	}
	return ready(db, err)
}

// Connect connects for loading, see [OpenWritable]. The private cluster is started, again if its server has died, and
// migrated if need be. The schema of another database must be this program's: errors are those of [DB.Check], of which
// [ErrNoSchema] and [ErrOlderSchema] are the common ones.
func (d *Database) Connect(ctx context.Context) (*DB, error) {
	db, err := d.connect(ctx, OpenWritable)
	switch {
	case err != nil:
	case d.Cluster != nil:
		err = db.Migrate(ctx)
	default:
		err = db.Check(ctx)
	}
	return ready(db, err)
}

// ready returns a connection, or closes it if there was an error.
func ready(db *DB, err error) (*DB, error) {
	if err != nil && db != nil {
		db.Close()
		db = nil
	}
	return db, err
}

// Late starts the private cluster if it was made before, and reports whether it does not answer within a time but may
// later, such as after it has recovered. Connect starts it again.
func (d *Database) Late(ctx context.Context, within time.Duration) bool {
	if !d.Cluster.Made() {
		return false
	}
	starting, done := context.WithTimeout(ctx, within)
	defer done()
	return cluster.MayCome(d.start(starting)) && ctx.Err() == nil
}

// start starts the private cluster if it does not run. Any number of goroutines may call it. Those that wait for one
// that fails fail too: if they all tried in turn, another tap25 would never get the lock of the cluster.
func (d *Database) start(ctx context.Context) error {
	asked := time.Now()
	select {
	case d.starting <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-d.starting }()
	if d.failed != nil && d.failedAt.After(asked) {
		return d.failed
	}
	err := d.Cluster.Use(ctx)
	if ctx.Err() == nil { // else it ended for this caller alone
		d.failed, d.failedAt = err, time.Now()
	}
	return err
}

// errGone is a private server that answered a moment ago.
var errGone = errors.New("the private PostgreSQL server has stopped")

func (d *Database) connect(ctx context.Context, open func(context.Context, string) (*DB, error)) (*DB, error) {
	if d.Cluster == nil {
		return open(ctx, d.DSN)
	}
	if err := d.start(ctx); err != nil {
		return nil, err
	}
	db, err := open(ctx, d.DSN)
	if errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ECONNREFUSED) {
		err = fmt.Errorf("%w: %w", errGone, err)
	}
	return db, err
}

// Release ends this process's use of the private cluster: a server that it has started stops after its other users have
// released it too, which is waited for until ctx ends ([cluster.Cluster.Release]). It does nothing to the database of
// another server.
func (d *Database) Release(ctx context.Context) error {
	if d.Cluster == nil {
		return nil
	}
	return d.Cluster.Release(ctx)
}
