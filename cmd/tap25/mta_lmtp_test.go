package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// TestLive_DovecotsRepliesByLMTPAreEachRecipientsOwn has Postfix deliver to Dovecot by LMTP (RFC 2033) on port 24: of
// one message Dovecot takes some recipients, refuses one at RCPT, and one whose mailbox is full by the reply of its own
// after the message. There is a row for each, with the reply that Postfix has logged for it.
func TestLive_DovecotsRepliesByLMTPAreEachRecipientsOwn(t *testing.T) {
	t.Parallel()
	w := newWire(t)
	log := w.mta(w.client, "postfix", "transport_maps = inline:{"+
		" { lmtp.example = lmtp:inet:[192.0.2.25]:24 } { quiet.example = discard: } }")
	w.mta(w.server, "dovecot")
	capture := filepath.Join(t.TempDir(), "lmtp.pcap")
	stop := w.dumpAt(w.tap, "tap0", capture, "tcp port 24")
	want := 0
	for i, users := range [][]string{
		{"a"}, {"a", "full", "b", "nobody", "c"}, {"full", "full+x"}, {"nobody"}, {"c", "b", "a"},
	} {
		m := liveMail{from: fmt.Sprintf("user%d@quiet.example", i), size: 400 << (4 * (i % 2))}
		for _, user := range users {
			m.to = append(m.to, user+"@lmtp.example")
		}
		want += len(users)
		w.say(w.talk(w.client, "", "127.0.0.1:2525"), m)
	}
	var logs *mtaLogs
	awaitFor(t, time.Minute, "the log", func() bool { logs = readLogs(t, log, ""); return len(logs.delivered) == want })
	stop()
	rows := replayRows(t, "--port", "24", capture)
	slices.Sort(logs.delivered)
	compareLogs(t, logs, logsOf(rows), "received", "rejected")
}
