package store

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Rows that look like a provider's mail come back bit for bit and in their order: as COPY gives them in the binary
// format, before and after. 'make pack-rows' packs 10,000,000. Meanwhile the server's process has no more than 64 MiB
// of its own.
func TestPack_RowsOfAProviderComeBack(t *testing.T) {
	db := openCluster(t, ownCluster(t))
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	generator, err := os.ReadFile("../bench/mail.sql")
	if err != nil {
		t.Fatal(err)
	}
	execute(t, db, string(generator))
	mails, total := long(7000, 765000), 0
	for d := range long(1, 10) {
		day := old.Truncate(24*time.Hour).AddDate(0, 0, d)
		execute(t, db, fmt.Sprintf("select make_partitions('{%s}')", day.Format(time.DateOnly)),
			fmt.Sprintf("call bench.fill('%s', '%s', 1, %d, %d, %d)", day.Format("envelopes_20060102"),
				day.Format(time.DateOnly), mails, mails, d*mails), "vacuum (analyze) "+day.Format("envelopes_20060102"))
		want := copied256(t, db, rowsOf(day))
		packer := again(t, db) // a process of its own, which has taken no memory before
		peak := ownMemory(t, packer)
		rows := ask[int](t, packer, "select tap25_internal.pack_day($1)", day)
		if most := peak(); most > 64<<20 {
			t.Errorf("packing took %d octets", most)
		}
		if got := copied256(t, db, packedRows(day)); got != want {
			t.Errorf("the rows of %s are not what they were", day.Format(time.DateOnly))
		}
		total += rows
		t.Logf("%d rows of %s came back", rows, day.Format(time.DateOnly))
	}
	execute(t, db, "analyze")
	if n := ask[int](t, db, "select count(*) from pg_stats where tablename ~ '^blocks' and attname = 'session_id'"); n != 0 {
		t.Error("ANALYZE has unpacked the blocks, and each question keeps what it found")
	}
	if want := long(9000, 10000000); total < want {
		t.Errorf("%d rows, want %d", total, want)
	}
}

// again opens another connection to the database of one.
func again(t testing.TB, db *DB) *DB {
	t.Helper()
	another, err := Open(t.Context(), db.Conn().Config().ConnString())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(another.Close)
	return another
}

// copied256 is the SHA-256 of what COPY gives of a query in the binary format.
func copied256(t testing.TB, db *DB, query string) string {
	t.Helper()
	h := sha256.New()
	if _, err := db.Conn().PgConn().CopyTo(t.Context(), h, "copy ("+query+") to stdout (format binary)"); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// ownMemory returns a function that ends its looking, and gives the most memory that the server's process of a
// connection had of its own since, in octets.
func ownMemory(t testing.TB, db *DB) func() int64 {
	t.Helper()
	name := fmt.Sprintf("/proc/%d/status", db.Conn().PgConn().PID())
	if _, err := os.ReadFile(name); err != nil {
		t.Fatal(err)
	}
	var most atomic.Int64
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			status, _ := os.ReadFile(name)
			_, after, _ := bytes.Cut(status, []byte("RssAnon:"))
			field, _, _ := strings.Cut(strings.TrimSpace(string(after)), " ")
			kilobytes, _ := strconv.ParseInt(field, 10, 64)
			most.Store(max(most.Load(), kilobytes<<10))
			select {
			case <-end:
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	}()
	return func() int64 {
		close(end)
		<-ended
		if most.Load() == 0 {
			t.Error("the memory of the server's process was not seen")
		}
		return most.Load()
	}
}
