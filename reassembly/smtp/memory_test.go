package smtp

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestMemory_KeepsNothingOfASession has a session with all that takes memory end: what is left of it for others has no
// texts, and little else.
func TestMemory_KeepsNothingOfASession(t *testing.T) {
	var m Memory
	rows := 0
	m.Reuse(nil)
	d := New(&Config{Memory: &m, Emit: func(*Envelope) { rows++ }}, Session{})
	long := strings.Repeat("a", 1000)
	var text [2]strings.Builder
	text[FromServer].WriteString("220 mx.example\r\n")
	text[FromClient].WriteString("EHLO " + long + "\r\nMAIL FROM:<" + long + "@example.org>\r\n")
	for range 500 {
		text[FromClient].WriteString("RCPT TO:<b@example.net>\r\n")
	}
	text[FromClient].WriteString(long)
	text[FromServer].WriteString(strings.Repeat("250 OK\r\n", 502) + long)
	for dir := range text {
		d.Push(Direction(1-dir), time.Unix(1, 0), []byte(text[1-dir].String()), 0)
	}
	d.EmitTo(func(*Envelope) { rows++ })
	d.Close(time.Unix(2, 0), true)
	d.Release()
	m.Reuse(m.Reuse(nil))
	if len(m.dialogues) != 1 || len(m.unused) < rows || rows == 0 {
		t.Fatalf("%d dialogues, %d rows of %d: nothing to see", len(m.dialogues), len(m.unused), rows)
	}
	for _, r := range m.unused {
		if !reflect.ValueOf(*r).IsZero() {
			t.Fatal("a row still has what it was filled with")
		}
	}
	if d.cfg != nil || d.turned != nil || d.mail.helo != nil || d.mail.tx != nil {
		t.Error("the dialogue still points to its session")
	}
	if len(d.texts.texts)+len(d.texts.paths) > 0 {
		t.Error("it keeps texts that were made with long ones")
	}
	if n := cap(d.client.line.buf) + cap(d.server.line.buf); n > 2*keptLine {
		t.Errorf("lines keep %d octets", n)
	}
	if n := d.match.pending.size() + d.match.replies.size() + d.backlog.pieces.size() + d.mail.own.rcpts.size(); n > 0 {
		t.Errorf("queues keep %d octets", n)
	}
}
