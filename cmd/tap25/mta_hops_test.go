package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// relayed is the line of a Postfix that has sent a message on: its own name of it, the recipient, the next one's name.
var relayed = regexp.MustCompile(`/smtp\[\d+\]: (\w+): to=<(.*?)>, .* status=sent \(.* queued as (\w+)\)`)

// TestLive_HopsAreThoseOfTheRelaysLog has a Postfix relay mails to another, captured at both of its sides, and follows each
// by mail_hops(): the relay's log has which message became which. Of two mails that are alike it says so.
func TestLive_HopsAreThoseOfTheRelaysLog(t *testing.T) {
	conn, _ := server(t)
	w := newWire(t)
	w.mta(w.server, "postfix")
	log := w.mta(w.client, "postfix", "myhostname = relay.postfix.example", "mynetworks = 192.0.2.0/24",
		"transport_maps = inline:{ { v4.postfix.example = smtp:[192.0.2.25] } { quiet.example = discard: } }")
	capture := filepath.Join(t.TempDir(), "relayed.pcap")
	stop := w.dump(capture)
	mails, alike := originMails("one"), originMails("alike")[:1]
	mails = append(append(append(mails, originMails("two")...), alike...), alike...)
	w.say(w.talk(w.server, "", "192.0.2.1:25"), mails...)
	next := map[string]string{}
	awaitFor(t, time.Minute, "the log", func() bool {
		text, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range relayed.FindAllStringSubmatch(string(text), -1) {
			if strings.HasSuffix(m[2], "@v4.postfix.example") {
				next[m[1]+" "+m[2]] = m[3]
			}
		}
		return len(next) == 2*4+2 // of each of originMails a, b, c and d; and the two that are alike
	})
	stop()
	if status := run(t.Context(), []string{"replay", capture}, nil, io.Discard, io.Discard); status != statusDone {
		t.Fatalf("status %d", status)
	}
	followed := 0
	for message, want := range next {
		id, recipient, _ := strings.Cut(message, " ")
		var linked []string
		var others int
		var got string
		err := conn.QueryRow(t.Context(), `select h.linked_by, h.others, h.queue_id from mail_to($2) m,
			mail_hops(m.session_id, m.mail_no, m.rcpt_to) h where m.queue_id = $1 and h.hop = 1`, id, recipient).
			Scan(&linked, &others, &got)
		if err != nil {
			t.Fatal(err)
		}
		// Of the two that are alike, one may be through before the other comes: then there is no other that it could be.
		if !strings.Contains(recipient, "alike") && others > 0 || others == 0 && got != want {
			t.Errorf("the next name is %s, want %s, or one of %d", got, want, others+1)
		}
		if fmt.Sprint(linked) != "[recipient sender size address time]" {
			t.Errorf("linked by %q", linked)
		}
		followed++
	}
	t.Logf("%d mails were followed", followed)
}
