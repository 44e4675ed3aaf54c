package smtp

import (
	"net/netip"
	"slices"
	"strconv"
	"time"
)

// Envelope is one row of the record: one RCPT command, a MAIL without any RCPT, or a session that went dark by
// STARTTLS (docs/record.md). A nil pointer, a zero reply code or a zero time is a value that was not seen;
// it is null in JSON and in SQL, never a guess and never an empty string.
//
// An Envelope handed to Config.Emit is the callee's to keep, unless Memory.Reuse takes it back.
type Envelope struct {
	SeenAt    time.Time // capture time of the segment with the first byte of MAIL (or RCPT, or STARTTLS), UTC
	Sensor    string
	SessionID int64
	MailNo    int // n-th mail transaction of the session, from 1; 0 on an encrypted session's row

	Client, Server netip.AddrPort

	// The client that a proxy in front of the server names: what the peer claims, not what the tap saw. OriginBy is
	// ByNobody if none is named, and then OriginIP is the zero Addr and OriginPort 0. Either may be so in a claim that
	// leaves it out. OriginIP has no zone, and an IPv4 address is not mapped to IPv6: questions ask for it as such.
	OriginIP   netip.Addr
	OriginPort uint16
	OriginBy   OriginBy

	// the network that the connection was seen in, in the form of IsNetwork; "" if no tag or tunnel tells one
	Network string

	HELO     *string
	MailFrom *string // "" is the null reverse-path <>
	RcptTo   *string

	// The octets of the path where MailFrom (RcptTo) is not exactly these less "<>": invalid UTF-8, NUL, source route.
	MailFromRaw, RcptToRaw []byte

	MailCode, RcptCode, DataCode uint16 // reply codes, RFC 5321 section 4.2; 0: not seen

	Outcome      Outcome
	MessageBytes *int64 // octets of the message as the server received it
	DeclaredSize *int64 // SIZE=, RFC 1870
	EnvID        *string
	ORcpt        *string // ORCPT= address, xtext decoded (RFC 3461 section 4.2), only if it differs from RcptTo
	QueueID      *string
	Auth         bool

	TLSServerName *string // SNI of the ClientHello after STARTTLS, RFC 6066 section 3
	LostBytes     int64   // bytes of the session that the capture missed, up to this row's last reply
	Flags         Flags
}

// Outcome is what became of the mail for this recipient. The zero value is Unknown.
type Outcome uint8

const (
	Unknown   Outcome = iota // a deciding reply was not captured
	Accepted                 // RCPT 2xx and the message 2xx
	Deferred                 // MAIL, RCPT or the message answered 4xx
	Refused                  // likewise 5xx
	Aborted                  // ended before the message was settled
	Encrypted                // STARTTLS accepted
)

var outcomeNames = [...]string{"unknown", "accepted", "deferred", "refused", "aborted", "encrypted"}

// Outcomes returns the names of all outcomes, indexed by their values.
func Outcomes() []string { return outcomeNames[:] }

func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return "outcome " + strconv.Itoa(int(o))
}

// Flags are the ways in which a record may be incomplete; zero if it is complete.
type Flags uint8

const (
	Midstream Flags = 1 << iota // no SYN was seen
	OneSided                    // one direction was never seen
	Gap                         // octets were missed inside this transaction
	Conflict                    // overlapping segments with different bytes, or bytes that could not be compared
	Smuggling                   // an end of data inside this message that servers disagree on
	Injected                    // plaintext after STARTTLS in the same flight
	Truncated                   // a line over the limit
)

var flagNames = [...]string{"midstream", "one-sided", "gap", "conflict", "smuggling", "injected", "truncated"}

// FlagNames returns the names of all flags in the order of their bits.
func FlagNames() []string { return flagNames[:] }

// Names returns the names of the flags that are set, in the order of their bits; nil for none.
func (f Flags) Names() []string {
	var names []string
	for i, name := range flagNames {
		if f&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// ParseFlags returns the flags of these names, in any order, and whether it knows all of them.
func ParseFlags(names []string) (flags Flags, known bool) {
	for _, name := range names {
		bit := slices.Index(flagNames[:], name)
		if bit < 0 {
			return 0, false
		}
		flags |= 1 << bit
	}
	return flags, true
}
