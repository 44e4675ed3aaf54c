package store

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"
)

// Whenever packing is struck, the day's rows are there once, in one form.
func TestPack_EveryRowOnceWhereverItIsKilled(t *testing.T) {
	server := ownCluster(t)
	db := openCluster(t, server)
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	const rows = 2000
	r := rand.New(rand.NewPCG(17, 34))
	day := old.Truncate(24 * time.Hour)
	loadRows(t, db, "tap", strangeRows(r, day, rows, false)...)
	const digest = "select concat(count(*), md5(string_agg(m::text, '|' order by m::text))) from mail m"
	want := ask[string](t, db, digest)
	begun := time.Now()
	if tx, err := db.Conn().Begin(t.Context()); err != nil {
		t.Fatal(err)
	} else if _, err := tx.Exec(t.Context(), "select pack_rows($1, 100, 4 << 20)", day); err != nil {
		t.Fatal(err)
	} else if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	took := time.Since(begun)
	forms := map[string]int{}
	for n := range long(5, 200) {
		packer := openCluster(t, server)
		pid := int(packer.Conn().PgConn().PID())
		ended := make(chan error, 1)
		go func() {
			_, err := packer.Conn().Exec(t.Context(), "select tap25_internal.pack_rows($1, 100, 4 << 20)", day)
			ended <- err
		}()
		time.Sleep(time.Duration(r.Int64N(int64(took) * 5 / 4)))
		signal := []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL}[n%2] // the latter ends the server, which recovers
		syscall.Kill(pid, signal)
		err := <-ended
		packer.Close()
		if signal == syscall.SIGKILL {
			wait(t, func() bool { _, err := db.Conn().Exec(t.Context(), "select 1"); return err != nil })
			db.Close()
			waitForServer(t, server)
			wait(t, func() bool {
				again, err := Open(t.Context(), server.DSN()+testPath)
				if err == nil {
					db = again
				}
				return err == nil
			})
		}
		form := ask[string](t, db, `select concat_ws(' ', case when has_partition($1) then 'partition' end,
			case when is_packed($1) then 'blocks' end)`, day)
		if forms[form]++; form == "" || form == "partition blocks" || err == nil && form == "partition" {
			t.Fatalf("kill %d, %v, packing has returned %v: the day has the forms %q", n, signal, err, form)
		}
		if got := ask[string](t, db, digest); got != want {
			t.Fatalf("kill %d, %v: the mail is not what it was", n, signal)
		}
		if form == "blocks" { // it was done: pack another day with the same rows
			execute(t, db, `create table again as select (p.e).* from blocks b cross join lateral unpack(b) p order by b.number`)
			execute(t, db, fmt.Sprintf("drop table blocks_%s; delete from packs; delete from block_prints; delete from days",
				day.Format("20060102")))
			execute(t, db, fmt.Sprintf("select make_partitions('{%s}')", day.Format(time.DateOnly)))
			execute(t, db, "insert into envelopes select * from again; drop table again")
		}
	}
	db.Close()
	t.Logf("forms after each kill: %v", forms)
}
