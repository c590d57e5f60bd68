package tokensource

import (
	"errors"
	"io/fs"
	"time"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

// flyRefresh spends the refresh token, under the lock, unless it turns out that
// another process has done so.
func (s *Source) flyRefresh(f *flight) { s.publish(f, s.refreshUnderLock(f)) }

// refreshUnderLock does all of a refresh that the lock is held for. It returns
// how the outcome is published, nil when there is nothing more to publish.
//
// The order keeps a session through a crash at any point: lock, load, adopt what
// is newer, note the attempt, refresh, save, unlock; then publish.
func (s *Source) refreshUnderLock(f *flight) func(now dualclock.Instant) {
	if s.pauseForSpacing(f) != nil {
		return nil
	}
	limit := s.patience()
	if err := s.takeTurn(f.ctx, limit); err != nil {
		if limit < s.cfg.settings().lockTimeout {
			return nil
		}
		return s.passingFailure(f, err)
	}
	defer s.leaveTurn()
	if s.cfg.Store == nil {
		return s.spend(f, nil, false)
	}
	unlock, err := s.lock(f.ctx, limit)
	defer func() { unlock(f.whole) }()
	switch {
	case err == nil:
		return s.refreshHoldingLock(f)
	case errors.Is(err, errLockHeld):
		return s.refreshPastHolder(f, limit)
	default:
		return s.refreshWithoutStore(f, err)
	}
}

// refreshHoldingLock is a refresh for which the lock is held: what is stored comes
// first.
func (s *Source) refreshHoldingLock(f *flight) func(now dualclock.Instant) {
	for range maxConflicts {
		rec, err := s.loadAside(f.ctx)
		if errors.Is(err, errDamaged) {
			return s.refreshBesideDamaged(f, err)
		}
		if err != nil {
			return s.refreshWithoutStore(f, err)
		}
		s.adopt(f.epoch, rec)
		if end := s.rejectedEarlier(); end != nil {
			return end
		}
		if !s.stillDue(doRefresh) {
			return nil // or a note would be left on a pair that nobody refreshes
		}
		rec, err = s.noteAttempt(f, rec)
		switch {
		case errors.Is(err, fs.ErrExist):
		case err != nil && !s.mayRefreshUnsaved():
			// The answer could not be stored either, and may be the only good pair.
			return s.waitForStore(f, err)
		default:
			return s.spend(f, rec, false)
		}
	}
	return s.passingFailure(f, &storeError{"save", errLockHeld})
}

// refreshBesideDamaged is a refresh beside a record that nobody can read, and
// that cannot be set aside either: the session goes on in memory.
func (s *Source) refreshBesideDamaged(f *flight, err error) func(now dualclock.Instant) {
	if rejected := s.rejectedBefore(); rejected != nil {
		return s.passingFailure(f, errors.Join(err, rejected))
	}
	return s.spend(f, nil, true)
}

// patience is how long a flight waits for somebody else's: not long as long as
// callers are served, or have an answer; then it rather looks again later.
func (s *Source) patience() time.Duration {
	now := s.watch.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil || s.aliveLocked(now) && s.invalidated != invalidated {
		return lockRecheck
	}
	return s.cfg.settings().lockTimeout
}

// stillDue reports whether what a flight was started for is still to be done, now
// that it has the turn, and has seen what is stored: somebody else may have done
// it. Those who wait look again, as they may be served meanwhile.
func (s *Source) stillDue(act action) bool {
	now := s.watch.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.viewLocked()
	v.flying = false
	due := decide(&v, now).act == act
	if due {
		s.wakeLocked()
	}
	return due
}

// spend asks the gateway for a new pair and saves it. read is the record loaded
// last. frozen says that what is stored must not be overwritten.
func (s *Source) spend(f *flight, read *record, frozen bool) func(now dualclock.Instant) {
	current, ok := s.current(f)
	if !ok || !s.stillDue(doRefresh) {
		return nil
	}
	sent := s.watch.Now()
	answer, err := s.ask(f.whole, f.epoch, current)
	if err != nil {
		return s.refreshFailed(f, current, read, err)
	}
	s.during(f.epoch, func() { s.outrunLocked(current) })
	next := s.newSession(arrival{token: answer, from: granted, at: sent, former: current, draw: s.draw()})
	if !s.bring(f, answer) {
		return nil
	}
	generation, newer, saveErr := int64(0), (*record)(nil), error(nil)
	switch {
	case frozen:
		saveErr = errDamaged
	case s.cfg.Store != nil:
		// Saved also when SetToken has overtaken this flight: until that has
		// saved its own, a neighbour would find, and present, the spent one.
		generation, newer, saveErr = s.commit(f.whole, recordOf(next, 0), s.insists(f.epoch))
	}
	if s.overtaken(f.epoch) {
		return nil
	}
	if newer != nil {
		s.signOutIfEnded(answer, newer)
		return s.adoption(newer)
	}
	return s.grant(f, next, generation, saveErr)
}

// during does something under the lock, unless SetToken or SignOut have overtaken
// the epoch.
func (s *Source) during(epoch uint64, do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.epoch == epoch {
		do()
	}
}

// insists reports whether what is in memory is a human's wish that was not saved
// yet, and goes over what others have stored.
func (s *Source) insists(epoch uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.epoch == epoch && s.ledger.pending == saveOverwrite
}

// grant returns how a new pair is published.
func (s *Source) grant(f *flight, next *session, generation int64, saveErr error) func(now dualclock.Instant) {
	draw := s.draw()
	return func(now dualclock.Instant) {
		former := s.failure
		saved := s.savedLocked(generation, saveErr, false, now)
		s.setLoginsLocked(s.loginsLocked().afterRefresh(next, now, draw))
		s.publishLocked(next, Event{Kind: EventRefreshed}, now)
		s.announceAllLocked(now, saved)
		due := next.schedule()
		if !next.brief(&due, now) {
			return
		}
		dead := due.served.PassedOnEither(now)
		s.failure = former.after(briefAnswer(dead), passing, false, 0, now, draw)
		if dead {
			f.err = s.answerLocked()
		}
		s.refreshQuietLocked(now)
	}
}

// current returns the session as it is now, unless there is none to refresh any
// more.
func (s *Source) current(f *flight) (*session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.session, s.epoch == f.epoch && !s.closed && s.session != nil && s.ended == nil
}

// pauseForSpacing keeps two refreshes of one session apart. An API's rejection
// has an interval of its own.
func (s *Source) pauseForSpacing(f *flight) error {
	now := s.watch.Now()
	s.mu.Lock()
	session, rejected := s.session, s.invalidated != notInvalidated
	s.mu.Unlock()
	if session == nil || rejected {
		return nil
	}
	return s.pause(f.ctx, session.schedule().spaced.Left(now))
}

// bring notes the pair that a flight has come back with, and reports whether it is
// wanted. After a SignOut it is not, and is signed out as well; a SignOut that comes
// before it is in use finds it.
func (s *Source) bring(f *flight, pair *ags.Token) (wanted bool) {
	s.mu.Lock()
	wanted = !f.signedOut
	marked := s.ledger == nil || s.ledger.pending != saveOverwrite
	switch {
	case wanted:
		f.brought = pair
	case !marked && s.canSignOut():
		// The mark of the sign-out is stored before the gateway is told.
		s.ledger.signOuts = s.ledger.signOuts.add(pair)
	}
	s.mu.Unlock()
	if !wanted && marked {
		_ = s.signOutAtGateway(f.whole, pair)
	}
	return wanted
}
