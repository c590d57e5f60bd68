package modeltest_test

import "context"

// lockingDrawer is a drawer with a lock.
type lockingStore struct{ *processStore }

// hold is a lock that a process has.
type heldLock struct {
	unlock    func() error
	releasing bool
}

func (s lockingStore) Lock(ctx context.Context) (func() error, error) {
	m, begun, before := s.p.w, s.p.w.fake.Elapsed(), s.answered()
	m.mu.Lock()
	s.lockedIn, s.lockBegan = 0, begun+1
	s.lockCalls++
	latest := s.lockCalls
	m.mu.Unlock()
	h := &heldLock{}
	err := s.call(ctx, "lock", func() (err error) {
		if h.unlock, err = s.memory.Lock(ctx); err != nil {
			return err
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		s.taken[h] = true
		return nil
	})
	m.mu.Lock()
	defer m.mu.Unlock()
	if latest == s.lockCalls { // and not one that was given up, and that another has followed
		s.lockedIn, s.lockBegan = m.fake.Elapsed()-begun, 0
	}
	if err != nil {
		s.failedLocked(before)
		s.releaseLocked(h) // it may have been had, and said not to be
		return nil, err
	}
	s.held = h
	return func() error {
		m.mu.Lock()
		h.releasing = true
		m.mu.Unlock()
		err := s.call(context.WithoutCancel(ctx), "unlock", func() error { return nil })
		m.mu.Lock()
		defer m.mu.Unlock()
		s.releaseLocked(h) // sooner or later
		return err
	}, nil
}

func (s *processStore) releaseLocked(h *heldLock) {
	if h == nil || h.unlock == nil {
		return
	}
	_ = h.unlock()
	delete(s.taken, h)
	if s.held == h {
		s.held = nil
	}
}
