package smtp_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"tap25/reassembly/smtp"
)

// A script is one file of testdata/dialogues: what passed on the wire, and the rows that it must give. The notation is
// described in testdata/dialogues/README.md.
type script struct {
	midstream bool
	oneSided  string // the only direction ever seen, "client" or "server"; "" where both are
	events    []event
	closed    time.Time
	ended     bool // by FIN or RST
	rows      []map[string]any
}

type eventKind uint8

const (
	pushed eventKind = iota // bytes that the capture brought
	lost                    // bytes that it missed
	// bytes of a direction that is never seen: nothing tells the parser but the acknowledgments
	hidden
	conflict // overlapping segments with different bytes
)

// An event is one segment, in the order in which the capture brought them.
type event struct {
	kind  eventKind
	dir   smtp.Direction
	t     time.Time
	data  []byte
	acked int64  // octets of the other direction that the sender had received
	mark  string // where acked is to be taken from; "" is here
}

// epoch is the time of the first segment of a script; each further one comes a second later.
var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

const divider = "----------"

var (
	bytesLine = regexp.MustCompile(`^([CS])(?:\*(\d+))?([!~]?)(?:@(\w+))?(?::(?: (.*))?|= (".*"))$`)
	lossLine  = regexp.MustCompile(`^([CS])! (\d+)$`)
)

// scriptReader is the state of parseScript.
type scriptReader struct {
	*script
	sent  [2]int64 // octets of each direction above this line
	marks map[string][2]int64
	apart bool // the next line begins a segment of its own
}

