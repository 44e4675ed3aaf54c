package smtp

import (
	"strings"
	"testing"
	"time"
)

// TestBodyAhead_IsAtMostWhatFollows feeds a dialogue octet by octet. The numbers are counted in the texts.
func TestBodyAhead_IsAtMostWhatFollows(t *testing.T) {
	d := New(&Config{}, Session{})
	var sent [2]int64
	for _, x := range []struct {
		dir   Direction
		text  string
		when  string // "": not looked at
		left  int64
		exact bool
	}{
		{dir: FromServer, text: "220 mx\r\n"},
		{dir: FromClient, text: "EHLO c\r\n"},
		{dir: FromServer, text: "250-mx\r\n250 CHUNKING\r\n", when: "among commands"},

		{dir: FromClient, text: "MAIL FROM:<a@b> SIZE=100\r\nRCPT TO:<c@d>\r\n"},
		{dir: FromServer, text: "250 OK\r\n250 OK\r\n"},
		{dir: FromClient, text: "DATA\r\n", when: "before 354"},
		{dir: FromServer, text: "354 go on\r\n", when: "what was declared", left: 100},
		{dir: FromClient, text: "0123456789", when: "what was declared less what came", left: 90},
		{dir: FromClient, text: strings.Repeat("0123456789", 10), when: "as much again as came", left: 110},
		{dir: FromClient, text: "\r\n.\r\n", when: "after the end of data"},
		{dir: FromServer, text: "250 OK\r\n"},

		{dir: FromClient, text: "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n"},
		{dir: FromServer, text: "250 OK\r\n250 OK\r\n"},
		{dir: FromClient, text: "BDAT 30\r\n01234", when: "in a chunk", left: 25, exact: true},
		{dir: FromClient, text: "0123456789012345678901234", when: "after the chunk"},
		{dir: FromServer, text: "250 OK\r\n"},
		{dir: FromClient, text: "BDAT 10 LAST\r\n0"},
		{dir: FromServer, text: "554 no\r\n", when: "in a chunk that was refused"},
	} {
		for i := range x.text {
			d.Push(x.dir, time.Unix(0, 0), []byte(x.text[i:i+1]), sent[1-x.dir])
			sent[x.dir]++
		}
		if left, exact := d.BodyAhead(); x.when != "" && (left != x.left || exact != x.exact) {
			t.Errorf("%s: %d, %v; want %d, %v", x.when, left, exact, x.left, x.exact)
		}
	}
}

// TestBodyAhead_NotInAMessageThatMayBeOver has octets of a message lost, which may hide its end, or the server refuse it.
func TestBodyAhead_NotInAMessageThatMayBeOver(t *testing.T) {
	for name, then := range map[string]func(*Dialogue){
		"hole":    func(d *Dialogue) { d.Lost(FromClient, time.Unix(0, 0), 50) },
		"refusal": func(d *Dialogue) { d.Push(FromServer, time.Unix(0, 0), []byte("554 no\r\n"), 70) },
	} {
		d := New(&Config{}, Session{})
		var sent [2]int64
		for _, x := range []struct {
			dir  Direction
			text string
		}{
			{FromServer, "220 mx\r\n"}, {FromClient, "HELO c\r\n"}, {FromServer, "250 mx\r\n"},
			{FromClient, "MAIL FROM:<a@b>\r\n"}, {FromServer, "250 OK\r\n"},
			{FromClient, "RCPT TO:<c@d>\r\n"}, {FromServer, "250 OK\r\n"},
			{FromClient, "DATA\r\n"}, {FromServer, "354 go on\r\n"},
			{FromClient, "a message of some length\r\n"},
		} {
			d.Push(x.dir, time.Unix(0, 0), []byte(x.text), sent[1-x.dir])
			sent[x.dir] += int64(len(x.text))
		}
		if left, _ := d.BodyAhead(); left == 0 {
			t.Errorf("before the %s: not in a message", name)
		}
		then(d)
		if left, _ := d.BodyAhead(); left != 0 {
			t.Errorf("after the %s: still in a message", name)
		}
	}
}
