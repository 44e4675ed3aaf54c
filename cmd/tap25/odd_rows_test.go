package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// mailTo writes a session of one mail to these recipients.
func mailTo(f *traffic, host int, recipients ...string) {
	p := f.host(host, 40000)
	p.open()
	p.say(fromServer, "220 mx\r\n")
	p.say(fromClient, "EHLO c\r\n")
	p.say(fromServer, "250 mx\r\n")
	p.say(fromClient, "MAIL FROM:<a@a.example>\r\n")
	p.say(fromServer, "250 ok\r\n")
	for _, r := range recipients {
		line := "RCPT TO:<" + r + ">\r\n"
		for ; len(line) > 1400; line = line[1400:] {
			p.say(fromClient, line[:1400])
			p.send(fromServer, ackFlag, "")
		}
		p.say(fromClient, line)
		p.say(fromServer, "250 ok\r\n")
	}
	p.say(fromClient, "DATA\r\n")
	p.say(fromServer, "354 go\r\n")
	p.say(fromClient, "Subject: x\r\n.\r\n")
	p.say(fromServer, "250 ok\r\n")
	p.close()
}

// writeCapture writes a capture file and returns its name.
func writeCapture(t *testing.T, write func(*traffic)) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mail.pcap")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	f := newTraffic(t, file)
	write(f)
	if f.w.Flush(); f.err != nil {
		t.Fatal(f.err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// Whatever the clock of a capture says, its rows are in the view mail, each once, and make few partitions.
func TestReplay_WrongClocksKeepEveryRow(t *testing.T) {
	conn, _ := server(t)
	const mails = 20
	now := time.Now().UTC()
	for name, clock := range map[string]func(n int) time.Time{
		"1970": func(n int) time.Time { return time.Unix(int64(n), 0) },
		"2038": func(n int) time.Time {
			return time.Date(2038, 1, 19, 3, 14, 0, 0, time.UTC).Add(time.Duration(n) * time.Second)
		},
		"2106": func(n int) time.Time { return time.Unix(1<<32-1-mails+int64(n), 0) },
		// a day on, a day back
		"steps": func(n int) time.Time { return now.AddDate(0, 0, -2+n%2).Add(time.Duration(n) * time.Second) },
		"ahead": func(n int) time.Time { return now.AddDate(0, 0, n%2).Add(time.Duration(n) * time.Second) },
	} {
		path := writeCapture(t, func(f *traffic) {
			for n := range mails {
				f.at = clock(n)
				mailTo(f, n, fmt.Sprintf("%s%d@b.example", name, n))
			}
		})
		var diag bytes.Buffer
		if status := run(t.Context(), []string{"replay", "--sensor", "tap", path}, nil, &bytes.Buffer{},
			&diag); status != statusDone {
			t.Fatalf("%s: status %d: %s", name, status, diag.String())
		}
		checkSums(t, diag.String())
		var rows, recipients, misdated int
		err := conn.QueryRow(t.Context(), `select count(*), count(distinct rcpt_to), (select count(*) from misdated where rcpt_to like $1) from mail where rcpt_to like $1 and outcome = 'accepted'`, name+"%").
			Scan(&rows, &recipients, &misdated)
		if err != nil {
			t.Fatal(err)
		}
		if rows != mails || recipients != mails || misdated != 0 && misdated != mails ||
			(misdated == 0) != (name == "steps" || name == "ahead") {
			t.Errorf("%s: %d rows to %d recipients, %d misdated; want %d", name, rows, recipients, misdated, mails)
		}
	}
	var partitions int
	if err := conn.QueryRow(t.Context(), "select count(*) from pg_inherits where inhparent = 'envelopes'::regclass").
		Scan(&partitions); err != nil || partitions > 5 {
		t.Errorf("%d partitions, %v; want those of five days at most", partitions, err)
	}
}

// Addresses that a database, a terminal or a log might choke on come there octet by octet; their neighbours too; and no
// log has them.
func TestReplay_HostileAddressesAreKeptAndInNoLog(t *testing.T) {
	conn, _ := server(t)
	const canary = "zqcanary"
	hostile := []string{"nul\x00" + canary + "@b.example", "utf8\xff\xfe" + canary + "@b.example",
		canary + strings.Repeat("x", 64<<10-100) + "@b.example",
		"'; DROP TABLE envelopes; --" + canary + "@b.example", "esc\x1b[2J\x1b]0;x\x07" + canary + "@b.example",
		"cr\r" + canary + "@b.example", "rtl\u202e" + canary + "@b.example",
		"\\x00\\N\\." + canary + "@b.example", "$1%s{}" + canary + "@b.example"}
	path := writeCapture(t, func(f *traffic) {
		f.at = time.Now().Add(-time.Hour)
		for n, address := range hostile {
			mailTo(f, n, fmt.Sprintf("before%d@b.example", n), address, fmt.Sprintf("behind%d@b.example", n))
		}
	})
	var diag bytes.Buffer
	if status := run(t.Context(), []string{"replay", "--sensor", "tap", path}, nil, &bytes.Buffer{},
		&diag); status != statusDone {
		t.Fatalf("status %d: %s", status, diag.String())
	}
	if rows := checkSums(t, diag.String())["database"].total; rows != int64(3*len(hostile)) {
		t.Errorf("%d rows added, want %d", rows, 3*len(hostile))
	}
	for n, address := range hostile {
		var found int
		err := conn.QueryRow(t.Context(), `select count(*) from mail where coalesce(rcpt_to_raw, convert_to('<' || rcpt_to || '>', 'UTF8')) = $1 and outcome = 'accepted'`, []byte("<"+address+">")).Scan(&found)
		if err != nil || found != 1 {
			t.Errorf("address %d is there %d times, %v", n, found, err)
		}
	}
	var neighbours int
	if err := conn.QueryRow(t.Context(), "select count(*) from mail where rcpt_to ~ "+
		"'^(before|behind)[0-9]@b.example$' and outcome = 'accepted'").Scan(&neighbours); err != nil || neighbours != 2*len(hostile) {
		t.Errorf("%d neighbours, %v; want %d", neighbours, err, 2*len(hostile))
	}
	server, err := os.ReadFile(filepath.Join(os.Getenv("XDG_STATE_HOME"), "tap25", "postgresql.log"))
	if err != nil {
		t.Fatal(err)
	}
	for name, log := range map[string]string{"standard error": diag.String(), "the server's log": string(server)} {
		for _, s := range []string{canary, "DROP", "\x1b", "\u202e", "b.example"} {
			if strings.Contains(log, s) {
				t.Errorf("%s holds something of an address", name)
			}
		}
	}
}
