package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tap25/capture"
	"tap25/reassembly"
	"tap25/reassembly/decode"
	"tap25/reassembly/smtp"
	"tap25/store"
)

// truth is what the undamaged captures say, whose rows are those of the servers' logs.
type truth struct {
	mails map[[2]netip.AddrPort][]*smtp.Envelope // of each connection, in the order of time
	named map[string]*smtp.Envelope              // by connection and queue_id
	rows  map[string][]string                    // by recipient of a mail: what its rows are
	n     int
}

// recipient returns which recipient of which true mail a row is of: by the mail's queue_id, else by the time that it
// was sent, by the tap's clock. MAIL's time is that of one mail of the connection alone; a row whose MAIL was missed
// has the time of its RCPT, which comes before the next MAIL. It is empty for a row that says none of this.
func (w *truth) recipient(e *smtp.Envelope, fast time.Duration) string {
	mails, rcpt := w.mails[[2]netip.AddrPort{e.Client, e.Server}], "nobody"
	if e.RcptTo != nil {
		rcpt = "<" + *e.RcptTo + ">"
	}
	var mail *smtp.Envelope
	if e.QueueID != nil {
		mail = w.named[fmt.Sprint(e.Client, e.Server, *e.QueueID)]
	} else if e.MailFrom != nil || e.RcptTo != nil || e.Outcome == smtp.Encrypted {
		i, found := slices.BinarySearchFunc(mails, e.SeenAt.Add(-fast), func(m *smtp.Envelope, t time.Time) int {
			return m.SeenAt.Compare(t)
		})
		if found {
			mail = mails[i]
		} else if i > 0 {
			mail = mails[i-1]
		}
	}
	if mail == nil {
		return ""
	}
	return fmt.Sprint(e.Client, e.Server, mail.SeenAt.UnixMicro(), rcpt)
}

func truthOf(t *testing.T, captures [][]capture.Frame) *truth {
	t.Helper()
	w := &truth{map[[2]netip.AddrPort][]*smtp.Envelope{}, map[string]*smtp.Envelope{}, map[string][]string{}, 0}
	for _, frames := range captures {
		for _, e := range atTap("", frames, 0) {
			c := [2]netip.AddrPort{e.Client, e.Server}
			w.mails[c] = append(w.mails[c], e)
			if e.QueueID != nil {
				w.named[fmt.Sprint(e.Client, e.Server, *e.QueueID)] = e
			}
			w.n++
		}
	}
	for _, mails := range w.mails {
		slices.SortStableFunc(mails, func(a, b *smtp.Envelope) int { return a.SeenAt.Compare(b.SeenAt) })
		for _, e := range mails {
			r := w.recipient(e, 0)
			w.rows[r] = append(w.rows[r], untapped(t, e, 0))
		}
	}
	return w
}

