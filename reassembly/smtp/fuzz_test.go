package smtp_test

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tap25/capture/capturetest"
	"tap25/reassembly/smtp"
)

// tight are limits that small inputs meet, and heldBound is what a dialogue may then hold: line, held bytes and hello a
// few kilobytes each, pending commands and replies 64 times their size.
var tight = smtp.Config{MaxLine: 512, MaxHeld: 1024, MaxPending: 64, MaxReplies: 64, MaxRcpt: 64}

const heldBound = 256 << 10

// FuzzRawBytes reads its input as operations on a dialogue: two octets each, and the octets that they give. Whatever
// comes, nothing panics, what is held stays bounded, the work follows from the input, the database takes the values of
// every row, and every address in it stood in the client's bytes in one piece.
func FuzzRawBytes(f *testing.F) {
	files, err := filepath.Glob("../../testdata/dialogues/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		s, err := parseScript(string(text))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(operations(s.events))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		checkRaw(t, input, false)
		checkRaw(t, input, true)
	})
}

// The first octet of an operation: bit 0 the direction, bit 1 lost, bit 2 acknowledges nothing, bit 3 all that will
// ever come, else what has come; bits 4 and up: 15 is the end by FIN or RST. The second: how many octets.
const (
	opServer = 1 << iota
	opLost
	opOld
	opAhead
	opEnd = 0xf0
)

// operations writes events as input of FuzzRawBytes.
func operations(events []event) []byte {
	var ops []byte
	for _, e := range events {
		op := byte(e.dir)
		if e.kind == lost {
			op |= opLost
		}
		for len(e.data) > 0 {
			n := min(len(e.data), 255)
			ops = append(append(ops, op, byte(n)), e.data[:n]...)
			e.data = e.data[n:]
		}
	}
	return append(ops, opEnd, 0)
}

// What a dialogue may allocate, for each event and each octet that it is given, and for itself.
const (
	memoryPerEvent  = 2 << 10
	memoryPerOctet  = 256 // a line of one octet is a command that waits
	memoryForItself = 64 << 10
)

// checkRaw reads them, midstream as of a connection whose SYN was not seen.
func checkRaw(t *testing.T, input []byte, midstream bool) {
	var rows []*smtp.Envelope
	var sent [2][]byte
	var work effort
	// an event has two octets of the input
	most := int64((memoryPerEvent/2+memoryPerOctet)*len(input) + memoryForItself)
	allocated := capturetest.Allocated(most, func() {
		work = effort{}
		rows, sent = runRaw(t, input, midstream, &work)
	})
	if allocated > most {
		t.Fatalf("%d octets allocated for %d events of %d octets, more than %d", allocated, work.events, work.octets,
			most)
	}
	if wrong := work.wrong(); wrong != "" {
		t.Fatal(wrong)
	}
	for _, e := range rows {
		if wrong := wrongValues(e); wrong != "" {
			t.Fatal(wrong)
		}
		client := sent[smtp.FromClient]
		if e.Client == testSession.Server { // after TURN
			client = sent[smtp.FromServer]
		}
		checkLiteral(t, client, e.MailFrom, e.MailFromRaw)
		checkLiteral(t, client, e.RcptTo, e.RcptToRaw)
	}
}

// runRaw gives the rows, and what each side sent, with a mark where octets were lost.
func runRaw(t *testing.T, input []byte, midstream bool, work *effort) (rows []*smtp.Envelope, sent [2][]byte) {
	cfg := tight
	cfg.Stats = &work.stats
	cfg.Emit = func(e *smtp.Envelope) { rows = append(rows, e) }
	session := testSession
	session.Midstream = midstream
	d := smtp.New(&cfg, session)
	var octets [2]int64
	ended := false
	for len(input) >= 2 && !ended {
		op, n := input[0], min(int(input[1]), len(input)-2)
		data := input[2 : 2+n]
		input = input[2+n:]
		dir := smtp.Direction(op & opServer)
		ended = op&opEnd == opEnd
		acked := octets[1-dir]
		switch {
		case op&opOld != 0:
			acked = 0
		case op&opAhead != 0:
			acked = 1 << 30
		}
		octets[dir] += int64(n)
		work.give(n)
		if op&opLost != 0 && n > 0 {
			d.Lost(dir, epoch, int64(n))
			data = []byte("\x00lost\x00")
		} else {
			d.Push(dir, epoch, bytes.Clone(data), acked)
		}
		sent[dir] = append(sent[dir], data...)
		if held := d.Held(); held > heldBound {
			t.Fatalf("%d bytes held", held)
		}
	}
	d.Close(epoch.Add(time.Second), ended)
	return rows, sent
}

