package storetest

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"tap25/capture/capturetest"
)

// onCitus is the environment variable with the name of the database that a test's databases are copied from.
const onCitus = "TAP25_TEST_ON_CITUS"

// Citus makes [Database] and [DSN] use the server that TAP25_TEST_CITUS names, until the test ends. That server is a
// coordinator, whose database knows the workers, and the URL's user is a superuser on all of them. Citus makes a
// database and calls prepare with its name. Each database of the test is a copy of it, since preparing one takes
// seconds. Without the variable the test is skipped.
func Citus(t *testing.T, prepare func(name string)) {
	t.Helper()
	if os.Getenv("TAP25_TEST_CITUS") == "" {
		capturetest.Missing(t, "citus", "TAP25_TEST_CITUS names no database, such as "+
			"postgres://postgres@127.0.0.1/postgres, that has the extension and knows its workers")
	}
	name := citusDatabase(t)
	t.Setenv(onCitus, name)
	prepare(name)
	for _, node := range citusNodes(t) {
		onMachine(t, node.dsn(t, ""), "alter database "+name+" allow_connections false")
	}
}

// isCitus reports whether databases are on the server that TAP25_TEST_CITUS names.
func isCitus() bool { return os.Getenv(onCitus) != "" }

// citusNode is a machine: the coordinator or a worker.
type citusNode struct {
	host string
	port uint16
}

// dsn names a database of a machine, the one of TAP25_TEST_CITUS if the name is empty, in libpq's keywords.
func (n citusNode) dsn(t testing.TB, database string) string {
	t.Helper()
	c := citusConfig(t)
	dsn := fmt.Sprintf("host=%s port=%d user=%s dbname=%s sslmode=disable", n.host, n.port, c.User,
		cmp.Or(database, c.Database))
	if c.Password != "" {
		dsn += " password=" + c.Password
	}
	return dsn
}

func citusConfig(t testing.TB) *pgconn.Config {
	t.Helper()
	c, err := pgconn.ParseConfig(os.Getenv("TAP25_TEST_CITUS"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// citusNodes returns the coordinator and the workers.
func citusNodes(t testing.TB) (nodes []citusNode) {
	t.Helper()
	c := citusConfig(t)
	nodes = append(nodes, citusNode{c.Host, c.Port})
	for _, worker := range onMachine(t, nodes[0].dsn(t, ""),
		"select nodename || ' ' || nodeport from pg_dist_node where groupid > 0 order by nodeid") {
		var n citusNode
		if _, err := fmt.Sscan(string(worker), &n.host, &n.port); err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, n)
	}
	return nodes
}

// citusDatabase makes a database on each machine, empty or a copy, which is dropped after the test.
func citusDatabase(t testing.TB) (name string) {
	t.Helper()
	name = fmt.Sprintf("test_%d", time.Now().UnixNano())
	nodes := citusNodes(t)
	template := os.Getenv(onCitus)
	for i, node := range nodes {
		// Citus's maintenance daemon is a connection, which keeps a database from being copied.
		onMachine(t, node.dsn(t, ""), fmt.Sprintf("select pg_terminate_backend(pid, 5000) from pg_stat_activity "+
			"where datname = '%s'", template))
		onMachine(t, node.dsn(t, ""), "create database "+name+" template "+cmp.Or(template, "template1"))
		t.Cleanup(func() { dropDatabase(t, node.dsn(t, ""), name) })
		if template != "" {
			continue
		}
		onMachine(t, node.dsn(t, name), "create extension citus")
		step := "citus_add_node"
		if i == 0 {
			step = "citus_set_coordinator_host"
		}
		onMachine(t, nodes[0].dsn(t, name), fmt.Sprintf("select %s('%s', %d)", step, node.host, node.port))
	}
	return name
}

// dropDatabase drops a database; the test's context is over.
func dropDatabase(t testing.TB, dsn, name string) {
	conn, err := pgconn.Connect(context.Background(), dsn)
	if err == nil {
		_, err = conn.Exec(context.Background(), "drop database "+name+" with (force)").ReadAll()
		conn.Close(context.Background())
	}
	if err != nil {
		t.Error(err)
	}
}

// onMachine runs a statement, and returns the first column.
func onMachine(t testing.TB, dsn, sql string) (column [][]byte) {
	t.Helper()
	conn, err := pgconn.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	results, err := conn.Exec(t.Context(), sql).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range results[0].Rows {
		column = append(column, row[0])
	}
	return column
}