// untapped is a row without what is of its tap.
func untapped(t *testing.T, e *smtp.Envelope, fast time.Duration) string {
	c := *e
	c.SeenAt = c.SeenAt.Add(-fast)
	c.Sensor, c.SessionID, c.MailNo, c.LostBytes = "", 0, 0, 0
	b, err := json.Marshal(&c)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// count counts rows by the recipient that they are of, and those that are right: the true row, no oftener than it is
// true.
func (w *truth) count(t *testing.T, rows []*smtp.Envelope, fast map[string]time.Duration) (n map[string]int,
	right int) {
	t.Helper()
	n = map[string]int{}
	left := map[string]int{}
	for _, e := range rows {
		r, row := w.recipient(e, fast[e.Sensor]), untapped(t, e, fast[e.Sensor])
		n[r]++
		if left[row]++; slices.Contains(w.rows[r], row) && left[row] <= len(w.rows[r]) {
			right++
		}
	}
	return n, right
}

// atTap are the rows of a tap whose clock is fast by some time.
func atTap(sensor string, frames []capture.Frame, fast time.Duration) (rows []*smtp.Envelope) {
	a := reassembly.New(reassembly.Config{Sensor: sensor, Emit: func(e *smtp.Envelope) {
		c := *e
		rows = append(rows, &c)
	}})
	for _, f := range frames {
		a.Frame(f.Time.Add(fast), f.LinkType, f.Data, f.Length)
	}
	a.Close()
	return rows
}

// tapping is what a tap sees of a capture.
type tapping func(rnd *rand.Rand, frames []capture.Frame) []capture.Frame

func loses(share float64) tapping {
	return func(rnd *rand.Rand, frames []capture.Frame) []capture.Frame {
		return slices.DeleteFunc(slices.Clone(frames), func(capture.Frame) bool { return rnd.Float64() < share })
	}
}

// startsLate sees no capture from its beginning, so that connections are in midstream.
func startsLate(rnd *rand.Rand, frames []capture.Frame) []capture.Frame {
	return frames[min(len(frames), 4+rnd.IntN(20)):]
}

func seesClients(_ *rand.Rand, frames []capture.Frame) []capture.Frame {
	d := decode.New(nil)
	return slices.DeleteFunc(slices.Clone(frames), func(f capture.Frame) bool {
		var p decode.Packet
		return d.Decode(f.Time, f.LinkType, f.Data, f.Length, &p) == decode.TCPPort && p.DstPort != 25
	})
}

// TestOnce_RowsOfTapsThatLoseFrames loads the captures of real mail software as several taps see them, none of which
// sees all, and holds mail_once against the rows of the undamaged captures. Two mails are never shown as one: of each
// recipient of a mail there are as many rows as the tap has that has most. Of the rows that are more than the truth most
// lack the recipient or the sender.
func TestOnce_RowsOfTapsThatLoseFrames(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join("..", "..", "testdata", "real", "*.pcap*"))
	var captures [][]capture.Frame
	for _, f := range append(files, filepath.Join("..", "..", "testdata", "demo.pcap.gz")) {
		if !strings.Contains(f, "random-dialogues") { // no client: DESIGN.md, "Limits"
			captures = append(captures, framesOf(t, f))
		}
	}
	w := truthOf(t, captures)
	conn, _ := server(t)
	db := migrated(t)
	for round, c := range []struct {
		name    string
		taps    []tapping
		surplus int // rows of mail_once that are more than the truth, at most
	}{
		{"two taps that lose nothing", []tapping{loses(0), loses(0)}, 0},
		{"two that lose one frame in a thousand", []tapping{loses(0.001), loses(0.001)}, 2},
		{"two that lose one in a hundred", []tapping{loses(0.01), loses(0.01)}, 40},
		{"three that lose one in a hundred", []tapping{loses(0.01), loses(0.01), loses(0.01)}, 80},
		{"two that lose one in five", []tapping{loses(0.2), loses(0.2)}, 1000},
		{"three that lose three in ten", []tapping{loses(0.3), loses(0.3), loses(0.3)}, 4000},
		{"one that starts late", []tapping{loses(0.01), startsLate}, 40},
		{"one that sees clients alone", []tapping{loses(0.01), seesClients}, 120},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := conn.Exec(t.Context(), "truncate tap25_internal.envelopes"); err != nil {
				t.Fatal(err)
			}
			rnd := rand.New(rand.NewPCG(25, uint64(round)))
			fast, most, best, seen := map[string]time.Duration{}, map[string]int{}, 0, 0
			for i, tap := range c.taps {
				sensor := fmt.Sprint("tap ", i+1)
				fast[sensor] = time.Duration(i) * 300 * time.Millisecond
				var rows []*smtp.Envelope
				for _, frames := range captures {
					rows = append(rows, atTap(sensor, tap(rnd, frames), fast[sensor])...)
				}
				load(t, db, sensor, fmt.Sprint("round ", round), rows)
				n, right := w.count(t, rows, fast)
				best, seen = max(best, right), seen+len(rows)
				for r := range n {
					most[r] = max(most[r], n[r])
				}
				t.Logf("%s: %d rows, %d right", sensor, len(rows), right)
			}
			once, copies := onceRows(t, conn, "select * from tap25.mail_once")
			n, right := w.count(t, once, fast)
			t.Logf("each mail once: %d rows, %d right; true are %d", len(once), right, w.n)
			for r := range most {
				if r != "" && n[r] < most[r] {
					t.Errorf("%d rows where a tap has %d: two mails are shown as one", n[r], most[r])
				}
			}
			if right < best || len(once) > w.n+c.surplus {
				t.Errorf("%d right, a tap alone %d; %d rows for %d", right, best, len(once), w.n)
			}
			if copies != seen {
				t.Errorf("%d copies, want %d", copies, seen)
			}
		})
	}
}

func migrated(t *testing.T) *store.DB {
	t.Helper()
	d, err := store.NewDatabase(store.Local)
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), d.DSN)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

func load(t *testing.T, db *store.DB, sensor, segment string, rows []*smtp.Envelope) {
	t.Helper()
	var tuples [][]byte
	for _, e := range rows {
		tuples = append(tuples, store.AppendRow(nil, e))
	}
	if _, err := db.Load(t.Context(), sensor, segment, tuples); err != nil {
		t.Fatal(err)
	}
}

// onceRows reads rows of mail_once, and how many rows of mail they stand for.
func onceRows(t *testing.T, conn *pgx.Conn, sql string) (out []*smtp.Envelope, copies int) {
	t.Helper()
	rows, err := conn.Query(t.Context(), `select seen_at, sensor, host(client_ip), client_port, host(server_ip), server_port,
		helo, mail_from, rcpt_to, mail_from_raw, rcpt_to_raw, coalesce(mail_code, 0), coalesce(rcpt_code, 0),
		coalesce(data_code, 0), outcome::text, message_bytes, declared_size, envid, orcpt, queue_id, auth,
		tls_server_name, flags, copies from (`+sql+`) m`)
	if err != nil {
		t.Fatal(err)
	}
	var client, server, outcome string
	var clientPort, serverPort uint16
	var flags []string
	var n int
	e := &smtp.Envelope{}
	_, err = pgx.ForEachRow(rows, []any{&e.SeenAt, &e.Sensor, &client, &clientPort, &server, &serverPort, &e.HELO,
		&e.MailFrom, &e.RcptTo, &e.MailFromRaw, &e.RcptToRaw, &e.MailCode, &e.RcptCode, &e.DataCode,
		&outcome, &e.MessageBytes, &e.DeclaredSize, &e.EnvID, &e.ORcpt, &e.QueueID, &e.Auth, &e.TLSServerName, &flags, &n},
		func() error {
			c := *e
			c.Client = netip.AddrPortFrom(netip.MustParseAddr(client), clientPort)
			c.Server = netip.AddrPortFrom(netip.MustParseAddr(server), serverPort)
			c.Outcome = smtp.Outcome(slices.Index(smtp.Outcomes(), outcome))
			for _, f := range flags {
				c.Flags |= 1 << slices.Index(smtp.FlagNames(), f)
			}
			out, copies = append(out, &c), copies+n
			return nil
		})
	if err != nil {
		t.Fatal(err)
	}
	return out, copies
}
