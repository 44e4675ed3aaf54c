package smtp

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// The forms in which servers name the message that they took.
var queueExpressions = []*regexp.Regexp{
	regexp.MustCompile(`(?i)\bqueued as ([0-9A-Za-z._-]{1,64})`),                            // Postfix
	regexp.MustCompile(`^OK id=([0-9A-Za-z-]{10,40})\s*$`),                                  // Exim
	regexp.MustCompile(`\[InternalId=([0-9]{1,24})[,\]]`),                                   // Exchange
	regexp.MustCompile(`^(?:2\.0\.0:? )?([0-9A-Za-z]{8,32}) Message accepted for delivery`), // Sendmail, OpenSMTPD
	regexp.MustCompile(`(?i)^(?:2\.0\.0 )?Message Queued \(([0-9A-Za-z.-]{8,64})\)`),        // Haraka
}

// TestQueueID_IsThatOfTheExpressions draws replies around those of all servers that are known.
func TestQueueID_IsThatOfTheExpressions(t *testing.T) {
	r := rand.New(rand.NewPCG(25, 5321))
	heads := []string{"2.0.0 Ok: queued as ", "OK id=", "Ok: Queued as ", "[InternalId=", "<m@x> [InternalId=", "2.0.0 ", "2.0.0: ", "Message Queued (", "2.0.0 message queued (", ""}
	pieces := []string{"queued as ", "QUEUED AS ", "_queued as ", "4ABCDE1234", "1xW9xb-00000P-2C", "-", ".", "_", " ", "\t", "é", "queued as x", "accepted", "Queued", "[InternalId=", "25", "25]", "25, ", ",", "]", ")",
		" Message accepted for delivery", "0123456789012345678901234567890123456789", ""}
	met := map[int]int{}
	for range 200_000 {
		text := heads[r.IntN(len(heads))]
		for range r.IntN(5) {
			text += pieces[r.IntN(len(pieces))]
		}
		got, want, form := queueID(250, []byte(text)), "", -1
		for i, expression := range queueExpressions {
			if m := expression.FindStringSubmatch(text); m != nil && (strings.Contains(text, "ueued") || strings.Contains(text, "id=") || strings.Contains(text, "accepted")) {
				want, form = m[1], i
				break
			}
		}
		if met[form]++; got != want {
			t.Fatalf("%q: %q, want %q", text, got, want)
		}
	}
	for form := range queueExpressions {
		if met[form] < 100 {
			t.Errorf("form %d was drawn %d times only", form, met[form])
		}
	}
}

// A server may send nothing but lines that look like names of messages.
func BenchmarkQueueID(b *testing.B) {
	text := []byte(strings.Repeat("queued as ;", 90))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		queueID(250, text)
	}
}
