package reassembly

import (
	"strings"
	"testing"
)

func TestParseChecksumPolicy(t *testing.T) {
	for word, want := range map[string]ChecksumPolicy{"auto": Auto, "strict": Strict, "off": Off} {
		if p, err := ParseChecksumPolicy(word); p != want || err != nil {
			t.Errorf("%s: %v, %v", word, p, err)
		}
	}
	for _, word := range []string{"", "Auto", "on"} {
		if _, err := ParseChecksumPolicy(word); err == nil || !strings.Contains(err.Error(), "auto, strict or off") {
			t.Errorf("%q: %v", word, err)
		}
	}
}
