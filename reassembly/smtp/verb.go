package smtp

// verb is what a command does to the dialogue.
type verb uint8

const (
	verbOther verb = iota
	verbGreeting
	verbHello
	verbMail
	verbRcpt
	verbData
	verbEndOfData
	verbBdat
	verbRset
	verbQuit
	verbAuth
	verbAuthLine
	verbStartTLS
	verbXclient
	verbXforward
	verbBurl
	verbTurn
	verbs // how many there are
)

func verbOf(word []byte) verb {
	var up [len("X-ANONYMOUSTLS")]byte
	if len(word) < 4 || len(word) > len(up) {
		return verbOther
	}
	for i, c := range word {
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		up[i] = c
	}
	switch string(up[:len(word)]) {
	case "EHLO", "HELO", "LHLO":
		return verbHello
	case "MAIL":
		return verbMail
	case "RCPT":
		return verbRcpt
	case "DATA":
		return verbData
	case "BDAT":
		return verbBdat
	case "RSET":
		return verbRset
	case "QUIT":
		return verbQuit
	case "AUTH", "X-EXPS": // the latter is Exchange's own
		return verbAuth
	case "STARTTLS", "X-ANONYMOUSTLS": // the latter is Exchange's own, between servers of one organization
		return verbStartTLS
	case "XCLIENT":
		return verbXclient
	case "XFORWARD":
		return verbXforward
	case "BURL":
		return verbBurl
	case "TURN", "ATRN":
		return verbTurn
	}
	return verbOther
}

// hasPath reports whether a command is MAIL or RCPT and has its path.
func (v verb) hasPath(argument []byte) (ok bool) {
	switch v {
	case verbMail:
		_, _, ok = pathIn(argument, "from", false)
	case verbRcpt:
		_, _, ok = pathIn(argument, "to", false)
	}
	return ok
}

func cutWord(b []byte) (word, rest []byte) {
	b = trimBlanks(b)
	for i, c := range b {
		if c == ' ' || c == '\t' {
			return b[:i], trimBlanks(b[i:])
		}
	}
	return b, nil
}

// trimBlanks takes blanks off the head of b, trimSpaces off both ends.
func trimBlanks(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	return b
}

func trimSpaces(b []byte) []byte {
	for b = trimBlanks(b); len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t'); b = b[:len(b)-1] {
	}
	return b
}
