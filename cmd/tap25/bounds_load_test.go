package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"tap25/reassembly/hostile"
)

// TestBounds_SlowSessions holds as many sessions open as the product must bear, each sending an octet in ten seconds:
// none is given up, and at the end of the capture each says what was known of it.
func TestBounds_SlowSessions(t *testing.T) {
	sessions := boundsSize(100_000, 5000)
	m := measure(t, func(f *traffic) {
		type turn struct {
			from int
			text string
		}
		peers, script := make([]*peer, sessions), make([][]turn, sessions)
		for n := range peers {
			peers[n] = f.host(n, 40000)
			peers[n].open()
			script[n] = []turn{{fromServer, "220 m\r\n"}, {fromClient, "EHLO x\r\n"}, {fromServer, "250 m\r\n"},
				{fromClient, fmt.Sprintf("MAIL FROM:<from%d@a.example>\r\n", n)}, {fromServer, "250 k\r\n"},
				{fromClient, fmt.Sprintf("RCPT TO:<to%d@b.example>\r\n", n)}, {fromServer, "250 k\r\n"}}
		}
		for range 100 {
			begin := f.at
			for n, p := range peers {
				if s := script[n]; len(s) > 0 {
					p.say(s[0].from, s[0].text[:1])
					if s[0].text = s[0].text[1:]; s[0].text == "" {
						script[n] = s[1:]
					}
				}
			}
			f.at = begin.Add(10 * time.Second)
		}
	})
	rows := jsonLines(t, m.rows)
	seen := map[string]bool{}
	for _, row := range rows {
		seen[fmt.Sprintln(row["mail_from"], row["rcpt_to"], row["mail_code"], row["rcpt_code"], row["outcome"],
			row["flags"])] = true
	}
	for n := range sessions {
		if key := fmt.Sprintf("from%d@a.example to%d@b.example 250 250 unknown <nil>\n", n, n); !seen[key] {
			t.Fatalf("no row of session %d among %d", n, len(rows))
		}
	}
	if s := m.sums["sessions"]; len(rows) != sessions || s.total != int64(sessions) ||
		s.parts["open at the end"] != int64(sessions) || s.parts["evicted"] != 0 {
		t.Errorf("%d rows, sessions %v", len(rows), s)
	}
	m.below(t, 64+sessions*9/2048) // 4.5 KiB each
}

// TestBounds_FragmentsNeverCompleted sends a mail among fragments of as many datagrams as there are fragments.
func TestBounds_FragmentsNeverCompleted(t *testing.T) {
	fragments := boundsSize(10_000_000, 300_000)
	m := measure(t, func(f *traffic) {
		mail := f.host(0, 40000).mail(0)
		body := make([]byte, 64)
		binary.BigEndian.PutUint16(body[2:], 25)
		body[12] = 5 << 4
		src := netip.MustParseAddr("203.0.113.1").As4()
		p := hostile.IPv4(netip.AddrFrom4(src), mx.Addr(), 6, 0, 0x2000, body)
		for i := range fragments {
			binary.BigEndian.PutUint16(p[4:], uint16(i))
			binary.BigEndian.PutUint16(p[6:], 0x2000|uint16(i%3*8)) // the first, or one behind it; never the last
			binary.BigEndian.PutUint16(p[13:], uint16(i>>16))
			binary.BigEndian.PutUint16(p[10:], 0)
			binary.BigEndian.PutUint16(p[10:], hostile.Checksum(0, p[:20]))
			f.packet(p)
			if step := fragments / len(mail); i%step == 0 && i/step < len(mail) {
				mail[i/step]()
			}
		}
	})
	checkMails(t, m.rows, 1, 0)
	if c := m.sums["fragments"]; c.total != int64(fragments) || c.parts["evicted"] < int64(fragments)*9/10 {
		t.Errorf("fragments %v", c)
	}
	m.below(t, 64)
}

// TestBounds_HolesThatNothingFills has many connections hold a MiB behind a hole each: what all hold together is
// bounded, the oldest holes are given up, and no connection ends for it, those without a hole least of all.
func TestBounds_HolesThatNothingFills(t *testing.T) {
	conns := boundsSize(3000, 300)
	chunk := strings.Repeat("An ordinary line of a message, some sixty octets of it at all.\r\n", 1000) // 64,000 octets
	m := measure(t, func(f *traffic) {
		innocent := f.host(0, 40000).mail(0)
		steps(innocent[:8])
		for n := 1; n <= conns; n++ {
			p := f.host(n, 40000)
			steps(p.mail(n)[:10])
			p.next[fromClient] += 10 // the hole
			for range 16 {
				p.say(fromClient, chunk)
			}
		}
		steps(innocent[8:])
	}, "--checksum", "off")
	rows := jsonLines(t, m.rows)
	seen := map[string]bool{}
	for _, row := range rows {
		seen[fmt.Sprintln(row["mail_from"], row["rcpt_to"], row["outcome"], row["flags"], row["message_bytes"])] = true
	}
	for n := 1; n <= conns; n++ {
		if !seen[fmt.Sprintf("from%d@a.example to%d@b.example unknown [gap] <nil>\n", n, n)] {
			t.Fatalf("no row of connection %d among %d", n, len(rows))
		}
	}
	if !seen["from0@a.example to0@b.example accepted <nil> 4\n"] || len(rows) != conns+1 {
		t.Errorf("%d rows, none of the mail without a hole among them", len(rows))
	}
	if m.sums["sessions"].parts["evicted"] != 0 ||
		m.sums["anomalies"].parts["holes given up for memory"] < int64(conns)-256 ||
		m.sums["lost"].total != int64(10*conns) {
		t.Errorf("sessions %v, anomalies %v, lost %v", m.sums["sessions"], m.sums["anomalies"], m.sums["lost"])
	}
	m.below(t, 448)
}
