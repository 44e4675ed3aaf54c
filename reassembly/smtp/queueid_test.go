package smtp

import (
	"math/rand/v2"
	"testing"
)

// TestQueueID_PlainFormsAreThoseOfTheExpressions draws replies around those of Postfix and Exim.
func TestQueueID_PlainFormsAreThoseOfTheExpressions(t *testing.T) {
	r := rand.New(rand.NewPCG(25, 5321))
	pieces := []string{"2.0.0 Ok: queued as ", "OK id=", "Ok: Queued as ", "4ABCDE1234", "1xW9xb-00000P-2C", "-", ".", "_", " ", "\t", "é", "queued as x", "accepted",
		"0123456789012345678901234567890123456789", ""}
	met := 0
	for range 100_000 {
		text := pieces[r.IntN(3)]
		for range r.IntN(4) {
			text += pieces[r.IntN(len(pieces))]
		}
		id := plainQueueID([]byte(text))
		if len(id) == 0 {
			continue
		}
		met++
		if want := formQueueID([]byte(text)); string(id) != want {
			t.Fatalf("%q: %q, want %q", text, id, want)
		}
	}
	if met < 1000 {
		t.Errorf("only %d of the plain forms were drawn", met)
	}
}
