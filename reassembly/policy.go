package reassembly

import "fmt"

// ParseChecksumPolicy reads "auto", "strict" or "off". It returns an error for any other word.
func ParseChecksumPolicy(s string) (ChecksumPolicy, error) {
	switch s {
	case "auto":
		return Auto, nil
	case "strict":
		return Strict, nil
	case "off":
		return Off, nil
	}
	return Auto, fmt.Errorf("%q is not auto, strict or off", s)
}

// String returns the word that ParseChecksumPolicy reads. The keys of replayed files depend on it.
func (p ChecksumPolicy) String() string {
	switch p {
	case Strict:
		return "strict"
	case Off:
		return "off"
	}
	return "auto"
}
