package modeltest_test

import "context"

// lockingStore is a processStore with a lock.
type lockingStore struct{ *processStore }

// heldLock is a lock that a process holds.
type heldLock struct {
	unlock    func() error
	releasing bool
}

func (s lockingStore) Lock(ctx context.Context) (func() error, error) {
	m, begun, before := s.p.model, s.p.model.fake.Elapsed(), s.answered()
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
	if latest == s.lockCalls { // otherwise a later call has followed
		s.lockedIn, s.lockBegan = m.fake.Elapsed()-begun, 0
	}
	if err != nil {
		s.failedLocked(before)
		s.releaseLocked(h) // it may be held despite the error
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
		s.releaseLocked(h) // the store releases it in the end
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
