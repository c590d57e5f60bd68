package pool

import (
	"math"

	"github.com/agsauth/agsauth/internal/refreshplan"
)

// item is an entry in a queue. The time is in the queue and not in the entry, so that a
// comparison needs no access to the entries.
type item struct {
	at int64
	e  *entry
}

// queue is a heap of entries. The entry with the smallest at is on top. Each entry has its
// position, so that it can be moved and removed.
type queue struct {
	items []item
	// position returns where an entry has its position: its index plus one, or zero if it
	// is not in the queue.
	position func(*entry) *int32
}

func (q *queue) len() int { return len(q.items) }

// top returns the entry with the smallest at, nil if the queue is empty.
func (q *queue) top() (at int64, e *entry) {
	if len(q.items) == 0 {
		return 0, nil
	}
	return q.items[0].at, q.items[0].e
}

// set adds an entry, or changes its at.
func (q *queue) set(e *entry, at int64) {
	i := int(*q.position(e)) - 1
	if i < 0 {
		i = len(q.items)
		q.items = append(q.items, item{e: e})
	}
	q.items[i].at = at
	q.fix(i)
}

// remove removes an entry, if it is in the queue.
func (q *queue) remove(e *entry) {
	i := int(*q.position(e)) - 1
	if i < 0 {
		return
	}
	last := len(q.items) - 1
	moved := q.items[last]
	q.items[last] = item{}
	q.items = q.items[:last]
	*q.position(e) = 0
	if i < last {
		q.items[i] = moved
		q.fix(i)
	}
}

// fix moves the item i to where it belongs.
func (q *queue) fix(i int) {
	moved := q.items[i]
	for i > 0 {
		parent := (i - 1) / 2
		if q.items[parent].at <= moved.at {
			break
		}
		q.put(i, q.items[parent])
		i = parent
	}
	for {
		child := 2*i + 1
		if child >= len(q.items) {
			break
		}
		if child+1 < len(q.items) && q.items[child+1].at < q.items[child].at {
			child++
		}
		if q.items[child].at >= moved.at {
			break
		}
		q.put(i, q.items[child])
		i = child
	}
	q.put(i, moved)
}

func (q *queue) put(i int, it item) {
	q.items[i] = it
	*q.position(it.e) = int32(max(0, min(i+1, math.MaxInt32))) // more do not fit into memory
}

// schedule is when to do what. It is not safe for concurrent use.
type schedule struct {
	due     queue // residents, by when to poll them
	dormant queue // the others, by when to bring them into memory
	idle    queue // all residents, by the tick of their last use, as far as known
	early   queue // residents that could be refreshed ahead of time, by when they must be at the latest
	plan    refreshplan.Plan

	// revived are the entries that Run has brought into memory, or is about to, and that
	// nobody has used since.
	revived  map[*entry]struct{}
	evicting int // evictions under way
}

func newSchedule() schedule {
	due := func(e *entry) *int32 { return &e.due }
	return schedule{
		due:     queue{position: due},
		dormant: queue{position: due}, // an entry is in one of the two
		idle:    queue{position: func(e *entry) *int32 { return &e.idle }},
		early:   queue{position: func(e *entry) *int32 { return &e.early }},
		revived: map[*entry]struct{}{},
	}
}

// residents returns how many entries have a Source.
func (s *schedule) residents() int { return s.idle.len() }

// admit notes that an entry has got a Source. tick is when it was used last.
func (s *schedule) admit(e *entry, tick int64) {
	s.dormant.remove(e)
	s.idle.set(e, tick)
}

// dismiss notes that an entry is to have no Source any more.
func (s *schedule) dismiss(e *entry) {
	s.due.remove(e)
	s.idle.remove(e)
	s.unplan(e)
	s.used(e)
}

// used notes that an entry is resident not only because Run has made it so.
func (s *schedule) used(e *entry) { delete(s.revived, e) }

// isRevived reports whether an entry is resident, or is about to be, only because Run has
// made it so.
func (s *schedule) isRevived(e *entry) bool {
	_, revived := s.revived[e]
	return revived
}

// polled notes when to poll an entry again, and by when it must be refreshed: in which
// second; zero if it need not. open says that it could be refreshed now. One that could not
// is not planned: a refresh of another one in its place would not help it.
func (s *schedule) polled(e *entry, next, second int64, open bool) {
	if !e.isResident() {
		return // its eviction has begun
	}
	s.due.set(e, next)
	s.unplan(e)
	if !open {
		return
	}
	if e.planned = s.plan.Add(second); e.planned != 0 {
		s.early.set(e, e.planned)
	}
}

// unplan takes an entry out of the plan.
func (s *schedule) unplan(e *entry) {
	s.early.remove(e)
	s.plan.Remove(e.planned)
	e.planned = 0
}
