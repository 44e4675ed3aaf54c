package smtp

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

// keptItems is for how many elements an empty queue keeps its memory: in most dialogues as few wait at a time, and the
// next one comes soon.
const keptItems = 2

// pop takes the first element. What is gone is moved over once it is half of what there is, so that each element is
// moved once.
func (q *queue[T]) pop() T {
	var none T
	v := q.items[q.head]
	q.items[q.head] = none // it may point to much
	q.head++
	q.first++
	switch {
	case q.head == len(q.items) && cap(q.items) <= keptItems:
		q.items, q.head = q.items[:0], 0
	case q.head == len(q.items):
		q.items, q.head = nil, 0
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

// drop takes all elements.
func (q *queue[T]) drop() { *q = queue[T]{first: q.end()} }

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
