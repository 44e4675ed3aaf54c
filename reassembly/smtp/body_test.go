package smtp

import "testing"

// TestBody_OctetByOctetIsAsLineByLine feeds every text of a small alphabet up to a length, in two pieces, and line by
// line to the model.
func TestBody_OctetByOctetIsAsLineByLine(t *testing.T) {
	const alphabet, longest = ".\r\na", 8
	text := make([]byte, 0, longest)
	var try func()
	try = func() {
		for cut := range len(text) + 1 {
			for _, behindHole := range []bool{false, true} {
				model, wantEnd := lineModel{midLine: behindHole}, -1
				for at := 0; at < len(text) && wantEnd < 0; {
					n, ended := model.line(text[at:])
					if at += n; ended {
						wantEnd = at
					}
				}
				got, gotEnd := body{gap: behindHole, midLine: behindHole}, -1
				n, ended := got.feed(text[:cut])
				if ended {
					gotEnd = n
				} else if n, ended = got.feed(text[cut:]); ended {
					gotEnd = cut + n
				}
				same := got.n == model.n && got.last == model.last && got.bareLF == model.bareLF &&
					got.midLine == model.midLine
				if gotEnd != wantEnd || wantEnd < 0 && !same || got.bytes != model.bytes ||
					got.smuggling != model.smuggling {
					t.Fatalf("%q cut at %d: ended at %d with %+v, want %d with %+v", text, cut, gotEnd, got, wantEnd,
						model)
				}
			}
		}
		if len(text) < longest {
			for i := range len(alphabet) {
				text = append(text, alphabet[i])
				try()
				text = text[:len(text)-1]
			}
		}
	}
	try()
}
