package store

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"tap25/store/evidence"
)

// mostRemembered is how many links of a chain a signer remembers: more than a spool keeps segments for a while.
const mostRemembered = 1024

// Signer signs what is loaded and what is dropped. Several goroutines may use it.
type Signer struct {
	Key     *evidence.Key
	Version string // of tap25
	Dir     string // where it remembers the last links, so that it can say which the database has lost; "": nowhere

	mu       sync.Mutex
	chains   map[chainName]*remembered
	recalled bool // what Dir has
}

// chainName names a chain of a signer's key.
type chainName struct{ database, sensor string }

// remembered are the last links of a chain that were committed. Its file has this as JSON, and then a line for each
// link.
type remembered struct {
	path     string
	stored   int                 // links in the file; 0: the next link has it written anew
	Database string              `json:"database"`
	Sensor   string              `json:"sensor"`
	Key      string              `json:"key"` // fingerprint
	Links    []evidence.LostLink `json:"-"`
}

// Heads returns the last link of each chain that this signer, or one before it in Dir with this key, has added to.
func (s *Signer) Heads() (heads []evidence.Checkpoint) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recallAll()
	for name, c := range s.chains {
		if n := len(c.Links); n > 0 {
			last := c.Links[n-1]
			heads = append(heads, evidence.Checkpoint{Database: name.database, Sensor: name.sensor,
				Place: evidence.Place{
					Key: s.Key.Fingerprint(), Number: last.Number, Hash: last.Hash}})
		}
	}
	slices.SortFunc(heads, func(a, b evidence.Checkpoint) int {
		return cmp.Or(cmp.Compare(a.Database, b.Database), cmp.Compare(a.Sensor, b.Sensor))
	})
	return heads
}

// recallAll reads what signers before this one have left in Dir.
func (s *Signer) recallAll() {
	if s.Dir == "" || s.recalled {
		return
	}
	s.recalled = true
	paths, _ := filepath.Glob(filepath.Join(s.Dir, "chain-*.json"))
	for _, path := range paths {
		c := readRemembered(path)
		if name := (chainName{c.Database, c.Sensor}); c.Key == s.Key.Fingerprint().String() && path == s.path(name) {
			s.chain(name)
		}
	}
}

// readRemembered reads a file, as far as a crash has not spoilt it.
func readRemembered(path string) *remembered {
	c := &remembered{}
	text, err := os.ReadFile(path)
	lines := json.NewDecoder(bytes.NewReader(text))
	if err != nil || lines.Decode(c) != nil {
		return &remembered{path: path}
	}
	c.path = path
	for {
		var l evidence.LostLink
		if lines.Decode(&l) != nil {
			return c
		}
		c.add(l)
	}
}

// add adds links, and forgets the oldest ones beyond mostRemembered.
func (c *remembered) add(links ...evidence.LostLink) {
	c.Links = append(c.Links, links...)
	c.Links = c.Links[max(0, len(c.Links)-mostRemembered):]
}

// store writes links that were added to the file, or all: a load costs a line for each segment, not the whole file.
func (c *remembered) store(added []evidence.LostLink) {
	if c.path == "" {
		return
	}
	var b bytes.Buffer
	lines := json.NewEncoder(&b)
	anew := c.stored == 0 || c.stored+len(added) > 2*mostRemembered
	if anew {
		lines.Encode(c)
		c.stored, added = 0, c.Links
	}
	for _, l := range added {
		lines.Encode(l)
	}
	write := appendTo
	if anew {
		write = replace
	}
	if c.stored += len(added); write(c.path, b.Bytes()) != nil {
		c.stored = 0
	}
}

