package smtp

import (
	"math"
	"time"
)

// piece is a run of one client's octets, or of lost ones.
type piece struct {
	t      time.Time
	data   []byte
	acked  int64
	lost   int64
	unread int64 // of the lost ones, those that were not missed, but forgotten
	off    int64 // offset of the first of them, if it is held
}

// pieceSize is what a held piece takes besides its octets.
const pieceSize = 64

// backlog holds what the client sent after a command whose reply decides how to read it.
type backlog struct {
	work    *work
	pieces  queue[piece]
	size    int   // bytes of memory
	octets  int64 // of the client, missed ones too
	midLine bool  // it begins after an octet that is no LF
	memory  *backlogMemory
}

// backlogMemory is what was found in a backlog, so as not to look for it again: numbers of pieces. In most dialogues
// nothing waits for long, and there is none.
type backlogMemory struct {
	data    int64 // number of the first piece that is not known to be missed
	acked   int64 // acknowledgment of the last that is not
	fell    int64 // number of the last whose acknowledgment is less than that of the one before it
	command int64 // number of the command that comes next, when after looked
	looked  int64 // number of the first piece that it has not looked at
	flight  flight
}

const backlogMemorySize = 112

func (b *backlog) recall() *backlogMemory {
	if b.memory == nil {
		b.memory = new(backlogMemory)
	}
	return b.memory
}

func (b *backlog) empty() bool { return b.pieces.len() == 0 }

// head is the first piece.
func (b *backlog) head() *piece { return b.pieces.at(0) }

// hasData reports whether octets wait, and none were missed before them.
func (b *backlog) hasData() bool { return !b.empty() && b.head().lost == 0 }

// hasHole reports whether the first that waits is a hole.
func (b *backlog) hasHole() bool { return !b.empty() && b.head().lost > 0 }

// oneFlight reports whether the last piece was sent with the acknowledgment of the first.
func (b *backlog) oneFlight() bool { return b.pieces.last().acked == b.head().acked }

// hold keeps a piece; from is the offset up to which the client was read. With join it may be put together with the
// last one.
func (b *backlog) hold(p piece, from int64, join bool) {
	p.off = from + b.octets
	b.octets += int64(len(p.data)) + p.lost
	if join && b.join(&p) {
		return
	}
	if p.lost == 0 {
		m := b.recall()
		if !b.empty() && p.acked < m.acked {
			m.fell = b.pieces.end()
		}
		m.acked = p.acked
	}
	p.data = append([]byte(nil), p.data...)
	b.pieces.push(p)
	b.size += len(p.data) + pieceSize
}

// join appends a piece to the last one if that was sent at the same time.
func (b *backlog) join(p *piece) bool {
	if b.empty() {
		return false
	}
	last := b.pieces.last()
	if p.lost > 0 || last.lost > 0 || last.acked != p.acked || !last.t.Equal(p.t) {
		return false
	}
	last.data = append(last.data, p.data...)
	b.size += len(p.data)
	return true
}

// release drops the first n octets of the first piece, and the piece when that is all of it.
func (b *backlog) release(n int) {
	p := b.head()
	if n > 0 {
		b.midLine = p.data[n-1] != '\n'
	}
	p.data = p.data[n:]
	p.off += int64(n)
	b.size -= n
	b.octets -= int64(n)
	if len(p.data) == 0 {
		b.size -= pieceSize
		b.octets -= p.lost
		b.pieces.pop()
	}
}

// releaseFlight drops the first n octets, piece by piece.
func (b *backlog) releaseFlight(n int64) {
	for n > 0 {
		b.work.steps(1)
		piece := len(b.head().data)
		b.release(piece)
		n -= int64(piece)
	}
}

// takeAll takes all pieces.
func (b *backlog) takeAll() (pieces []piece) {
	for !b.empty() {
		pieces = append(pieces, b.pieces.pop())
	}
	b.drop()
	return pieces
}

func (b *backlog) drop() {
	b.pieces.drop()
	b.size, b.octets = 0, 0
}

// collapse replaces what is held by a hole of the same length.
func (b *backlog) collapse() {
	first := b.head()
	hole := piece{t: first.t, acked: first.acked, off: first.off}
	b.work.takes(b.pieces.len())
	for i := range b.pieces.len() {
		p := b.pieces.at(i)
		hole.lost += int64(len(p.data)) + p.lost
		hole.unread += int64(len(p.data)) + p.unread
	}
	b.pieces.drop()
	b.pieces.push(hole)
	b.size = pieceSize
}

// firstData is the place of the first piece that was not missed, how many there are if none.
func (b *backlog) firstData() int {
	m := b.recall()
	i := b.pieces.place(m.data)
	from := i
	for i < b.pieces.len() && b.pieces.at(i).lost > 0 {
		i++
	}
	m.data = b.pieces.first + int64(i)
	b.work.steps(i - from)
	return i
}

// leastAcked is the least that the client had received when it sent any of the pieces.
func (b *backlog) leastAcked() int64 {
	i := b.firstData()
	if i == b.pieces.len() {
		return math.MaxInt64
	}
	least := b.pieces.at(i).acked
	last := b.pieces.place(b.recall().fell)
	for ; i < last; i++ { // the one after that counts too
		if p := b.pieces.at(i + 1); p.lost == 0 {
			least = min(least, p.acked)
		}
		b.work.steps(1)
	}
	return least
}

// first is the first piece that was not missed, nil if there is none.
func (b *backlog) first() *piece {
	if i := b.firstData(); i < b.pieces.len() {
		return b.pieces.at(i)
	}
	return nil
}

// after is the first piece that the client sent when it had received more than acked octets, nil if there is none.
// That is how many it had received when it sent its last command; number is that of the next.
func (b *backlog) after(acked, number int64) *piece {
	m := b.recall()
	if m.command != number {
		m.command, m.looked = number, 0
	}
	from := b.pieces.place(m.looked)
	i := from
	for ; i < b.pieces.len(); i++ {
		if p := b.pieces.at(i); p.lost == 0 && p.acked > acked {
			m.looked = b.pieces.first + int64(i)
			b.work.steps(i - from)
			return p
		}
	}
	m.looked = b.pieces.end()
	b.work.steps(i - from)
	return nil
}

// memoryUse is about how many bytes are used.
func (b *backlog) memoryUse() int {
	if b.memory == nil {
		return b.size
	}
	return b.size + backlogMemorySize
}
