package store

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"tap25/reassembly/smtp"
)

// manyHosts is a database with the mails of 5,000 hosts, each of which may be changed before.
func manyHosts(t *testing.T, change func(i int, e *smtp.Envelope)) *DB {
	t.Helper()
	db := database(t, false)
	var rows []*smtp.Envelope
	for i := range 5000 {
		e := full()
		addr := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		e.Client, e.Server = netip.AddrPortFrom(addr, 40000), netip.AddrPortFrom(addr, 25)
		change(i, e)
		rows = append(rows, e)
	}
	if _, err := db.Load(t.Context(), "tap", "many", encode(rows...)); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Conn().Exec(t.Context(), "analyze"); err != nil {
		t.Fatal(err)
	}
	return db
}

func TestQuestions_AreAnsweredByIndexInAnyCase(t *testing.T) {
	db := manyHosts(t, func(i int, e *smtp.Envelope) {
		e.MailFrom, e.RcptTo = new(fmt.Sprintf("From%d@A%d.example", i, i)), new(fmt.Sprintf("to%d@b%d.example", i, i))
	})
	for _, question := range []string{"mail_from('FROM77@a77.EXAMPLE')", "mail_to('TO77@B77.example')",
		"mail_from_domain('a77.example')",
		"mail_to_domain('B77.EXAMPLE')", "mail_client('10.0.0.77')", "mail_server('10.0.0.77')"} {
		n, touched := scans(t, db, question)
		if n != 1 || touched["envelopes_20260102"] != "by index" {
			t.Errorf("%s: %d rows, %v; want 1 by index", question, n, touched)
		}
	}
}

// scans asks a question and says how many rows it has and how it looks into each partition, by the server's own
// counters.
func scans(t testing.TB, db *DB, question string) (n int, touched map[string]string) {
	t.Helper()
	touched = map[string]string{}
	fresh := another(t, db.Conn().Config().Database) // whose counters are at zero
	err := pgx.BeginFunc(t.Context(), fresh.Conn(), func(tx pgx.Tx) error {
		if err := tx.QueryRow(t.Context(), "select count(*) from "+question).Scan(&n); err != nil {
			return err
		}
		rows, err := tx.Query(t.Context(), `select relname, case when seq_scan > 0 then 'whole' else 'by index' end
			from pg_stat_xact_user_tables where relname like 'envelopes\_%' and (seq_scan > 0 or idx_scan > 0)`)
		if err != nil {
			return err
		}
		var name, how string
		_, err = pgx.ForEachRow(rows, []any{&name, &how}, func() error { touched[name] = how; return nil })
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v", question, err)
	}
	return n, touched
}

// A process keeps the statistics of each day that it asks, so a day has few: of 5,000 hosts and addresses too.
func TestQuestions_ADayHasFewStatistics(t *testing.T) {
	db := manyHosts(t, func(i int, e *smtp.Envelope) { e.MailFrom = new(fmt.Sprintf("from%d@a.example", i/2)) })
	if most := ask[int](t, db, `select max(greatest(cardinality(most_common_freqs), array_length(histogram_bounds, 1)))
		from pg_stats where tablename = 'envelopes_20260102' and attname <> 'seen_at'`); most > 11 {
		t.Errorf("%d values of a column", most)
	}
}

func TestQuestions_ByAddressAndSubnetUseTheIndex(t *testing.T) {
	db := manyHosts(t, func(int, *smtp.Envelope) {})
	for question, want := range map[string]int{"client_ip = '10.0.3.7'": 1, "server_ip = '10.0.3.7'": 1,
		"client_ip <<= '10.0.3.0/28'": 16, "server_ip <<= '10.0.3.0/28'": 16} {
		var n int
		if err := db.Conn().QueryRow(t.Context(), "select count(*) from mail where "+question).
			Scan(&n); err != nil || n != want {
			t.Errorf("%s: %d rows, %v; want %d", question, n, err, want)
		}
		plan, err := db.Conn().Query(t.Context(), "explain select * from mail where "+question)
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(plan, pgx.RowTo[string])
		if text := strings.Join(lines, "\n"); err != nil || !strings.Contains(text, "Index Scan") {
			t.Errorf("%s uses no index: %v %s", question, err, text)
		}
	}
}
