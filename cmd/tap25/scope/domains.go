package scope

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

const (
	longestLabel  = 63   // octets, RFC 1035 section 2.3.4
	longestDomain = 253  // octets without the dot of the root
	longestUTF8   = 1024 // octets of a domain of U-labels that is still converted
)

// node is a domain in the tree of domains, whose root is the domain of the root.
type node struct {
	below  map[string]*node // by the next label, an A-label or in lower case
	exact  *Entry           // the domain itself is in scope
	suffix *Entry           // so are those below it
}

// find looks for the entry that has a domain: the one itself, else the longest suffix. A label that is malformed is in
// no entry, and keeps what is to its right from none.
func (n *node) find(domain string) *Entry {
	if !isASCII(domain) {
		domain = toASCII(domain)
	}
	domain = strings.TrimSuffix(domain, ".") // RFC 1034 section 3.1
	var best *Entry
	var label [longestLabel]byte
	for end := len(domain); ; {
		at := strings.LastIndexByte(domain[:end], '.')
		size := end - at - 1
		if size == 0 || size > longestLabel {
			return best
		}
		for i := range size {
			label[i] = lower(domain[at+1+i])
		}
		n = n.below[string(label[:size])]
		switch {
		case n == nil:
			return best
		case at < 0 && n.exact != nil:
			return n.exact
		case at < 0:
			return best
		case at > 0 && n.suffix != nil: // something is below it
			best = n.suffix
		}
		end = at
	}
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// malformed takes the place of a label that has no A-label. No entry has it.
const malformed = "!"

// toASCII converts a domain to A-labels, RFC 5891 and UTS 46: label by label, so that one that is malformed does not
// hide the others.
func toASCII(domain string) string {
	if len(domain) > longestUTF8 {
		return malformed
	}
	labels := strings.Split(strings.NewReplacer("\u3002", ".", "\uff0e", ".", "\uff61", ".").Replace(domain), ".")
	for i, label := range labels {
		if isASCII(label) {
			continue
		}
		a, err := idna.Lookup.ToASCII(label)
		if err != nil || a == "" || strings.Contains(a, ".") {
			a = malformed
		}
		labels[i] = a
	}
	return strings.Join(labels, ".")
}

// add adds an entry: a domain, or with a leading dot all domains below one.
func (n *node) add(text string, line int) error {
	name, suffix := strings.CutPrefix(text, ".")
	labels, err := checkDomain(name)
	if err != nil {
		return err
	}
	for i := len(labels) - 1; i >= 0; i-- {
		next := n.below[labels[i]]
		if next == nil {
			next = &node{}
			if n.below == nil {
				n.below = map[string]*node{}
			}
			n.below[labels[i]] = next
		}
		n = next
	}
	at := &n.exact
	if suffix {
		at = &n.suffix
	}
	if *at != nil {
		return fmt.Errorf("line %d has this domain already", (*at).Line)
	}
	*at = &Entry{text, line}
	return nil
}

// checkDomain returns the labels of a domain: A-labels, in lower case.
func checkDomain(name string) ([]string, error) {
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return nil, errors.New("this is an IP address: name it in clients, servers or origins")
	}
	if strings.Contains(name, "@") {
		return nil, errors.New("this is an address: name its domain")
	}
	ascii := strings.TrimSuffix(toASCII(name), ".")
	if len(ascii) > longestDomain {
		return nil, fmt.Errorf("a domain has at most %d octets", longestDomain)
	}
	labels := strings.Split(strings.ToLower(ascii), ".")
	for _, label := range labels {
		if err := checkLabel(label); err != nil {
			return nil, err
		}
	}
	if top := labels[len(labels)-1]; strings.Trim(top, "0123456789") == "" {
		return nil, errors.New("this is not a domain: its last label is a number")
	}
	return labels, nil
}

// checkLabel checks a label of a file, of which an underscore may be part, as in host names that mail is sent to.
func checkLabel(label string) error {
	const allowed = "abcdefghijklmnopqrstuvwxyz0123456789-_"
	switch {
	case label == "":
		return errors.New("this is not a domain: a label is empty")
	case len(label) > longestLabel:
		return fmt.Errorf("this is not a domain: a label has more than %d octets", longestLabel)
	case strings.ContainsFunc(label, func(r rune) bool { return !strings.ContainsRune(allowed, r) }):
		return errors.New("this is not a domain: a label has a character that none has")
	case label[0] == '-' || label[len(label)-1] == '-':
		return errors.New("this is not a domain: a label begins or ends with a hyphen")
	}
	if strings.HasPrefix(label, "xn--") {
		if a, err := idna.Lookup.ToASCII(label); err != nil || a != label {
			return errors.New("this is not a domain: a label begins as an A-label and is none")
		}
	}
	return nil
}
