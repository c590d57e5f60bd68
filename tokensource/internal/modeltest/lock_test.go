package modeltest_test

import "context"

// lockingDrawer is a drawer with a lock.
type lockingDrawer struct{ *drawer }

// hold is a lock that a process has.
type hold struct {
	unlock     func() error
	givingBack bool
}

func (s lockingDrawer) Lock(ctx context.Context) (func() error, error) {
	w, begun, before := s.p.w, s.p.w.fake.Elapsed(), s.answered()
	w.mu.Lock()
	s.lockedIn, s.lockBegan = 0, begun+1
	s.lockCalls++
	latest := s.lockCalls
	w.mu.Unlock()
	h := &hold{}
	err := s.call(ctx, "lock", func() (err error) {
		if h.unlock, err = s.memory.Lock(ctx); err != nil {
			return err
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		s.taken[h] = true
		return nil
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	if latest == s.lockCalls { // and not one that was given up, and that another has followed
		s.lockedIn, s.lockBegan = w.fake.Elapsed()-begun, 0
	}
	if err != nil {
		s.troubleLocked(before)
		s.giveBackLocked(h) // it may have been had, and said not to be
		return nil, err
	}
	s.hold = h
	return func() error {
		w.mu.Lock()
		h.givingBack = true
		w.mu.Unlock()
		err := s.call(context.WithoutCancel(ctx), "unlock", func() error { return nil })
		w.mu.Lock()
		defer w.mu.Unlock()
		s.giveBackLocked(h) // sooner or later
		return err
	}, nil
}

func (s *drawer) giveBackLocked(h *hold) {
	if h == nil || h.unlock == nil {
		return
	}
	_ = h.unlock()
	delete(s.taken, h)
	if s.hold == h {
		s.hold = nil
	}
}