func parseScript(text string) (*script, error) {
	dialogue, expected, found := strings.Cut(text, divider+"\n")
	if !found {
		return nil, fmt.Errorf("no line %s", divider)
	}
	r := scriptReader{script: new(script), marks: map[string][2]int64{}, apart: true}
	for i, line := range strings.Split(strings.TrimSuffix(dialogue, "\n"), "\n") {
		if err := r.line(line); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	if err := r.finish(); err != nil {
		return nil, err
	}
	return r.script, r.parseRows(expected)
}

func (r *scriptReader) line(line string) error {
	switch {
	case line == "":
		r.apart = true
	case strings.HasPrefix(line, "#"):
	case line == "midstream":
		r.midstream = true
	case strings.HasPrefix(line, "one-sided "):
		r.oneSided = strings.TrimPrefix(line, "one-sided ")
	case strings.HasPrefix(line, "mark "):
		r.marks[strings.TrimPrefix(line, "mark ")] = r.sent
		r.apart = true
	case line == "FIN" || line == "RST":
		r.ended = true
	case line == "TIMEOUT":
	case strings.HasPrefix(line, "CONFLICT "):
		r.add(event{kind: conflict, dir: direction(strings.TrimPrefix(line, "CONFLICT "))})
	case lossLine.MatchString(line):
		m := lossLine.FindStringSubmatch(line)
		n, _ := strconv.Atoi(m[2])
		r.add(event{kind: lost, dir: direction(m[1]), data: make([]byte, n)})
	case bytesLine.MatchString(line):
		return r.bytes(bytesLine.FindStringSubmatch(line))
	default:
		return fmt.Errorf("not understood")
	}
	return nil
}

func (r *scriptReader) bytes(m []string) error {
	data := []byte(m[5] + "\r\n")
	if m[6] != "" {
		s, err := strconv.Unquote(m[6])
		if err != nil {
			return err
		}
		data = []byte(s)
	}
	if m[2] != "" {
		n, _ := strconv.Atoi(m[2])
		data = bytes.Repeat(data, n)
	}
	kind := map[string]eventKind{"": pushed, "!": lost, "~": hidden}[m[3]]
	r.add(event{kind: kind, dir: direction(m[1]), data: data, mark: m[4]})
	return nil
}

// add appends e, or its bytes to the event before where both are of one segment.
func (r *scriptReader) add(e event) {
	other := 1 - e.dir
	e.acked = r.sent[other]
	if last := len(r.events) - 1; last >= 0 && !r.apart && e.kind != conflict &&
		r.events[last].kind == e.kind && r.events[last].dir == e.dir && r.events[last].mark == e.mark {
		r.events[last].data = append(r.events[last].data, e.data...)
	} else {
		e.t = epoch.Add(time.Duration(len(r.events)) * time.Second)
		r.events = append(r.events, e)
	}
	r.sent[e.dir] += int64(len(e.data))
	r.apart = false
}

func (r *scriptReader) finish() error {
	for i := range r.events {
		e := &r.events[i]
		if e.mark == "" {
			continue
		}
		mark, ok := r.marks[e.mark]
		if !ok {
			return fmt.Errorf("no mark %s", e.mark)
		}
		e.acked = mark[1-e.dir]
	}
	r.closed = epoch.Add(time.Duration(len(r.events)) * time.Second)
	return nil
}

func (r *scriptReader) parseRows(text string) error {
	known := rowMap(new(smtp.Envelope))
	for _, line := range strings.Split(text, "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		row := decodeRow([]byte(line))
		if row == nil || row["outcome"] == nil {
			return fmt.Errorf("not a row with an outcome: %s", line)
		}
		for key := range row {
			if _, ok := known[key]; !ok {
				return fmt.Errorf("a row has no %q", key)
			}
		}
		if _, ok := row["flags"]; !ok {
			row["flags"] = nil
		}
		r.rows = append(r.rows, row)
	}
	return nil
}

func direction(s string) smtp.Direction {
	if s == "S" {
		return smtp.FromServer
	}
	return smtp.FromClient
}

func decodeRow(line []byte) map[string]any {
	var row map[string]any
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	if d.Decode(&row) != nil {
		return nil
	}
	return row
}

// rowMap is the row as its JSON form shows it.
func rowMap(e *smtp.Envelope) map[string]any {
	line, err := e.MarshalJSON()
	if err != nil {
		panic(err)
	}
	return decodeRow(line)
}

var testSession = smtp.Session{
	ID: 25, Sensor: "tap",
	Client: netip.MustParseAddrPort("192.0.2.1:40000"),
	Server: netip.MustParseAddrPort("198.51.100.25:25"),
}

// run gives the events to a new parser in the order of the slice and returns the rows in the order of their emission.
func (s *script) run(events []event) []*smtp.Envelope {
	var rows []*smtp.Envelope
	session := testSession
	session.Midstream = s.midstream
	var work effort
	d := smtp.New(&smtp.Config{Emit: func(e *smtp.Envelope) { rows = append(rows, e) }, Stats: &work.stats}, session)
	if s.oneSided != "server" {
		d.Seen(smtp.FromClient)
	}
	if s.oneSided != "client" {
		d.Seen(smtp.FromServer)
	}
	for _, e := range events {
		work.give(len(e.data))
		switch e.kind {
		case pushed:
			d.Push(e.dir, e.t, bytes.Clone(e.data), e.acked)
		case lost:
			d.Lost(e.dir, e.t, int64(len(e.data)))
		case conflict:
			d.Conflict(e.dir)
		}
	}
	d.Close(s.closed, s.ended)
	if wrong := work.wrong(); wrong != "" {
		panic(wrong) // in every test alike: a property draws it smaller
	}
	for _, e := range rows {
		if wrong := wrongValues(e); wrong != "" {
			panic(wrong)
		}
	}
	if want := mailsOf(rows); work.stats.Mails != want {
		panic(fmt.Sprintf("mails by outcome: %v, want %v", work.stats.Mails, want))
	}
	return rows
}

// wrongValues says what in a row the database refuses, or "": its check row_values, and an integer for mail_no.
func wrongValues(e *smtp.Envelope) string {
	for column, n := range map[string]*int64{
		"message_bytes": e.MessageBytes, "declared_size": e.DeclaredSize, "lost_bytes": &e.LostBytes,
	} {
		if n != nil && *n < 0 {
			return fmt.Sprintf("%s is %d", column, *n)
		}
	}
	if e.MailNo < 0 || e.MailNo > math.MaxInt32 || e.Outcome > 5 || e.Flags > 127 {
		return fmt.Sprintf("mail_no %d, outcome %d, flags %d", e.MailNo, e.Outcome, e.Flags)
	}
	return ""
}

// mailsOf counts mail transactions by the best outcome of their rows.
func mailsOf(rows []*smtp.Envelope) (n [6]int64) {
	best := map[int]smtp.Outcome{}
	for _, o := range []smtp.Outcome{smtp.Aborted, smtp.Refused, smtp.Deferred, smtp.Unknown, smtp.Accepted} {
		for _, e := range rows {
			if e.Outcome == o {
				best[e.MailNo] = o
			}
		}
	}
	for _, o := range best {
		n[o]++
	}
	return n
}

// octets returns the events cut into pieces of one octet.
func (s *script) octets() []event {
	var events []event
	for _, e := range s.events {
		if len(e.data) == 0 {
			events = append(events, e)
		}
		for i := range e.data {
			piece := e
			piece.data = e.data[i : i+1]
			events = append(events, piece)
		}
	}
	return events
}

// cut returns the events with the i-th cut in two behind its n-th octet.
func (s *script) cut(i, n int) []event {
	head, tail := s.events[i], s.events[i]
	head.data, tail.data = head.data[:n], tail.data[n:]
	return slices.Concat(s.events[:i], []event{head, tail}, s.events[i+1:])
}

// compareRows returns what is wrong with got, or "".
func compareRows(got []*smtp.Envelope, want []map[string]any) string {
	var wrong strings.Builder
	if len(got) != len(want) {
		fmt.Fprintf(&wrong, "%d rows, want %d\n", len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		row := rowMap(got[i])
		for _, key := range slices.Sorted(mapKeys(want[i])) {
			if !matches(row[key], want[i][key], key) {
				fmt.Fprintf(&wrong, "row %d: %s is %v, want %v\n", i+1, key, show(row[key]), show(want[i][key]))
			}
		}
	}
	for _, e := range got {
		if wrong.Len() > 0 {
			line, _ := e.MarshalJSON()
			fmt.Fprintf(&wrong, "got %s\n", line)
		}
	}
	return wrong.String()
}

// matches compares one value; a list where the record has none is a choice.
func matches(got, want any, key string) bool {
	if choice, ok := want.([]any); ok && key != "flags" {
		return slices.ContainsFunc(choice, func(w any) bool { return matches(got, w, key) })
	}
	return show(got) == show(want)
}

func show(v any) string {
	line, _ := json.Marshal(v)
	return string(line)
}

func mapKeys(m map[string]any) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}
