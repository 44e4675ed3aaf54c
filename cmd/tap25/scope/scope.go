// Package scope decides which rows may be recorded.
//
// A scope file lists address domains and networks. A row is in scope if one of the file's rules says so and no network
// to leave out has one of its hosts. What is out of scope leaves nothing but a count.
//
//	scope.go     the rules, and what they say of a row
//	parse.go     the file
//	domains.go   address domains
//	networks.go  networks
//	gate.go      the scope in force, and what it has let through
package scope

import (
	"bytes"
	"net/netip"
	"strings"

	"tap25/reassembly/smtp"
)

// Scope is what a scope file says. It does not change; any goroutine may use it.
type Scope struct {
	domains                    *node
	clients, servers, origins  networks
	leaveOut                   networks
	encrypted, noAddress       mode
	keepOtherSide              bool
	text, digest               string
	domainCount, networksCount int
}

// mode says which rows without an address are in scope.
type mode uint8

const (
	inNetworks mode = iota // those that a rule of networks has
	all
	none
)

// Entry is an entry of a scope file.
type Entry struct {
	Text string // as it stands in the file
	Line int    // from 1
}

// Rule is what decided about a row.
type Rule uint8

// The rules. The first four drop a row, the others keep it.
const (
	NoRule       Rule = iota // no domain and no network of the file has the row
	LeftOut                  // a host is in a network to leave out
	NoEncrypted              // an encrypted session, none of which, or not those of these hosts, are in scope
	NoAddress                // no address is known, and likewise
	ByDomain                 // an address is in one of the domains
	ByClient                 // the client is in one of the networks for clients
	ByServer                 // likewise the server
	ByOrigin                 // likewise the client that a proxy names
	ByEncrypted              // an encrypted session, and the file takes all of these
	ByNoAddress              // no address is known, and the file takes all such mail
	ByEverything             // there is no scope
	ruleCount
)

var ruleNames = [ruleCount]string{
	"no rule", "left out", "encrypted", "no address", "domains", "clients", "servers", "origins", "encrypted: all",
	"no_address: all", "everything",
}

// String returns the name of the rule; of a rule of entries, the key that they stand under.
func (r Rule) String() string { return ruleNames[r] }

// Keeps reports whether the rule keeps a row.
func (r Rule) Keeps() bool { return r >= ByDomain }

// Verdict is what a scope says of a row.
type Verdict struct {
	Keep  bool
	Rule  Rule
	Entry Entry // of the rule; zero for a rule without entries

	// Which addresses of a row to keep are taken out of it, since they are not in scope themselves.
	DropFrom, DropTo, DropORcpt bool

	alone bool // so are octets of a path that may hold another address than its mailbox
}

// Text returns the file that the scope was read from.
func (s *Scope) Text() string { return s.text }

// Digest returns the SHA-256 of the file, in hexadecimal digits.
func (s *Scope) Digest() string { return s.digest }

// Size returns the numbers of domains and of networks, those to leave out included.
func (s *Scope) Size() (domains, networks int) { return s.domainCount, s.networksCount }

// KeepsNothing reports whether no row can be in scope.
func (s *Scope) KeepsNothing() bool {
	left := func(n networks) bool { // every network of n is left out
		for _, p := range n {
			if s.leaveOut.covers(p.prefix) == nil {
				return false
			}
		}
		return true
	}
	return s.domainCount == 0 && s.encrypted != all && s.noAddress != all && left(s.clients) && left(s.servers) &&
		left(s.origins)
}

