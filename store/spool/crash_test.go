package spool

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("TAP25_TEST_SPOOL_VICTIM"); dir != "" {
		victim(dir)
	}
	os.Exit(m.Run())
}

// machine is a disk whose power fails: it knows what was synced, and spoils the rest.
type machine struct {
	mu     sync.Mutex // Append's writing goroutine and the fsync of a segment call
	rand   *rand.Rand
	calls  int
	last   int // the call with which the power fails
	synced map[string]int64
	undo   []func() // names that were changed and are not durable yet
	keep   string   // directory of what was removed; "": renaming and removing are durable at once
	later  []func() // take back renaming and removing, each after those behind it
}

var errPower = errors.New("no power")

// call is told of each call before it is made.
func (m *machine) call(op, path string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.calls++; m.calls > m.last {
		return errPower
	}
	switch op {
	case "fsync":
		if info, err := os.Stat(path); err == nil {
			m.synced[path] = info.Size()
		}
	case "fsyncdir":
		m.undo, m.later = nil, nil
	case "rename":
		if to := path + suffixKept; m.keep != "" && strings.HasSuffix(path, suffixSealed) {
			m.later = append(m.later, func() { os.Rename(to, path) })
		}
	case "remove":
		if copied := filepath.Join(m.keep, strconv.Itoa(m.calls)); m.keep != "" {
			os.Remove(copied)
			os.Link(path, copied)
			m.later = append(m.later, func() { os.Rename(copied, path) })
		}
	case "open":
		m.undo = append(m.undo, func() { os.Remove(path) })
	}
	return nil
}

