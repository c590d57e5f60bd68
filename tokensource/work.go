package tokensource

import "github.com/agsauth/agsauth/tokensource/internal/task"

// work is what is under way: the operation in flight, events to tell, and public calls
// that use the store or the gateway. Source.mu guards it.
type work struct {
	op    *operation // the operation in flight; nil if there is none
	epoch *epoch     // in which what begins now begins
	// queued is the operation that waits at the Gate; nil if none does.
	queued *queuedOperation
	group  task.Group
	slot   task.Slot // held by whoever uses the store or the gateway

	// changed is closed, and forgotten, when those who wait should evaluate again.
	changed chan struct{}
	// closing is closed by Close.
	closing chan struct{}

	events      []Event // not told yet
	dispatching bool
}

// workLocked returns what is under way, beginning with nothing.
func (s *Source) workLocked() *work {
	if s.work == nil {
		s.work = &work{epoch: &epoch{}, slot: task.NewSlot()}
	}
	return s.work
}

// isIdle reports whether nothing is under way any more, or waits.
func (w *work) isIdle() bool { return w.group.Idle() && len(w.events) == 0 && w.queued == nil }

// rest drops the work once nothing is under way.
func (s *Source) rest() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.restLocked()
	s.changedLocked()
}

func (s *Source) restLocked() {
	if s.work != nil && s.work.isIdle() {
		s.work = nil
	}
}

// changedLocked tells the Observer that an evaluation may come to something else now.
func (s *Source) changedLocked() {
	if s.observer != nil {
		s.observer.Changed()
	}
}

// startDetached runs f, which calls the user's code, on a goroutine of its own.
func (s *Source) startDetached(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.workLocked().group.GoDetached(f, s.rest)
}

// operationLocked returns the operation in flight, nil if there is none.
func (s *Source) operationLocked() *operation {
	if s.work == nil {
		return nil
	}
	return s.work.op
}

// notifyWaitersLocked makes those who wait evaluate again.
func (s *Source) notifyWaitersLocked() {
	var changed chan struct{}
	if w := s.work; w != nil {
		changed, w.changed = w.changed, nil
	}
	s.refreshSnapshotLocked(s.cfg.clock.Now()) // it must not have the channel that is closed
	if changed != nil {
		close(changed)
	}
	s.changedLocked()
}

// whenChanged returns the channel that is closed when waiters must evaluate again.
func (w *work) whenChanged() <-chan struct{} { return made(&w.changed) }

// whenClosing returns the channel that Close closes.
func (w *work) whenClosing() <-chan struct{} { return made(&w.closing) }

func made(c *chan struct{}) <-chan struct{} {
	if *c == nil {
		*c = make(chan struct{})
	}
	return *c
}

// close ends what is under way, as far as it may be broken off.
func (w *work) close() {
	if w == nil {
		return
	}
	if w.op != nil {
		w.op.cancel(ErrClosed)
	}
	w.group.Cancel(ErrClosed)
	for _, c := range []chan struct{}{w.closing, w.changed} {
		if c != nil {
			close(c)
		}
	}
	w.changed = nil
}
