package evidence

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

// The secret key of the first test of RFC 8032 section 7.1, as 'openssl pkey -inform DER' writes it.
const testKey = `-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
`

func openTestKey(t *testing.T) *Key {
	t.Helper()
	path := filepath.Join(t.TempDir(), KeyFile)
	if err := os.WriteFile(path, []byte(testKey), 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := LoadKey(path)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func filled(b byte) (h Hash) {
	for i := range h {
		h[i] = b
	}
	return h
}

func wholeLink(k *Key) *Link {
	return &Link{
		Kind: Segment, Sensor: "fra-1", Key: k.Fingerprint(), Number: 7, Prev: filled(1),
		Time: time.UnixMicro(1795000000123456).UTC(), Version: "1.2.3", Segment: "seg", Reason: "why",
		Days:   []DayRows{{Envelopes, 20780, 100, filled(2)}, {Misdated, -5, 3, filled(3)}},
		Before: Place{filled(4), 9, filled(5)}, LostCount: 3, Lost: []LostLink{{6, filled(6), "old"}},
	}
}

// The expected values were computed without this package: the encoding by Python's struct from docs/evidence.md, its
// hash by hashlib, the fingerprint by 'openssl pkey -pubout -outform DER | sha256sum', and the signature by
// 'openssl pkeyutl -sign -rawin'.
func TestLink_IsHashedAndSignedAsWrittenDown(t *testing.T) {
	k := openTestKey(t)
	l := wholeLink(k)
	encoded := l.Append(nil)
	for what, got := range map[string]string{
		"06e3fd8fda29bb60ab59557de61edb0aecdb231134be30e75b455f8e1b792fa9": k.Fingerprint().String(),
		"0cbbdeeda9d927f9db95d8a90a3827098ed6e1b9c0c94eac032527e583a5e399": HashOf(encoded).String(),
		"1325ce623d392e4d98b5351eebc6f414f05ffe5c32cc9145eb47bdba4912f66e" +
			"cbca766e433f83d9d4ec2cdbd27bbe12c8e05b6c330f04bc822f2d9db91d8c0a": hex.EncodeToString(k.Sign(encoded)),
	} {
		if got != what {
			t.Errorf("%s, want %s", got, what)
		}
	}
	back, err := ParseLink(encoded)
	if err != nil || !reflect.DeepEqual(back, l) {
		t.Errorf("%+v, %v", back, err)
	}
	for n := range encoded {
		if _, err := ParseLink(encoded[:n]); err == nil {
			t.Errorf("the first %d octets are a link", n)
		}
	}
	if _, err := ParseLink(append(encoded, 0)); err == nil {
		t.Error("a link with another octet is one")
	}
	encoded[len(magic)]++
	if _, err := ParseLink(encoded); !errors.Is(err, ErrNewer) {
		t.Errorf("a later version: %v", err)
	}
}

// chainOf makes a chain of n links.
func chainOf(k *Key, n int) (encoded, signatures [][]byte) {
	prev := Hash{}
	for i := range n {
		l := &Link{Kind: Segment, Sensor: "fra-1", Key: k.Fingerprint(), Number: uint64(i + 1), Prev: prev,
			Segment: fmt.Sprint("segment ", i)}
		b := l.Append(nil)
		encoded, signatures, prev = append(encoded, b), append(signatures, k.Sign(b)), HashOf(b)
	}
	return encoded, signatures
}

func TestChecker_EveryOctetOfAChainCounts(t *testing.T) {
	k := openTestKey(t)
	encoded, signatures := chainOf(k, 3)
	check := func() (problems [3]error) {
		c := Checker{Sensor: "fra-1", Key: k.Public()}
		for i := range encoded {
			_, problems[i] = c.Next(encoded[i], signatures[i])
		}
		return problems
	}
	if p := check(); p != [3]error{} {
		t.Fatal(p)
	}
	for i := range encoded[1] {
		encoded[1][i] ^= 0x40
		if p := check(); p[0] != nil || p[1] == nil || !errors.Is(p[2], ErrPrev) {
			t.Errorf("octet %d changed: %v", i, p)
		}
		encoded[1][i] ^= 0x40
	}
	for i := range signatures[1] {
		signatures[1][i] ^= 0x40
		if p := check(); !errors.Is(p[1], ErrSignature) || p[0] != nil || p[2] != nil {
			t.Errorf("octet %d of the signature changed: %v", i, p)
		}
		signatures[1][i] ^= 0x40
	}
	encoded[1], signatures[1], encoded[2], signatures[2] = encoded[2], signatures[2], encoded[1], signatures[1]
	if p := check(); !errors.Is(p[1], ErrNumber) || !errors.Is(p[1], ErrPrev) || errors.Is(p[1], ErrSignature) {
		t.Errorf("two links in the wrong order: %v", p)
	}
	other := Checker{Sensor: "fra-2", Key: k.Public()}
	if _, err := other.Next(encoded[0], signatures[0]); !errors.Is(err, ErrChain) {
		t.Errorf("a link of another sensor: %v", err)
	}
}

func TestChecker_LostLinksAreStated(t *testing.T) {
	k := openTestKey(t)
	c := Checker{Sensor: "fra-1", Key: k.Public(), Number: 4, Hash: filled(1)}
	l := &Link{Kind: Segment, Sensor: "fra-1", Key: k.Fingerprint(), Number: 7, Prev: filled(1), LostCount: 2,
		Lost: []LostLink{{6, filled(9), "lost"}}}
	b := l.Append(nil)
	if _, err := c.Next(b, k.Sign(b)); err != nil {
		t.Errorf("links 5 and 6 were lost: %v", err)
	}
	c.Number, c.Hash = 5, filled(1)
	if _, err := c.Next(b, k.Sign(b)); !errors.Is(err, ErrNumber) {
		t.Errorf("only link 6 was lost: %v", err)
	}
	c.Number, c.Hash = ^uint64(0), filled(1)
	l.LostCount, l.Number = 7, 7
	b = l.Append(nil)
	if _, err := c.Next(b, k.Sign(b)); !errors.Is(err, ErrNumber) {
		t.Errorf("a number that began again: %v", err)
	}
}

func TestCheckpoint_IsFoundInALogLineAndInAFile(t *testing.T) {
	for _, sensor := range []string{"fra-1", "", "a b\"\\=é\n%"} {
		c := Checkpoint{Database: "0b5f-1", Sensor: sensor,
			Place: Place{filled(1), 18446744073709551615, filled(2)}}
		for _, line := range []string{c.String(), c.String() + "\n",
			`Nov 21 host tap25[7]: {"level":"info","message":"` + c.String() + `"}`} {
			if got, ok := FindCheckpoint([]byte(line)); !ok || got != c {
				t.Errorf("%q: %+v, %v", line, got, ok)
			}
		}
	}
	for _, line := range []string{"", "tap25-checkpoint/1", "tap25-checkpoint/1 database=1 sensor=%zz number=1 hash=" +
		filled(1).String() + " key=" + filled(1).String(),
		"tap25-checkpoint/1 database=1 sensor=a number=99999999999999999999 hash=" +
			filled(1).String() + " key=" + filled(1).String()} {
		if got, ok := FindCheckpoint([]byte(line)); ok {
			t.Errorf("%q: %+v", line, got)
		}
	}
}

func FuzzParseLink(f *testing.F) {
	k := newKey(make([]byte, 64))
	f.Add(wholeLink(k).Append(nil))
	f.Add((&Link{Kind: Destroyed}).Append(nil))
	f.Fuzz(func(t *testing.T, octets []byte) {
		l, err := ParseLink(octets)
		if err == nil && !bytes.Equal(l.Append(nil), octets) {
			t.Errorf("a link has two encodings: %x", octets)
		}
	})
}

func FuzzFindCheckpoint(f *testing.F) {
	f.Add([]byte(Checkpoint{Database: "1", Sensor: "fra-1", Place: Place{filled(1), 5, filled(2)}}.String()))
	f.Fuzz(func(t *testing.T, line []byte) {
		if c, ok := FindCheckpoint(line); ok {
			if again, ok := FindCheckpoint([]byte(c.String())); !ok || again != c {
				t.Errorf("%+v became %+v", c, again)
			}
		}
	})
}
