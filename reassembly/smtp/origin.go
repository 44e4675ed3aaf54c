package smtp

import "strconv"

// OriginBy is what named the client in Envelope.OriginIP. The zero value is ByNobody.
type OriginBy uint8

const (
	ByNobody   OriginBy = iota // no client was named
	ByProxy                    // a header of the PROXY protocol, version 1 or 2
	ByXCLIENT                  // Postfix's XCLIENT
	ByXFORWARD                 // Postfix's XFORWARD
)

var originNames = [...]string{"", "proxy", "xclient", "xforward"}

// OriginNames returns the names of all values of OriginBy, indexed by them; that of ByNobody is empty.
func OriginNames() []string { return originNames[:] }

func (o OriginBy) String() string {
	if int(o) < len(originNames) {
		return originNames[o]
	}
	return "origin " + strconv.Itoa(int(o))
}

// MaxNetwork is the most octets that the name of a network may have.
const MaxNetwork = 255

// IsNetwork reports whether s has the form of a network's name. Parts are joined by "/", the outermost first. A part is
// a word, or a word, a space and a decimal number: "vlan 12", "vxlan 5001/vlan 3", "gtp". A word has lower-case
// letters, digits and hyphens and begins with a letter. A word alone does not end with a digit, so that a warrant for
// "vlan12", which no row has, is refused. The database checks rows, warrants and holds by the same form.
func IsNetwork(s string) bool {
	if len(s) > MaxNetwork {
		return false
	}
	for {
		n := networkPart(s)
		if n == 0 || n == len(s) {
			return n > 0
		} else if s[n] != '/' {
			return false
		}
		s = s[n+1:]
	}
}

// networkPart returns the length of the part that s begins with; 0 if it begins with none.
func networkPart(s string) int {
	word := 0
	for word < len(s) && (isLower(s[word]) || word > 0 && (isDigit(s[word]) || s[word] == '-')) {
		word++
	}
	if word == 0 {
		return 0
	}
	end := word
	if word < len(s) && s[word] == ' ' {
		for end = word + 1; end < len(s) && isDigit(s[end]); end++ {
		}
		if end == word+1 {
			return 0
		}
	} else if isDigit(s[word-1]) {
		return 0
	}
	return end
}

func isLower(c byte) bool { return c >= 'a' && c <= 'z' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }
