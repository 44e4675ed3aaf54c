// Package secret finds passwords where others can read them: in the arguments of a process, and in a connection string
// that stands in a file or in the environment.
package secret

import (
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
)

// InArguments reports whether an argument holds a password: --db, those of psql, and mistyped ones, which an error
// message would repeat.
func InArguments(args []string) bool {
	for i, arg := range args {
		previous := ""
		if i > 0 {
			previous = args[i-1]
		}
		if argumentHasPassword(previous, arg) {
			return true
		}
	}
	return false
}

// argumentHasPassword checks an argument; its meaning depends on the one before it.
func argumentHasPassword(previous, arg string) bool {
	name, value, _ := strings.Cut(arg, "=")
	switch {
	case slices.Contains([]string{"--reason", "--command", "-c"}, previous) || name == "--reason" ||
		name == "--command":
		return false // text for people, or SQL
	case slices.Contains([]string{"--db", "--dbname", "-d"}, previous):
		return InDSN(arg)
	case name == "--db" || name == "--dbname":
		return InDSN(value)
	// short flags of psql, perhaps followed by a connection string
	case strings.HasPrefix(arg, "-") && !strings.HasPrefix(arg, "--"):
		return !strings.HasPrefix(arg, "-c") && (looksSecret.MatchString(arg) || InDSN(databaseURL.FindString(arg)))
	}
	return isConnection(arg) && InDSN(arg) || strings.HasPrefix(name, "--") && isConnection(value) && InDSN(value)
}

// databaseURL finds a URL of a database anywhere in a text.
var databaseURL = regexp.MustCompile(`(?i)postgres(ql)?://.*`)

// scheme begins a URL.
var scheme = regexp.MustCompile(`(?i)^\s*[a-z][a-z0-9+.-]*://`)

// isConnection reports whether an argument must be a connection string: a URL, or keywords with values that are not a
// file name.
func isConnection(arg string) bool {
	if scheme.MatchString(arg) {
		return true
	}
	_, err := os.Lstat(arg)
	_, ok := keywords(arg)
	return ok && err != nil
}

// secrets are the keywords of libpq whose values are secret (PostgreSQL's manual, "Parameter Key Words").
var secrets = []string{"password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"}

// looksSecret finds such a keyword in a connection string that cannot be parsed.
var looksSecret = regexp.MustCompile(`(?i)(password|oauth_client_secret|scram_(client|server)_key)\s*=\s*[^\s&]`)

// InDSN reports whether a connection string, a URL or keywords with values, holds a password. If it cannot be parsed,
// its looks decide.
func InDSN(dsn string) bool {
	if start := scheme.FindString(dsn); start != "" {
		return hasURLPassword(dsn[len(start):])
	}
	pairs, ok := keywords(dsn)
	if !ok {
		return looksSecret.MatchString(dsn)
	}
	return slices.ContainsFunc(pairs, isSecret)
}

// isSecret takes a keyword and its value.
func isSecret(pair [2]string) bool {
	return pair[1] != "" && slices.Contains(secrets, strings.ToLower(pair[0]))
}

// hasURLPassword takes the part of a URL after the scheme.
func hasURLPassword(rest string) bool {
	authority, tail := rest, ""
	// as libpq reads it: user and password end with the first of these
	if end := strings.IndexAny(rest, "@/"); end >= 0 {
		authority, tail = rest[:end], rest[end:]
	}
	_, password, _ := strings.Cut(authority, ":")
	switch {
	case strings.HasPrefix(tail, "@") && password != "":
		return true
	// one with a slash, or no URL
	case strings.HasPrefix(tail, "/") && strings.Contains(tail, "@") &&
		strings.Trim(password, "0123456789,.:[]?#") != "":
		return !strings.HasPrefix(authority, "[")
	}
	_, query, _ := strings.Cut(rest, "?")
	for param := range strings.FieldsFuncSeq(query, func(c rune) bool {
		return c == '&' || c == ';' || c == '#' || c == '?'
	}) {
		key, value, _ := strings.Cut(param, "=")
		if plain, err := url.QueryUnescape(key); err == nil {
			key = plain
		}
		if isSecret([2]string{strings.TrimSpace(key), value}) {
			return true
		}
	}
	return false
}

// keywords reads a string of keywords and values as libpq does (PostgreSQL's manual, "Keyword/Value Connection
// Strings"): blanks may surround the equals sign, a value may be in single quotes, and a backslash escapes the next
// octet. ok is false if s is not such a string.
func keywords(s string) (pairs [][2]string, ok bool) {
	const blanks = " \t\n\r\v\f"
	for s = strings.TrimLeft(s, blanks); s != ""; s = strings.TrimLeft(s, blanks) {
		key, rest, found := strings.Cut(s, "=")
		if key = strings.TrimRight(key, blanks); !found || key == "" || strings.ContainsAny(key, blanks+"'\\/-") {
			return nil, false
		}
		value, after, closed := keywordValue(strings.TrimLeft(rest, blanks), blanks)
		if !closed {
			return nil, false
		}
		pairs, s = append(pairs, [2]string{key, value}), after
	}
	return pairs, len(pairs) > 0
}

// keywordValue reads a value and returns the rest of the text; closed is false if a quote is missing.
func keywordValue(s, blanks string) (value, rest string, closed bool) {
	ends := blanks
	if quoted, ok := strings.CutPrefix(s, "'"); ok {
		s, ends = quoted, "'"
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case strings.IndexByte(ends, s[i]) >= 0:
			return b.String(), s[i+1:], true
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String(), "", ends != "'"
}
