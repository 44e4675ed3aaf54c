package store

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"tap25/reassembly/smtp"
	"tap25/store/storetest"
)

var loginsAreIn sync.Once

// letLoginsIn lets every user into the shared cluster, which else knows its owner alone.
func letLoginsIn(t testing.TB) {
	t.Helper()
	c := storetest.Cluster(t)
	loginsAreIn.Do(func() {
		if err := os.WriteFile(filepath.Join(c.DataDir(), "pg_hba.conf"), []byte("local all all trust\n"),
			0o600); err != nil {
			t.Fatal(err)
		}
		db, err := Open(t.Context(), c.DSN())
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err = db.Conn().Exec(t.Context(), "select pg_reload_conf()"); err != nil {
			t.Fatal(err)
		}
	})
}

// login makes a user that is a member of a role, if one is named, and may connect, and logs in as it: other than as(),
// so that the server knows the session as the user's.
func login(t testing.TB, db *DB, role, user string) *DB {
	t.Helper()
	letLoginsIn(t)
	name := db.Conn().Config().Database
	user += "_" + strings.TrimPrefix(name, "test_")
	sql := "create role " + user + " login; grant connect on database " + name + " to " + user
	if role != "" {
		sql += "; grant " + role + " to " + user
	}
	if _, err := db.Conn().Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		db.Conn().Exec(context.Background(), "drop owned by "+user+"; drop role "+user)
	})
	return loginAgain(t, db, user)
}

// loginAgain is another session of a login.
func loginAgain(t testing.TB, db *DB, user string) *DB {
	t.Helper()
	cfg := db.Conn().Config().Copy()
	cfg.User = user
	var session *DB
	wait(t, func() (in bool) { // until the server has read the file again
		var err error
		if session, err = connect(t.Context(), cfg.Copy()); err != nil && !strings.Contains(err.Error(), "28000") {
			t.Fatal(err)
		}
		return err == nil
	})
	t.Cleanup(session.Close)
	return session
}

// of names the sensor of rows.
func of(sensor string, rows ...*smtp.Envelope) [][]byte {
	for _, e := range rows {
		e.Sensor = sensor
	}
	return encode(rows...)
}
