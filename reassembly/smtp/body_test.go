package smtp

import "testing"

// TestBody_ManyLinesAtOnceAreAsOctetByOctet feeds every text of a small alphabet up to a length in two pieces, and octet by
// octet to the part that reads a single line.
func TestBody_ManyLinesAtOnceAreAsOctetByOctet(t *testing.T) {
	const alphabet, longest = ".\r\na", 8
	text := make([]byte, 0, longest)
	var try func()
	try = func() {
		for cut := range len(text) + 1 {
			for _, start := range []body{{}, {gap: true, midLine: true}} {
				want, wantEnd := start, -1
				for i := range text {
					if _, ended := want.line(text[i : i+1]); ended {
						wantEnd = i + 1
						break
					}
				}
				got, gotEnd := start, -1
				n, ended := got.feed(text[:cut])
				if ended {
					gotEnd = n
				} else if n, ended = got.feed(text[cut:]); ended {
					gotEnd = cut + n
				}
				for _, b := range []*body{&want, &got} { // what of it means nothing
					clear(b.first[min(b.n, 3):])
					if b.n == 0 {
						b.before = 0
					}
				}
				if gotEnd != wantEnd || wantEnd < 0 && got != want || got.bytes != want.bytes || got.smuggling != want.smuggling {
					t.Fatalf("%q cut at %d: ended at %d with %+v, want %d with %+v", text, cut, gotEnd, got, wantEnd, want)
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
