package tokensource

import (
	"context"
	"errors"
)

// flyRead reads the store: for the first time, or to see whether somebody has
// revived a session that has ended.
func (s *Source) flyRead(f *flight) {
	err := s.readInTurn(f)
	if err == nil || f.ctx.Err() != nil {
		return
	}
	draw, givenUp := s.draw(), s.storeGivenUp() && !s.alive()
	s.publish(f, func(now instant) { s.readFailedLocked(f, err, draw, givenUp, now) })
}

func (s *Source) readInTurn(f *flight) error {
	if err := s.takeTurn(f.ctx, s.patience()); err != nil {
		return err
	}
	defer s.leaveTurn()
	return s.readStore(f.ctx, f.whole, f.intent)
}

// readStore reads what is stored and takes it over where it is newer. ctx bounds
// the waiting; what must not be broken off is done under values. Who calls it has
// the turn.
func (s *Source) readStore(ctx, values context.Context, intent uint64) error {
	rec, err := s.load(ctx)
	if errors.Is(err, errDamaged) || err == nil && s.givenWins(rec) {
		// Something is to be written, which takes the lock and another look.
		unlock, lockErr := s.lock(ctx, s.patience())
		defer func() { unlock(values) }()
		if lockErr == nil {
			rec, err = s.loadAside(ctx)
		} else if err != nil {
			err = lockErr
		}
	}
	if err != nil {
		return err
	}
	if s.givenWins(rec) {
		return s.saveGiven(values, rec, intent)
	}
	if s.adopt(intent, rec) {
		return nil
	}
	now := s.watch.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.intent != intent {
		return nil
	}
	s.unread, s.failure = false, s.readFailureLocked()
	s.rereadAt = horizon(now.add(rereadInterval))
	if rec == nil && s.session != nil && !s.unsaved {
		// Somebody has emptied the store. What is in memory is still good.
		s.unsaved, s.saveAt = true, horizon(now)
	}
	return nil
}

// givenWins reports whether the token of the Config goes before what is stored:
// at the first look only, when nothing is stored, or what is stored is older, or
// somebody else's.
func (s *Source) givenWins(rec *record) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.unread || s.session == nil {
		return false
	}
	if rec == nil {
		return true
	}
	given := s.session.token
	storedAt := rec.IssuedAt
	if rec.tombstone() {
		storedAt = rec.SignedOutAt
	}
	return differ(given.ClientID, rec.ClientID) || differ(given.AccountID, rec.AccountID) ||
		s.cfg.Token.IssuedAt.After(storedAt)
}

// differ reports whether two identities, both known, are not the same.
func differ(a, b string) bool { return a != "" && b != "" && a != b }

// saveGiven stores the token of the Config over what was read.
func (s *Source) saveGiven(ctx context.Context, read *record, intent uint64) error {
	s.mu.Lock()
	session := s.session
	s.mu.Unlock()
	generation, _, err := s.commit(ctx, recordOf(session, 0), read, true)
	now := s.watch.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.intent != intent {
		return nil
	}
	s.unread, s.failure = false, failure{}
	s.savedLocked(generation, err, true, now)
	return nil
}

// readFailedLocked takes down that the store could not be read. As long as it was
// never read that is remembered like a failed refresh: nobody can say what the
// session is. A session that we know of goes on without the store, once that has
// been away for long enough.
func (s *Source) readFailedLocked(f *flight, err error, draw float64, givenUp bool, now instant) {
	s.rereadAt = horizon(now.add(rereadInterval))
	if !s.unread {
		return
	}
	if s.session != nil && givenUp && !errors.Is(err, errNewer) {
		s.unread = false
		return
	}
	s.failure = s.failure.after(err, passing, false, s.leftLocked(now), now, draw)
	f.err = &UnavailableError{NextAt: s.failure.nextAt, Err: err}
}

// readFailureLocked returns what is left of the remembered failure now that the
// store was read: one that was about reading it is forgotten.
func (s *Source) readFailureLocked() failure {
	if s.unread {
		return failure{}
	}
	return s.failure
}
