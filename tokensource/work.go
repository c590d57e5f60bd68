package tokensource

import (
	"context"
	"sync"
)

// work is what is under way: flights, the telling of events, and public calls that
// use the store or the gateway. A Source has one while there is any, and as long as
// somebody holds one of its channels. Source.mu guards it.
type work struct {
	flight *flight // what is in the air, nil when nothing is

	wg     sync.WaitGroup // counts what the next two do
	active int            // flights, deliveries and public calls
	inner  int            // the calls of the user's code that they make

	// changed is closed, and forgotten, when those who wait should look again: a
	// flight has landed, or there is something to serve all the same, or the Source
	// was closed. Made when somebody waits.
	changed chan struct{}
	// closing is closed by Close. Made when somebody waits for that alone.
	closing chan struct{}
	// turn has one slot: who fills it may use the store and the gateway. Made when
	// first taken.
	turn chan struct{}

	calls      map[*context.CancelCauseFunc]struct{} // those of public calls under way
	events     []Event                               // not told yet
	delivering bool
	running    bool // Run is
}

// workLocked returns what is under way, beginning with nothing.
func (s *Source) workLocked() *work {
	if s.work == nil {
		s.work = &work{}
	}
	return s.work
}

// restLocked forgets what was under way once nothing is any more.
func (s *Source) restLocked() {
	if w := s.work; w != nil && w.active == 0 && w.inner == 0 && len(w.events) == 0 {
		s.work = nil
	}
}

// flightLocked returns what is in the air, nil when nothing is.
func (s *Source) flightLocked() *flight {
	if s.work == nil {
		return nil
	}
	return s.work.flight
}

// startLocked runs f on a goroutine that Close waits for.
func (s *Source) startLocked(f func()) {
	w := s.workLocked()
	w.active++
	w.wg.Go(func() {
		defer func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			w.active--
			s.restLocked()
		}()
		f()
	})
}

// startInner runs f, which calls the user's code, on a goroutine that Close waits
// for if it waits at all.
func (s *Source) startInner(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.workLocked()
	w.inner++
	w.wg.Go(func() {
		defer func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			w.inner--
			s.restLocked()
		}()
		f()
	})
}

// enter registers a public call that uses the store or the gateway: Close ends
// its context and waits for it. leave is to be called at its end.
func (s *Source) enter(ctx context.Context) (called context.Context, leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, ErrClosed
	}
	ctx, cancel := context.WithCancelCause(ctx)
	w := s.workLocked()
	w.active++
	w.wg.Add(1)
	if w.calls == nil {
		w.calls = map[*context.CancelCauseFunc]struct{}{}
	}
	w.calls[&cancel] = struct{}{}
	return ctx, func() {
		cancel(nil)
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(w.calls, &cancel)
		w.active--
		w.wg.Done()
		s.restLocked()
	}, nil
}

// changedLocked returns the channel that is closed when to look again.
func (w *work) changedLocked() <-chan struct{} {
	if w.changed == nil {
		w.changed = make(chan struct{})
	}
	return w.changed
}

// takeChanged returns the channel that those who wait so far look at, for it to be
// closed, nil when nobody does.
func (w *work) takeChanged() chan struct{} {
	if w == nil {
		return nil
	}
	changed := w.changed
	w.changed = nil
	return changed
}

// close ends what is under way, as far as it may be broken off.
func (w *work) close() {
	if w == nil {
		return
	}
	if w.flight != nil {
		w.flight.cancel(ErrClosed)
	}
	for cancel := range w.calls {
		(*cancel)(ErrClosed)
	}
	if w.closing != nil {
		close(w.closing)
	}
	if changed := w.takeChanged(); changed != nil {
		close(changed)
	}
}
