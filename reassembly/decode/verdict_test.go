package decode

import (
	"strings"
	"testing"
)

// The names of the verdicts say which are of damage.
func TestVerdict_DamagedIsWhatIsCutOrMalformed(t *testing.T) {
	for i := range (FrameCounts{}) {
		v := Verdict(i)
		if want := strings.HasPrefix(v.String(), "truncated_") ||
			strings.HasPrefix(v.String(), "bad_"); v.Damaged() != want {
			t.Errorf("%s: %v", v, v.Damaged())
		}
	}
	if verdictCount.Damaged() {
		t.Error("what is no verdict is damage")
	}
}
