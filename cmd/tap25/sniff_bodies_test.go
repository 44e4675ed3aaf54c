package main

import (
	"fmt"
	"net"
	"net/textproto"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestSniff_BodiesStayInTheKernel sends long messages to a server that records what it accepts. After its start, tap25
// has no capability left: the test shows that marking connections needs none.
func TestSniff_BodiesStayInTheKernel(t *testing.T) {
	w := newWire(t)
	m := w.serve()
	s := w.sniff("--bodies", "kernel")
	const mails, lines = 6, 40000
	var want []int
	for i := range mails {
		text := strings.Repeat(strings.Repeat("A", 76)+"\r\n", lines+i)
		want = append(want, len(text))
		if err := w.sendBody("192.0.2.25:25", fmt.Sprintf("a%d@example.org", i), text); err != nil {
			t.Fatal(err)
		}
	}
	r := s.atRest(mails)
	rows := s.end(syscall.SIGTERM)
	if got := essentials(rows); !slices.Equal(got, slices.Sorted(slices.Values(m.taken))) {
		t.Errorf("rows %v, taken %v", got, m.taken)
	}
	for i, row := range rows {
		if row["message_bytes"] != float64(want[i]) || row["flags"] != nil || row["lost_bytes"] != float64(0) {
			t.Errorf("row %d: %v octets, want %d; flags %v", i, row["message_bytes"], want[i], row["flags"])
		}
	}
	if r.Bodies == nil || r.Bodies.Octets == 0 || r.Bodies.Marks != mails || r.Bodies.Octets > r.Payload["in order"] {
		t.Errorf("%+v of %v", r.Bodies, r.Payload)
	} else {
		t.Logf("%d of %d octets stayed", r.Bodies.Octets, r.Payload["in order"])
	}
}

// sendBody sends a mail with a message that ends with CRLF and has no lines that begin with a dot.
func (w *wire) sendBody(to, from, text string) error {
	var c net.Conn
	if err := w.in(w.client, func() (err error) { c, err = net.Dial("tcp", to); return err }); err != nil {
		return err
	}
	p := textproto.NewConn(c)
	defer p.Close()
	if _, _, err := p.ReadResponse(220); err != nil {
		return err
	}
	for _, step := range []struct {
		line string
		code int
	}{
		{"EHLO client.example", 250}, {"MAIL FROM:<" + from + ">", 250}, {"RCPT TO:<b@b.example>", 250}, {"DATA", 354},
		{text + ".", 250}, {"QUIT", 221},
	} {
		if err := p.PrintfLine("%s", step.line); err != nil {
			return err
		}
		if _, _, err := p.ReadResponse(step.code); err != nil {
			return err
		}
	}
	return nil
}
