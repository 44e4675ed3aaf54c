package smtp

import "unsafe"

// queue is a list of which the first element goes first. Each element has a number of its own, counted from 0, so that
// a place in the list can be remembered while elements come and go.
type queue[T any] struct {
	items []T // the first `head` of them are gone
	head  int
	first int64 // number of the first element
}

func (q *queue[T]) len() int { return len(q.items) - q.head }

// at is the i-th element. It stays where it is until the next push or pop.
func (q *queue[T]) at(i int) *T { return &q.items[q.head+i] }

func (q *queue[T]) last() *T { return &q.items[len(q.items)-1] }

// end is the number that the next element gets.
func (q *queue[T]) end() int64 { return q.first + int64(q.len()) }

// place is where the element of that number stands: 0 if it is gone.
func (q *queue[T]) place(number int64) int { return int(min(max(number-q.first, 0), int64(q.len()))) }

func (q *queue[T]) push(v T) { q.items = append(q.items, v) }

// keptOctets is how much memory an empty queue keeps: two commands or replies, or eight recipients. In most dialogues
// as few wait at a time, and the next one comes soon.
const keptOctets = 400

// pop takes the first element. What is gone is moved over once it is half of what there is, so that each element is
// moved once.
func (q *queue[T]) pop() T {
	var none T
	v := q.items[q.head]
	q.items[q.head] = none // it may point to much
	q.head++
	q.first++
	switch {
	case q.head == len(q.items):
		if q.items, q.head = q.items[:0], 0; q.size() > 0 {
			q.items = nil
		}
	case q.head >= 32 && q.head*2 >= len(q.items):
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	return v
}

// cut takes all elements from the i-th on.
func (q *queue[T]) cut(i int) {
	clear(q.items[q.head+i:])
	q.items = q.items[:q.head+i]
}

// size is how much memory the queue has, in octets, besides what it keeps, which may be of the session before.
func (q *queue[T]) size() int {
	var one T
	if n := cap(q.items) * int(unsafe.Sizeof(one)); n > keptOctets {
		return n
	}
	return 0
}

// kept is the memory that the queue keeps for others when all are gone.
func (q *queue[T]) kept() []T {
	if q.size() > 0 {
		return nil
	}
	clear(q.items)
	return q.items[:0]
}

// drop takes all elements.
func (q *queue[T]) drop() { *q = queue[T]{items: q.kept(), first: q.end()} }

// anew is an empty queue with the same memory.
func (q *queue[T]) anew() queue[T] { return queue[T]{items: q.kept()} }

// search is the first place in [from, q.len()) for which f holds, q.len() if there is none; f holds for all places
// after one for which it does.
func (q *queue[T]) search(from int, f func(*T) bool) int {
	to := q.len()
	for from < to {
		if mid := from + (to-from)/2; f(q.at(mid)) {
			to = mid
		} else {
			from = mid + 1
		}
	}
	return from
}