func checkLiteral(t *testing.T, client []byte, address *string, raw []byte) {
	switch {
	case address == nil:
	case raw != nil && !bytes.Contains(client, raw):
		t.Fatalf("the client did not send %q", raw)
	case raw == nil && !bytes.Contains(client, []byte(*address)):
		t.Fatalf("the client did not send %q", *address)
	}
}

// No octet of a message, a credential, an unknown command, a parameter or a reply's text is in any row.
func TestDialogue_KeepsNoByteThatIsNotEnvelope(t *testing.T) {
	canary := "c4n4ry7"
	secret := base64.StdEncoding.EncodeToString([]byte("\x00user\x00" + canary))
	script, err := parseScript(`S: 220-c4n4ry7
S: 220 mx.example c4n4ry7
C: EHLO client.example
S: 250-mx.example c4n4ry7
S: 250 X-c4n4ry7
C: HELP c4n4ry7
S: 214 c4n4ry7
C: AUTH LOGIN
S: 334 ` + secret + `
C: ` + secret + `
S: 334 ` + secret + `
C: c4n4ry7
S: 535 c4n4ry7
C: AUTH PLAIN ` + secret + `
S: 235 c4n4ry7
C: X-c4n4ry7 c4n4ry7
S: 500 c4n4ry7
C: MAIL FROM:<a@a.example> AUTH=c4n4ry7 X-FOO=c4n4ry7 BODY=c4n4ry7
S: 250 c4n4ry7
C: RCPT TO:<b@b.example> X-FOO=c4n4ry7 NOTIFY=c4n4ry7
S: 250 c4n4ry7
C: RCPT TO:<c@b.example>
S: 550 c4n4ry7
C: DATA
S: 354 c4n4ry7
C: Subject: c4n4ry7
C: From: <c4n4ry7@a.example>
C:
C: MAIL FROM:<c4n4ry7@a.example>
C: ` + secret + `
C: .
S: 250 Ok c4n4ry7
C: MAIL FROM:<a@a.example>
C: RCPT TO:<b@b.example>
C: BDAT 7 LAST
C= "c4n4ry7"
S: 250 c4n4ry7
S: 250 c4n4ry7
S: 554 c4n4ry7
C: MAIL FROM:<a@a.example>
C: RCPT TO:<b@b.example>
C: DATA
C: c4n4ry7
C: .
S: 250 ok
S: 250 ok
S: 451 c4n4ry7
S: 500 c4n4ry7
S: 500 c4n4ry7
C: QUIT
S: 221 c4n4ry7
FIN
----------
{"rcpt_to":"c@b.example","rcpt_code":550,"outcome":"refused"}
{"rcpt_to":"b@b.example","auth":true,"outcome":"accepted"}
{"rcpt_to":"b@b.example","outcome":"refused"}
{"rcpt_to":"b@b.example","data_code":451,"outcome":"deferred"}
`)
	if err != nil {
		t.Fatal(err)
	}
	for _, events := range [][]event{script.events, script.octets()} {
		rows := script.run(events)
		if wrong := compareRows(rows, script.rows); wrong != "" {
			t.Error(wrong)
		}
		checkNoCanary(t, rows, canary, secret)
	}
	// Where replies are missing the reading is by presumption, and must keep no more.
	for lostReply := range script.events {
		events := bytesCloned(script.events)
		if events[lostReply].dir == smtp.FromServer {
			events[lostReply].kind = lost
			checkNoCanary(t, script.run(events), canary, secret)
		}
	}
	script.oneSided = "client"
	var client []event
	for _, e := range script.events {
		if e.dir == smtp.FromClient {
			client = append(client, e)
		}
	}
	checkNoCanary(t, script.run(client), canary, secret)
}

func bytesCloned(events []event) []event { return append([]event(nil), events...) }

func checkNoCanary(t *testing.T, rows []*smtp.Envelope, canaries ...string) {
	t.Helper()
	for _, e := range rows {
		line, err := e.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		for _, canary := range canaries {
			if bytes.Contains(line, []byte(canary)) {
				t.Errorf("in a row: %s", line)
			}
		}
	}
}
