package smtp

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// events are the events of certainty, as the table in doc.go names them.
var events = map[string]func(*certainty){
	"midstream":     func(s *certainty) { s.midstream() },
	"lostReplies":   func(s *certainty) { s.lostReplies(tableOffset-10, tableOffset) },
	"missedReplies": func(s *certainty) { s.missedReplies(tableOffset) },
	"overflowed":    func(s *certainty) { s.overflowed(tableOffset) },
	"matchAfresh":   func(s *certainty) { s.matchAfresh(tableOffset) },
	"lostCommands":  func(s *certainty) { s.lostCommands(tableOffset) },
	"lostBody":      func(s *certainty) { s.lostBody(tableOffset) },
	"lostEndOfData": func(s *certainty) { s.lostEndOfData() },
	"couldNotTell":  func(s *certainty) { s.couldNotTell() },
	"unsettle":      func(s *certainty) { s.unsettle() },
	"sawMail":       func(s *certainty) { s.sawMail() },
	"align":         func(s *certainty) { s.align() },
	"inStep":        func(s *certainty) { s.inStep(true) },
	"settled":       func(s *certainty) { s.settled(tableOffset) },
	"beforeHole":    func(s *certainty) { s.beforeHole() },
	"afterHole":     func(s *certainty) { s.afterHole() },
	"began":         func(s *certainty) { s.began() },
	"crossed":       func(s *certainty) { s.crossed(tableOffset) },
	"ended":         func(s *certainty) { s.ended() },
}

// tableOffset is an offset behind those that the test begins with.
const tableOffset = 20

// TestCertainty_ChangesAsTheTableSays runs each event on a certainty of which nothing is set, and on one of which
// everything is. Where the table has a note instead of a sign, the field may change either way.
func TestCertainty_ChangesAsTheTableSays(t *testing.T) {
	fields, rows := eventTable(t)
	for event, run := range events {
		signs, ok := rows[event]
		if !ok {
			t.Errorf("the table has no %s", event)
		}
		full := certainty{
			uncertain: true, unsettled: true, ambiguous: true, clientGap: true, serverGap: true,
			mailMissed: true, replyMissed: true, anyReplyMissed: true, serverHoleEnd: 10,
		}
		for _, before := range []certainty{{}, full} {
			after := before
			run(&after)
			for _, field := range fields {
				was, is := fieldOf(&before, field), fieldOf(&after, field)
				sign := signs[field]
				if sign == "" && !was.Equal(is) || sign == "+" && !is.Bool() || sign == "-" && !is.IsZero() ||
					sign == "=" && is.Int() != tableOffset {
					t.Errorf("%s: %s was %v and is %v, the table says %q", event, field, was, is, sign)
				}
			}
		}
	}
	if len(rows) != len(events) {
		t.Errorf("%d events in the table, %d known here", len(rows), len(events))
	}
}

func fieldOf(s *certainty, name string) reflect.Value { return reflect.ValueOf(*s).FieldByName(name) }

// eventTable reads the table in doc.go: what each event does to each field.
func eventTable(t *testing.T) (fields []string, rows map[string]map[string]string) {
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "//\tevent ")
	head, table, ok := strings.Cut(table, "\n")
	if !ok {
		t.Fatal("no table in doc.go")
	}
	head = "//\tevent " + head
	fields, rows = strings.Fields(head)[2:], map[string]map[string]string{}
	for line := range strings.Lines(table) {
		if !strings.HasPrefix(line, "//\t") {
			break
		}
		words := strings.Fields(line)
		signs := map[string]string{}
		for _, field := range fields {
			from := strings.Index(head, " "+field)
			to := from + len(field) + 1
			signs[field] = strings.TrimSpace(line[min(from, len(line)):min(to, len(line))])
		}
		rows[words[1]] = signs
	}
	if !slices.Contains(fields, "serverHoleEnd") {
		t.Fatalf("fields %v", fields)
	}
	return fields, rows
}
