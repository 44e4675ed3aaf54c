package doctor

import (
	"context"

	"tap25/store"
)

// databaseFactsNow asks a database; it returns nil for the private cluster.
func databaseFactsNow(ctx context.Context, dsn string) *databaseFacts {
	if dsn == store.Local {
		return nil
	}
	f := &databaseFacts{}
	db, err := store.Open(ctx, dsn)
	if err != nil {
		f.err = err
		return f
	}
	defer db.Close()
	if f.creators, f.err = db.Creators(ctx); f.err == nil {
		f.open, f.err = db.OpenToAll(ctx)
	}
	return f
}

func checkDatabase(f *databaseFacts) []Check {
	c := &checkup{on: "database"}
	if f.err != nil {
		c.add("connection", Unknown, "the database does not answer: 'tap25 db status' reports why")
		return c.list
	}
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
	return c.list
}
