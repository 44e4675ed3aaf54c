package spool

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// maxKey is the length of the longest key, also as it stands in a file name: those have at most 255 bytes.
const maxKey = 200

const (
	suffixOpen    = ".open"
	suffixDraft   = ".draft"
	suffixTmp     = ".tmp"
	suffixSealed  = ".seg"
	suffixKept    = ".kept"
	suffixRefused = ".refused"
	suffixDamaged = ".damaged"
)

func (i id) String() string { return fmt.Sprintf("%016x-%016x", i.seq, i.run) }

// hidden is the name of a file that is being written.
func (i id) hidden(suffix string) string { return "." + i.String() + suffix }

// Segment is a sealed segment.
type Segment struct {
	Key      string // its exactly-once identity
	Sensor   string
	Records  int   // the count in its name
	Bytes    int64 // of the file
	Path     string
	Sequence uint64 // time of its beginning, in microseconds of Unix time, made unique

	Reentered bool // it was loaded and kept, and the database has lost it

	run uint64
}

func (s Segment) id() id { return id{s.Sequence, s.run} }

// sealedPath is the path that a segment has, or had, while it waits.
func (s Segment) sealedPath() string { return strings.TrimSuffix(s.Path, suffixKept) }

// refusedPath is that of the file with the records of a segment that the database has refused, if there are any.
func (s Segment) refusedPath() string { return s.sealedPath() + suffixRefused }

// sealedName is the name of a segment; key is "" for its own.
func sealedName(i id, count int, key string) string {
	if key != "" {
		key = "-" + EscapeName(key)
	}
	return fmt.Sprintf("%s-%d%s%s", i, count, key, suffixSealed)
}

// checkKey returns an error for a key that is too long for a file name.
func checkKey(key string) error {
	if len(key) > maxKey || len(EscapeName(key)) > maxKey {
		return fmt.Errorf("a key of %d bytes takes %d in a file name: the limit is %d", len(key), len(EscapeName(key)),
			maxKey)
	}
	return nil
}

func plain(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '.' || c == '_' || c == '-'
}

// EscapeName writes a key or a name so that a file may have it: letters, digits, dot, low line and hyphen stay, any
// other octet becomes % and two hexadecimal digits.
func EscapeName(key string) string {
	var b strings.Builder
	for _, c := range []byte(key) {
		if plain(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func unescapeKey(s string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case plain(s[i]):
			b.WriteByte(s[i])
		case s[i] == '%' && i+2 < len(s):
			v, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
			if err != nil {
				return "", false
			}
			b.WriteByte(byte(v))
			i += 2
		default:
			return "", false
		}
	}
	return b.String(), true
}

// parseKept reads the name of a segment that was loaded and is kept.
func parseKept(path string) (s Segment, ok bool) {
	sealed, ok := strings.CutSuffix(path, suffixKept)
	if !ok {
		return s, false
	}
	s, ok = parseSealed(sealed)
	s.Path = path
	return s, ok
}

// parseSealed reads the name of a segment.
func parseSealed(path string) (s Segment, ok bool) {
	base, ok := strings.CutSuffix(filepath.Base(path), suffixSealed)
	if !ok || len(base) < 35 || base[33] != '-' {
		return s, false
	}
	i, ok := parseID(base[:33])
	if !ok {
		return s, false
	}
	count, key, keyed := strings.Cut(base[34:], "-")
	n, err := strconv.ParseUint(count, 10, 32)
	if err != nil || n > maxRecords {
		return s, false
	}
	s = Segment{Key: i.String(), Records: int(n), Path: path, Sequence: i.seq, run: i.run}
	if keyed {
		s.Key, ok = unescapeKey(key)
	}
	return s, ok
}

// parseHidden reads the name of a file that was being written.
func parseHidden(name, suffix string) (i id, ok bool) {
	base, ok := strings.CutSuffix(name, suffix)
	if !ok || len(base) != 34 || base[0] != '.' {
		return i, false
	}
	return parseID(base[1:])
}

func parseID(s string) (i id, ok bool) {
	if len(s) != 33 || s[16] != '-' {
		return i, false
	}
	var err1, err2 error
	i.seq, err1 = strconv.ParseUint(s[:16], 16, 64)
	i.run, err2 = strconv.ParseUint(s[17:], 16, 64)
	return i, err1 == nil && err2 == nil
}
