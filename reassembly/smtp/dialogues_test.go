package smtp_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tap25/reassembly/smtp"
)

// maxCuts bounds the points at which one dialogue is cut in two: dialogues up to this many octets are cut at every one,
// longer ones at evenly spread ones.
const maxCuts = 4000

// Every dialogue gives the rows that stand below it, whole, cut in two at every octet, and octet by octet; and, where
// the file does not fix the order itself, also when the capture brings replies late or early.
func TestDialogues(t *testing.T) {
	files, err := filepath.Glob("../../testdata/dialogues/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no dialogues found (%v)", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s, err := parseScript(string(text))
			if err != nil {
				t.Fatal(err)
			}
			checkScript(t, s)
		})
	}
}

func checkScript(t *testing.T, s *script) {
	if wrong := compareRows(s.run(s.events), s.rows); wrong != "" {
		t.Fatalf("whole:\n%s", wrong)
	}
	if wrong := compareRows(s.run(s.octets()), s.rows); wrong != "" {
		t.Errorf("octet by octet:\n%s", wrong)
	}
	checkCuts(t, s)
	if !s.reorderable() {
		return
	}
	for name, events := range s.orders() {
		if wrong := compareRows(s.run(events), s.rows); wrong != "" {
			t.Errorf("%s:\n%s", name, wrong)
		}
	}
}

func checkCuts(t *testing.T, s *script) {
	total := 0
	for _, e := range s.events {
		total += len(e.data)
	}
	step := 1 + total/maxCuts
	for i, e := range s.events {
		for n := 1; n < len(e.data); n += step {
			if wrong := compareRows(s.run(s.cut(i, n)), s.rows); wrong != "" {
				t.Fatalf("segment %d cut behind octet %d:\n%s", i+1, n, wrong)
			}
		}
	}
}

// reorderable: what was lost is known only in the order of the capture, and marks fix an order that is meant.
func (s *script) reorderable() bool {
	return s.oneSided == "" && !slices.ContainsFunc(s.events, func(e event) bool {
		return e.kind != pushed || e.mark != ""
	})
}

// orders returns the events as a capture may bring them whose two directions run through different queues.
func (s *script) orders() map[string][]event {
	client := slices.DeleteFunc(slices.Clone(s.events), func(e event) bool { return e.dir != smtp.FromClient })
	server := slices.DeleteFunc(slices.Clone(s.events), func(e event) bool { return e.dir != smtp.FromServer })
	return map[string][]event{
		"replies late":                   swapped(s.events, smtp.FromServer),
		"replies early":                  swapped(s.events, smtp.FromClient),
		"all commands, then all replies": slices.Concat(client, server),
		"all replies, then all commands": slices.Concat(server, client),
	}
}

// swapped moves every segment of direction dir behind the one that follows it.
func swapped(events []event, dir smtp.Direction) []event {
	events = slices.Clone(events)
	for i := 0; i+1 < len(events); i++ {
		if events[i].dir == dir && events[i+1].dir != dir {
			events[i], events[i+1] = events[i+1], events[i]
			i++
		}
	}
	return events
}