func appendTo(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

func replace(path string, text []byte) error {
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func (s *Signer) path(name chainName) string {
	sum := sha256.Sum256([]byte(name.database + "\x00" + name.sensor + "\x00" + s.Key.Fingerprint().String()))
	return filepath.Join(s.Dir, "chain-"+evidence.Hash(sum).String()[:16]+".json")
}

// recall returns the links of a chain that are remembered.
func (s *Signer) recall(name chainName) []evidence.LostLink {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.chain(name).Links
}

func (s *Signer) chain(name chainName) *remembered {
	if c := s.chains[name]; c != nil {
		return c
	}
	c := &remembered{}
	if s.Dir != "" {
		c = readRemembered(s.path(name))
	}
	c.Database, c.Sensor, c.Key = name.database, name.sensor, s.Key.Fingerprint().String()
	if s.chains == nil {
		s.chains = map[chainName]*remembered{}
	}
	s.chains[name] = c
	return c
}

// remember notes links that were committed, and forgets those that one of them says are lost. If the disk is full they
// are remembered until this process ends.
func (s *Signer) remember(name chainName, links []*evidence.Link, hashes []evidence.Hash) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.chain(name)
	lost := map[evidence.Hash]bool{}
	for _, l := range links {
		for _, x := range l.Lost {
			lost[x.Hash] = true
		}
	}
	if len(lost) > 0 {
		c.Links = slices.DeleteFunc(slices.Clone(c.Links), func(x evidence.LostLink) bool { return lost[x.Hash] })
		c.stored = 0
	}
	var added []evidence.LostLink
	for i, l := range links {
		added = append(added, evidence.LostLink{Number: l.Number, Hash: hashes[i], Segment: l.Segment})
	}
	c.add(added...)
	c.store(added)
}

// head is what lock_chain returns.
type head struct {
	Database        string
	Number          int64
	Hash, BeforeKey []byte
	BeforeNumber    *int64
	BeforeHash      []byte
	Kinds           []int16
	Days            []time.Time
	Rows            []int64
}

// lockChain locks the end of a sensor's chain of a key until the transaction ends, and returns it.
func lockChain(ctx context.Context, tx pgx.Tx, sensor string, s *Signer) (h head, err error) {
	err = tx.QueryRow(ctx, "select * from tap25_internal.lock_chain($1, $2)", sensor, []byte(s.Key.Public())).
		Scan(&h.Database, &h.Number, &h.Hash, &h.BeforeKey, &h.BeforeNumber, &h.BeforeHash, &h.Kinds, &h.Days, &h.Rows)
	return h, err
}

// sign adds links to a sensor's chain within a transaction. The caller has filled in what they record; after COMMIT it
// calls committed.
func (db *DB) sign(ctx context.Context, tx pgx.Tx, s *Signer, sensor string, links []*evidence.Link) (
	committed func(), err error) {
	h, err := lockChain(ctx, tx, sensor, s)
	if err != nil {
		return nil, err
	}
	name := chainName{h.Database, sensor}
	if err := h.first(links[0]); err != nil {
		return nil, err
	}
	if err := db.stateLost(ctx, tx, s, name, h.Number, links[0]); err != nil {
		return nil, err
	}
	var (
		numbers            []int64
		segments           []*string
		firsts, lasts      []*time.Time
		bodies, signatures [][]byte
		hashes             []evidence.Hash
	)
	number, prev := uint64(h.Number), evidence.Hash{}
	copy(prev[:], h.Hash)
	for _, l := range links {
		number += 1 + l.LostCount
		l.Sensor, l.Key, l.Number, l.Prev = sensor, s.Key.Fingerprint(), number, prev
		l.Time, l.Version = time.Now(), s.Version
		body := l.Append(nil)
		prev = evidence.HashOf(body)
		first, last := daysBetween(l.Days)
		numbers, segments = append(numbers, int64(number)), append(segments, orNull(l.Segment))
		firsts, lasts = append(firsts, first), append(lasts, last)
		bodies, signatures = append(bodies, body), append(signatures, s.Key.Sign(body))
		hashes = append(hashes, prev)
	}
	fingerprint := s.Key.Fingerprint()
	_, err = tx.Exec(ctx, "select tap25_internal.add_links($1, $2, $3, $4, $5, $6, $7, $8)", sensor, fingerprint[:],
		numbers, segments, firsts, lasts, bodies, signatures)
	return func() { s.remember(name, links, hashes) }, err
}

// first completes the first link of a chain: it names the chain that it follows, or the rows that no link is of.
func (h *head) first(l *evidence.Link) error {
	if h.Number > 0 {
		return nil
	}
	if h.BeforeNumber != nil {
		l.Before.Number = uint64(*h.BeforeNumber)
		copy(l.Before.Key[:], h.BeforeKey)
		copy(l.Before.Hash[:], h.BeforeHash)
	}
	for i, kind := range h.Kinds {
		l.Days = append(l.Days, evidence.DayRows{Table: evidence.Table(kind), Day: DayNumber(h.Days[i]),
			Rows: uint64(h.Rows[i])})
	}
	return nil
}

// stateLost has a link state which links, that were committed, the database does not have: another server has become
// the database. It asks once for each connection, and again if the chain is shorter than this connection has left it.
func (db *DB) stateLost(ctx context.Context, tx pgx.Tx, s *Signer, name chainName, last int64, l *evidence.Link) error {
	known := s.recall(name)
	if len(known) == 0 || db.asked[name] && known[len(known)-1].Number <= uint64(last) {
		return nil
	}
	var numbers []int64
	var hashes [][]byte
	for _, k := range known {
		numbers, hashes = append(numbers, int64(k.Number)), append(hashes, k.Hash[:])
	}
	fingerprint := s.Key.Fingerprint()
	var has []bool
	err := tx.QueryRow(ctx, "select tap25_internal.has_links($1, $2, $3, $4)", name.sensor, fingerprint[:], numbers,
		hashes).Scan(&has)
	if err != nil {
		return err
	}
	for i, k := range known {
		if !has[i] {
			l.Lost = append(l.Lost, k)
		}
	}
	l.LostCount = uint64(len(l.Lost))
	if oldest := known[0].Number; len(l.Lost) == len(known) && oldest > uint64(last)+1 {
		l.LostCount += oldest - uint64(last) - 1 // and those of before them
	}
	if db.asked == nil {
		db.asked = map[chainName]bool{}
	}
	db.asked[name] = true
	return nil
}

// daysBetween returns the first and the last day of rows; nil if there are none.
func daysBetween(days []evidence.DayRows) (first, last *time.Time) {
	for _, d := range days {
		if d.Table == evidence.BeforeEvidence || d.Table == evidence.MisdatedBefore || d.Table == evidence.HeldBefore {
			continue
		}
		day := DayOf(d.Day)
		if first == nil || day.Before(*first) {
			first = new(day)
		}
		if last == nil || day.After(*last) {
			last = new(day)
		}
	}
	return first, last
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