// fail cuts and garbles what was not synced, and takes back creations that are not durable.
func (m *machine) fail(t *testing.T, dir string) {
	for _, undo := range m.undo {
		if m.rand.IntN(2) == 0 {
			undo()
		}
	}
	m.undo = nil
	for n := len(m.later) - m.rand.IntN(len(m.later)+1); len(m.later) > n; m.later = m.later[:len(m.later)-1] {
		m.later[len(m.later)-1]()
	}
	m.later = nil
	open, err := filepath.Glob(filepath.Join(dir, ".*"+suffixOpen))
	if err != nil {
		t.Fatal(err)
	}
	drafts, err := filepath.Glob(filepath.Join(dir, ".*"+suffixDraft))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(open, drafts...) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		tail := data[min(m.synced[path], int64(len(data))):]
		switch m.rand.IntN(4) {
		case 0:
			data = data[:len(data)-m.rand.IntN(len(tail)+1)]
		case 1:
			clear(tail[m.rand.IntN(len(tail)+1):])
		case 2:
			for i := m.rand.IntN(len(tail) + 1); i < len(tail); i++ {
				tail[i] = byte(m.rand.Uint32())
			}
		case 3:
			if len(tail) > 0 {
				tail[m.rand.IntN(len(tail))] ^= 1 << m.rand.IntN(8)
			}
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCrash_PowerFailureKeepsWhatIsAcknowledged(t *testing.T) {
	dir := fastDir(t)
	seeds := 10_000
	if testing.Short() {
		seeds = 1000
	}
	for seed := range seeds {
		m := &machine{rand: rand.New(rand.NewPCG(uint64(seed), 1)), synced: map[string]int64{}}
		m.last = 1 + m.rand.IntN(40)
		c := bare(filepath.Join(dir, strconv.Itoa(seed)))
		c.fault = m.call
		if seed%2 == 1 { // several segments wait, and one is written while another is synced
			c.SegmentRecords = 5
		}
		s, err := Open(c)
		if err != nil {
			t.Fatal(err)
		}
		acked, n := powerFails(t, s, m)
		crash(s)
		m.fail(t, c.Dir)
		c.fault = nil
		if s, err = Open(c); err != nil {
			t.Fatal(err)
		}
		got, _ := numbers(t, s)
		for i, number := range got {
			if number >= n || i < acked && number != i || i > 0 && number <= got[i-1] {
				t.Fatalf("seed %d: record %d is at place %d, %d acknowledged", seed, number, i, acked)
			}
		}
		if len(got) < acked {
			t.Fatalf("seed %d: %d records, %d acknowledged", seed, len(got), acked)
		}
		checkSums(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		os.RemoveAll(c.Dir)
	}
}

func TestCrash_PowerFailureLeavesNoGapWhereTheSourceCanBeReadAgain(t *testing.T) {
	dir := fastDir(t)
	seeds, whole := 3000, 0
	if testing.Short() {
		seeds = 1000
	}
	for seed := range seeds {
		m := &machine{rand: rand.New(rand.NewPCG(uint64(seed), 2)), synced: map[string]int64{}}
		m.last = 1 + m.rand.IntN(60)
		c := bare(filepath.Join(dir, strconv.Itoa(seed)))
		c.fault = m.call
		c.Rereadable = true
		c.SegmentRecords = 5
		s, err := Open(c)
		if err != nil {
			t.Fatal(err)
		}
		acked := 0
		for n := 30; ; n += 30 {
			appendRecords(t, s, n-30, n)
			if s.Sync() != nil {
				break
			}
			acked = n
		}
		crash(s)
		m.fail(t, c.Dir)
		c.fault = nil
		if s, err = Open(c); err != nil {
			t.Fatal(err)
		}
		got, damaged := numbers(t, s)
		if damaged != 0 || len(got) < acked || !slices.Equal(got, upTo(len(got))) {
			t.Fatalf("seed %d: %d records and %d damaged, %d acknowledged", seed, len(got), damaged, acked)
		}
		if len(got) > acked {
			whole++
		}
		checkSums(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		os.RemoveAll(c.Dir)
	}
	if whole == 0 {
		t.Fatal("no segment was there that was not acknowledged")
	}
}

// powerFails appends, syncs and seals until the power fails.
func powerFails(t *testing.T, s *Spool, m *machine) (acked, n int) {
	for {
		more := m.rand.IntN(30)
		appendRecords(t, s, n, n+more)
		n += more
		var err error
		switch m.rand.IntN(3) {
		case 0:
			err = s.Seal("")
		case 1:
			err = s.Seal(fmt.Sprint("key ", n))
		default:
			err = s.Sync()
		}
		if err != nil {
			return acked, n
		}
		acked = n
	}
}

// victim appends for ever and says on standard output up to where its records are durable.
func victim(dir string) {
	c := bare(dir)
	c.SegmentRecords = 500
	s, err := Open(c)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	n := 0
	fmt.Sscan(os.Getenv("TAP25_TEST_SPOOL_FROM"), &n)
	for {
		for range 37 {
			if err := s.Append(record(n)); err != nil {
				os.Exit(1)
			}
			n++
		}
		if s.Sync() == nil {
			fmt.Println(n)
		}
	}
}

func TestCrash_KilledWhileItAppends(t *testing.T) {
	c := bare(fastDir(t))
	next := 0
	for kill := range 20 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "TAP25_TEST_SPOOL_VICTIM="+c.Dir, fmt.Sprint("TAP25_TEST_SPOOL_FROM=", next))
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		acked, wait := 0, 10+rand.IntN(100)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if acked, err = strconv.Atoi(strings.TrimSpace(lines.Text())); err != nil {
				t.Fatal(lines.Text())
			}
			if wait--; wait == 0 {
				time.AfterFunc(time.Duration(rand.IntN(3000))*time.Microsecond, func() { cmd.Process.Kill() })
			}
		}
		cmd.Wait()
		s := open(t, c)
		got, damaged := numbers(t, s)
		if damaged != 0 || len(got) < acked || acked == 0 {
			t.Fatalf("kill %d: %d records and %d damaged, %d acknowledged", kill, len(got), damaged, acked)
		}
		for i, n := range got {
			if n != i {
				t.Fatalf("kill %d: record %d is at place %d", kill, n, i)
			}
		}
		next = len(got)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
