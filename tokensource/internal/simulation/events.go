package simulation

import "time"

// event is something that happens at a time.
type event struct {
	at      time.Duration
	session int32
	kind    uint8
}

// events is a heap of events, the earliest first.
type events struct{ heap []event }

func (h *events) push(e event) {
	h.heap = append(h.heap, e)
	i := len(h.heap) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if h.heap[parent].at <= e.at {
			break
		}
		h.heap[i] = h.heap[parent]
		i = parent
	}
	h.heap[i] = e
}

func (h *events) pop() (first event, ok bool) {
	if len(h.heap) == 0 {
		return event{}, false
	}
	first = h.heap[0]
	last := h.heap[len(h.heap)-1]
	h.heap = h.heap[:len(h.heap)-1]
	if n := len(h.heap); n > 0 {
		h.sink(last, n)
	}
	return first, true
}

// sink puts an event where the first one was, and moves it to its place.
func (h *events) sink(e event, n int) {
	i := 0
	for {
		child := 2*i + 1
		if child >= n {
			break
		}
		if child+1 < n && h.heap[child+1].at < h.heap[child].at {
			child++
		}
		if h.heap[child].at >= e.at {
			break
		}
		h.heap[i] = h.heap[child]
		i = child
	}
	h.heap[i] = e
}
