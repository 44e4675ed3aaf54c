package smtp

import (
	"testing"
	"time"
)

// TestBodyAhead_IsAtMostWhatFollows feeds a dialogue octet by octet. The numbers are counted in the text.
func TestBodyAhead_IsAtMostWhatFollows(t *testing.T) {
	d := New(&Config{}, Session{})
	var sent [2]int64
	say := func(dir Direction, text string) {
		for i := range text {
			d.Push(dir, time.Unix(0, 0), []byte(text[i:i+1]), sent[1-dir])
			sent[dir]++
		}
	}
	want := func(when string, left int64, exact bool) {
		t.Helper()
		if l, e := d.BodyAhead(); l != left || e != exact {
			t.Errorf("%s: %d, %v; want %d, %v", when, l, e, left, exact)
		}
	}
	say(FromServer, "220 mx\r\n")
	say(FromClient, "EHLO c\r\n")
	say(FromServer, "250-mx\r\n250 CHUNKING\r\n")
	want("among commands", 0, false)
	say(FromClient, "MAIL FROM:<a@b> SIZE=100\r\nRCPT TO:<c@d>\r\n")
	say(FromServer, "250 OK\r\n250 OK\r\n")
	say(FromClient, "DATA\r\n")
	want("before 354", 0, false)
	say(FromServer, "354 go on\r\n")
	want("as much as was declared", 100, false)
	say(FromClient, "0123456789")
	want("less what came", 90, false)
	for range 10 {
		say(FromClient, "0123456789")
	}
	want("as much again as came", 110, false)
	say(FromClient, "\r\n.\r\n")
	want("after the end of data", 0, false)
	say(FromServer, "250 OK\r\n")
	say(FromClient, "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n")
	say(FromServer, "250 OK\r\n250 OK\r\n")
	say(FromClient, "BDAT 30\r\n01234")
	want("in a chunk", 25, true)
	say(FromClient, "0123456789012345678901234")
	want("after the chunk", 0, false)
	say(FromServer, "250 OK\r\n")
	say(FromClient, "BDAT 10 LAST\r\n0")
	say(FromServer, "554 no\r\n")
	want("in a chunk that was refused", 0, false)
}

// TestBodyAhead_NotInAMessageThatMayBeOver has a hole hide its end, and the server refuse it.
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
		}{{FromServer, "220 mx\r\n"}, {FromClient, "HELO c\r\n"}, {FromServer, "250 mx\r\n"},
			{FromClient, "MAIL FROM:<a@b>\r\n"}, {FromServer, "250 OK\r\n"}, {FromClient, "RCPT TO:<c@d>\r\n"},
			{FromServer, "250 OK\r\n"}, {FromClient, "DATA\r\n"}, {FromServer, "354 go on\r\n"},
			{FromClient, "a message of some length\r\n"}} {
			d.Push(x.dir, time.Unix(0, 0), []byte(x.text), sent[1-x.dir])
			sent[x.dir] += int64(len(x.text))
		}
		if left, _ := d.BodyAhead(); left == 0 {
			t.Error("not in a message")
		}
		if then(d); true {
			if left, _ := d.BodyAhead(); left != 0 {
				t.Errorf("%s: still in a message", name)
			}
		}
	}
}
