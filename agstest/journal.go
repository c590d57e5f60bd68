package agstest

import "time"

// keptUpdates is how many updates a journal has at least, once there were as many.
const keptUpdates = 2 * recordedRequests

// resetAct is the act of an update that makes all earlier ones void.
const resetAct = "reset"

// update says that a request was received or answered, or that an act of the operator
// has changed something else.
type update struct {
	number  int64
	request *Request
	act     string
}

// journal has the latest updates, so that a reader that is behind misses none. It is not
// safe for concurrent use.
type journal struct {
	latest int64    // the number of the latest update
	kept   []update // with consecutive numbers, the latest last
}

// newJournal returns a journal whose numbers are greater than those of an earlier server, so
// that a reader which was connected to that one notices.
func newJournal() journal { return journal{latest: time.Now().UnixMilli()} }

func (j *journal) add(u update) {
	j.latest++
	u.number = j.latest
	if u.request != nil {
		u.request.updated = u.number
	}
	if len(j.kept) == 2*keptUpdates {
		j.kept = append([]update(nil), j.kept[keptUpdates:]...)
	}
	j.kept = append(j.kept, u)
}

// reset forgets all updates. The next one has the next number.
func (j *journal) reset() { j.kept = nil }

// since returns the updates after that with the given number, or all for 0, with the latest
// of each request alone. If some of them are forgotten, or the number is that of another
// server, the first one is a reset.
func (j *journal) since(number int64) []update {
	var updates []update
	first := j.latest - int64(len(j.kept)) + 1
	switch {
	case number == 0:
		number = first - 1
	case number+1 < first || number > j.latest:
		updates, number = append(updates, update{number: first - 1, act: resetAct}), first-1
	}
	for _, u := range j.kept[number+1-first:] {
		if u.request == nil || u.request.updated == u.number {
			updates = append(updates, u)
		}
	}
	return updates
}
