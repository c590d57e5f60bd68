package tokensource

import (
	"errors"
	"time"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

// refreshPastHolder decides what to do when somebody else has held the lock for
// all of limit. Most likely they have refreshed: what they stored is adopted. If
// not, and callers are served, it can wait.
func (s *Source) refreshPastHolder(f *flight, limit time.Duration) func(now dualclock.Instant) {
	rec, err := s.load(f.ctx)
	if err == nil {
		s.adopt(f.epoch, rec)
	}
	switch {
	case f.ctx.Err() != nil, !s.stillDue(doRefresh), limit < s.cfg.settings().lockTimeout:
		return nil
	case s.alive(), leftAlone(err):
		return s.passingFailure(f, errLockHeld)
	}
	return s.refreshUnlocked(f, errLockHeld)
}

// refreshWithoutStore decides what to do when the lock, or the record, cannot be
// had. As long as there is a live token the refresh can wait, but not to the very end
// for a store that has refused for long: nobody is to wait for the refresh then.
// Without a live token the session would stand still for as long as the store does: so
// when that has lasted, the refresh is made without the store.
func (s *Source) refreshWithoutStore(f *flight, err error) func(now dualclock.Instant) {
	if leftAlone(err) || !s.storeGivenUp() || s.alive() && !s.isLastCall() {
		return s.passingFailure(f, err)
	}
	return s.refreshUnlocked(f, err)
}

// mayRefreshUnsaved reports whether a refresh is made though the store does not take
// the note of it, and so is not expected to take the new pair either. A live token
// makes it wait, unless an API has rejected that token.
func (s *Source) mayRefreshUnsaved() bool {
	s.mu.Lock()
	rejected := s.invalidated == invalidated
	s.mu.Unlock()
	return !s.alive() || rejected || s.storeGivenUp() && s.isLastCall()
}

// isLastCall reports whether the live token is so near its expiry that a refresh that
// waits for the store any longer would make callers wait.
func (s *Source) isLastCall() bool {
	now, timeout := s.watch.Now(), s.cfg.settings().refreshTimeout
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.session != nil && s.session.lastCall(timeout).PassedOnEither(now)
}

// refreshUnlocked refreshes without the lock, after a random wait that keeps
// processes in the same position apart.
func (s *Source) refreshUnlocked(f *flight, err error) func(now dualclock.Instant) {
	if s.alive() {
		// A store that cannot be read is only given up for a token that is dead.
		if _, loadErr := s.load(f.ctx); loadErr != nil {
			return s.passingFailure(f, loadErr)
		}
	}
	s.announce(Event{Kind: EventUnlocked, Err: err})
	if s.pause(f.ctx, time.Duration(s.draw()*float64(s.unlockedWait()))) != nil {
		return nil
	}
	rec, loadErr := s.load(f.ctx)
	if loadErr == nil && !errors.Is(err, errLockHeld) {
		if failedTo("load", err) {
			return s.refreshHoldingLock(f) // which was had all the time
		}
		// The store is back, and with it all who were about to do the same.
		unlock, lockErr := s.lock(f.ctx, s.cfg.settings().lockTimeout)
		defer func() { unlock(f.whole) }()
		if lockErr == nil {
			return s.refreshHoldingLock(f)
		}
		rec, loadErr = s.load(f.ctx) // what was read is old by now
	}
	if loadErr != nil {
		// What could not be read then is not written over unread now.
		loadErr = errors.Join(loadErr, s.stillIllegible())
	}
	if leftAlone(loadErr) {
		return s.passingFailure(f, loadErr)
	}
	if loadErr != nil && s.rejectedBefore() != nil {
		return s.passingFailure(f, errors.Join(loadErr, s.rejectedBefore()))
	}
	if loadErr == nil {
		if s.adopt(f.epoch, rec) && s.alive() {
			return nil // what is due of that can wait for the lock
		}
		s.heedAttempt(f.epoch, rec)
		if end := s.rejectedEarlier(); end != nil {
			return end
		}
	}
	return s.spend(f, rec, errors.Is(loadErr, errDamaged))
}

// unlockedWait is the longest random wait before a refresh without the lock: at most a
// quarter of what a live token still lives.
func (s *Source) unlockedWait() time.Duration {
	now := s.watch.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if left := s.leftLocked(now); left > 0 {
		return min(maxUnlockedWait, left/4)
	}
	return maxUnlockedWait
}
