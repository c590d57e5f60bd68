package admission

import "time"

// Kind is what an operation does.
type Kind uint8

// The kinds.
const (
	Refresh Kind = iota
	Login
	Load // of the store
)

// Urgency is who needs an operation.
type Urgency uint8

// The urgencies, the lowest first.
const (
	Early Urgency = iota // nobody yet
	Due                  // the session, but no caller at this moment
	Asked                // a caller waits
)

// Ticket is an operation that waits in a [Queue], or was started by it and is not done. A
// ticket belongs to one Queue and is used once.
type Ticket struct {
	Owner   any
	Kind    Kind
	Urgency Urgency
	// Expiry is when the access token of the session expires.
	Expiry time.Duration

	key     time.Duration // the order within a heap, the smallest first
	arrival uint64        // the order among equal keys
	in      *heap         // where it waits; nil if it does not
	index   int           // in the heap
	state   state
	started time.Duration
	probe   bool
}

type state uint8

const (
	fresh state = iota
	queued
	started
	unheld // a login that is under way, but is not counted any more
	done
)

// heap is a priority queue of tickets.
type heap struct{ tickets []*Ticket }

func (h *heap) first() *Ticket {
	if len(h.tickets) == 0 {
		return nil
	}
	return h.tickets[0]
}

func (h *heap) push(t *Ticket) {
	t.in, t.index = h, len(h.tickets)
	h.tickets = append(h.tickets, t)
	h.up(t.index)
}

func (h *heap) remove(t *Ticket) {
	i, last := t.index, len(h.tickets)-1
	h.swap(i, last)
	h.tickets[last] = nil
	h.tickets = h.tickets[:last]
	if i < last {
		h.down(i)
		h.up(i)
	}
	if cap(h.tickets) > 64 && len(h.tickets) < cap(h.tickets)/4 {
		h.tickets = append(make([]*Ticket, 0, cap(h.tickets)/2), h.tickets...)
	}
	t.in = nil
}

func (h *heap) less(i, j int) bool { return before(h.tickets[i], h.tickets[j]) }

// before reports whether a comes before b. Nil comes last.
func before(a, b *Ticket) bool {
	switch {
	case a == nil || b == nil:
		return a != nil
	case a.key != b.key:
		return a.key < b.key
	default:
		return a.arrival < b.arrival
	}
}

func (h *heap) swap(i, j int) {
	h.tickets[i], h.tickets[j] = h.tickets[j], h.tickets[i]
	h.tickets[i].index, h.tickets[j].index = i, j
}

func (h *heap) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if !h.less(i, parent) {
			return
		}
		h.swap(i, parent)
		i = parent
	}
}

func (h *heap) down(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(h.tickets); child++ {
			if h.less(child, least) {
				least = child
			}
		}
		if least == i {
			return
		}
		h.swap(i, least)
		i = least
	}
}
