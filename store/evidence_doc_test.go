package store

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"tap25/reassembly/smtp"
)

// docs/evidence.md has the numbers that stand for words in a row, so that another program can make its leaf.
func TestEvidenceDoc_HasTheNumbersOfWords(t *testing.T) {
	text, err := os.ReadFile("../docs/evidence.md")
	if err != nil {
		t.Fatal(err)
	}
	var outcomes, flags, origins []string
	for i, name := range smtp.Outcomes() {
		outcomes = append(outcomes, fmt.Sprint(i, " ", name))
	}
	for i, name := range smtp.FlagNames() {
		flags = append(flags, fmt.Sprint(1<<i, " ", name))
	}
	for by := smtp.ByNobody + 1; by <= smtp.ByXFORWARD; by++ {
		origins = append(origins, fmt.Sprint(int(by), " ", by))
	}
	for _, words := range [][]string{outcomes, flags, origins} {
		if want := strings.Join(words, ", "); len(words) < 3 || !strings.Contains(string(text), want) {
			t.Errorf("the document does not have %q", want)
		}
	}
}