// Judge says whether a row is in scope, and by which rule. It changes nothing, and allocates nothing if the domains of
// the addresses are ASCII.
func (s *Scope) Judge(e *smtp.Envelope) Verdict {
	client, server, origin := e.Client.Addr(), e.Server.Addr(), netip.Addr{}
	if e.OriginBy != smtp.ByNobody {
		origin = e.OriginIP
	}
	for _, host := range [...]netip.Addr{client, server, origin} {
		if entry := s.leaveOut.find(host); entry != nil {
			return Verdict{Rule: LeftOut, Entry: *entry}
		}
	}
	if isEmpty(e.MailFrom) && isEmpty(e.RcptTo) && isEmpty(e.ORcpt) {
		return s.withoutAddress(e.Outcome == smtp.Encrypted, client, server, origin)
	}
	if v := s.byNetwork(client, server, origin); v.Keep {
		return v
	}
	from, to, orcpt := s.domain(e.MailFrom), s.domain(e.RcptTo), s.domain(e.ORcpt)
	for _, entry := range [...]*Entry{to, from, orcpt} {
		if entry != nil {
			strip := !s.keepOtherSide
			return Verdict{
				Keep: true, Rule: ByDomain, Entry: *entry,
				DropFrom:  strip && from == nil && !isEmpty(e.MailFrom),
				DropTo:    strip && to == nil && !isEmpty(e.RcptTo),
				DropORcpt: strip && orcpt == nil && !isEmpty(e.ORcpt), alone: strip,
			}
		}
	}
	return Verdict{Rule: NoRule}
}

// isEmpty reports whether an address is not known, or is the null reverse-path.
func isEmpty(address *string) bool { return address == nil || *address == "" }

// withoutAddress judges a row in which no address is known.
func (s *Scope) withoutAddress(encrypted bool, client, server, origin netip.Addr) Verdict {
	which, keeps, drops := s.noAddress, ByNoAddress, NoAddress
	if encrypted {
		which, keeps, drops = s.encrypted, ByEncrypted, NoEncrypted
	}
	switch which {
	case all:
		return Verdict{Keep: true, Rule: keeps}
	case none:
		return Verdict{Rule: drops}
	}
	if v := s.byNetwork(client, server, origin); v.Keep {
		return v
	}
	return Verdict{Rule: drops}
}

// byNetwork looks for a network that has one of the hosts in its role.
func (s *Scope) byNetwork(client, server, origin netip.Addr) Verdict {
	if entry := s.clients.find(client); entry != nil {
		return Verdict{Keep: true, Rule: ByClient, Entry: *entry}
	}
	if entry := s.servers.find(server); entry != nil {
		return Verdict{Keep: true, Rule: ByServer, Entry: *entry}
	}
	if entry := s.origins.find(origin); entry != nil {
		return Verdict{Keep: true, Rule: ByOrigin, Entry: *entry}
	}
	return Verdict{Rule: NoRule}
}

// domain looks for the entry that an address is in the domain of. The domain is what follows the last @: a local part
// may hold more of them in quotes (RFC 5321 section 4.1.2). An address without one is in no domain.
func (s *Scope) domain(address *string) *Entry {
	if address == nil {
		return nil
	}
	at := strings.LastIndexByte(*address, '@')
	if at < 0 {
		return nil
	}
	return s.domains.find((*address)[at+1:])
}

// Address judges an address alone, in mail between hosts that no rule names.
func (s *Scope) Address(address string) Verdict { return s.Judge(&smtp.Envelope{RcptTo: &address}) }

// Host judges a host in each of its roles, in mail whose addresses and other hosts no rule names.
func (s *Scope) Host(ip netip.Addr) (client, server, origin Verdict) {
	nobody, at := "@", netip.AddrPortFrom(ip, 0) // an address in no domain
	client = s.Judge(&smtp.Envelope{RcptTo: &nobody, Client: at})
	server = s.Judge(&smtp.Envelope{RcptTo: &nobody, Server: at})
	origin = s.Judge(&smtp.Envelope{RcptTo: &nobody, OriginBy: smtp.ByProxy, OriginIP: ip})
	return client, server, origin
}

// Strip takes out of a row what a verdict says: an address, its octets, and what was given with it.
func (v Verdict) Strip(e *smtp.Envelope) {
	if v.DropFrom {
		e.MailFrom, e.MailFromRaw, e.EnvID = nil, nil, nil
	}
	if v.DropTo {
		e.RcptTo, e.RcptToRaw = nil, nil
	}
	if v.DropORcpt {
		e.ORcpt = nil
	}
	if v.alone {
		e.MailFromRaw, e.RcptToRaw = alone(e.MailFromRaw, e.MailFrom), alone(e.RcptToRaw, e.RcptTo)
	}
}

// alone returns the octets of a path unless they may hold another address than its mailbox.
func alone(raw []byte, mailbox *string) []byte {
	if mailbox != nil && bytes.Count(raw, []byte("@")) == strings.Count(*mailbox, "@") {
		return raw
	}
	return nil
}
