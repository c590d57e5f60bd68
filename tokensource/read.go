package tokensource

import (
	"context"
	"errors"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

// flyRead reads the store: for the first time, or to see whether somebody has
// revived a session that has ended.
func (s *Source) flyRead(f *flight) {
	err := s.readInTurn(f)
	if err == nil || f.ctx.Err() != nil {
		return
	}
	draw, givenUp := s.draw(), s.storeGivenUp() && !s.alive() && !leftAlone(err)
	s.publish(f, func(now dualclock.Instant) { s.readFailedLocked(f, err, draw, givenUp, now) })
}

func (s *Source) readInTurn(f *flight) error {
	if err := s.takeTurn(f.ctx, s.patience()); err != nil {
		return err
	}
	defer s.leaveTurn()
	return s.readStore(f.ctx, f.whole, f.epoch)
}

// readStore reads what is stored and takes it over where it is newer. ctx bounds
// the waiting; what must not be broken off is done under values. Who calls it has
// the turn.
func (s *Source) readStore(ctx, values context.Context, epoch uint64) error {
	rec, err := s.load(ctx)
	given := err == nil && s.givenWins(rec)
	if given || errors.Is(err, errDamaged) {
		// Something is to be written, which takes the lock and another look.
		unlock, lockErr := s.lock(ctx, s.patience())
		defer func() { unlock(values) }()
		if lockErr == nil {
			rec, err = s.loadAside(ctx)
			given = err == nil && s.givenWins(rec)
		} else {
			given = false // saved later
		}
	}
	if err != nil {
		return err
	}
	if given {
		return s.saveGiven(values, rec, epoch)
	}
	if s.adopt(epoch, rec) {
		return nil
	}
	s.readNothingNew(epoch, rec)
	return nil
}

// readNothingNew notes that the store was read and had nothing for us.
func (s *Source) readNothingNew(epoch uint64, rec *record) {
	now := s.watch.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.epoch != epoch {
		return
	}
	defer s.refreshQuietLocked(now)
	if s.failure != nil && s.failure.reading {
		s.failure = nil
	}
	s.ledger.rereadAt = now.Add(rereadInterval).Deadline()
	if rec == nil && s.session != nil && s.ledger.pending == saveNothing {
		// Somebody has emptied the store. What is in memory is still good.
		s.ledger.pending, s.ledger.saveAt = saveRetry, now.Deadline()
	}
}

// givenWins reports whether the token of the Config, or what has come of it, goes
// before what is stored: at the first look only, when nothing is stored, or what
// is stored is older, or somebody else's. Of one session the generation tells which is
// older, and not the clocks of two hosts.
func (s *Source) givenWins(rec *record) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.givenWinsLocked(rec)
}

func (s *Source) givenWinsLocked(rec *record) bool {
	if !s.ledger.unread || s.session == nil {
		return false
	}
	if rec == nil {
		return true
	}
	due := s.session.schedule()
	if s.ended != nil || s.ledger.rejected != nil || endedBy(s.session, &due, s.watch.Now()) != 0 {
		return false // a session that has ended goes over nobody's
	}
	if s.descendsLocked(rec) {
		return false // a save of ours took effect though it was not answered
	}
	storedAt := rec.IssuedAt
	if rec.tombstone() {
		storedAt = rec.SignedOutAt
	}
	t := s.session.token
	return differ(t.ClientID, rec.ClientID) || differ(t.AccountID, rec.AccountID) || s.session.told && t.IssuedAt.After(storedAt)
}

// differ reports whether two identities, both known, are not the same.
func differ(a, b string) bool { return a != "" && b != "" && a != b }

// saveGiven stores the token of the Config over what was read, unless somebody
// who does not lock has stored yet another one.
func (s *Source) saveGiven(ctx context.Context, read *record, epoch uint64) error {
	s.mu.Lock()
	if s.epoch != epoch || s.session == nil {
		s.mu.Unlock()
		return nil
	}
	session := s.session
	if read != nil {
		s.ledger.generation = max(s.ledger.generation, read.Generation)
	}
	s.mu.Unlock()
	generation, newer, err := s.commit(ctx, recordOf(session, 0), false)
	if newer != nil {
		s.adopt(epoch, newer)
		return nil
	}
	now := s.watch.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.epoch != epoch {
		return nil
	}
	s.ledger.unread = false
	if s.failure != nil && s.failure.reading {
		s.failure = nil
	}
	s.announceAllLocked(now, s.savedLocked(generation, err, false, now))
	s.wakeLocked() // who waits is served without waiting for the unlock
	return nil
}

// readFailedLocked notes that the store could not be read. As long as it was
// never read that is remembered like a failed refresh: nobody can say what the
// session is. A session that we were given goes on without the store when what is
// in that cannot be read by anybody, or when it has been away for long enough.
func (s *Source) readFailedLocked(f *flight, err error, draw float64, givenUp bool, now dualclock.Instant) {
	s.ledger.rereadAt = now.Add(rereadInterval).Deadline()
	if !s.ledger.unread || s.ledger.alone {
		return
	}
	s.invalidated = s.invalidated.refreshFailed()
	if s.session != nil && (givenUp || errors.Is(err, errDamaged)) {
		s.ledger.alone, s.failure = true, nil
		s.announceAllLocked(now, s.savedLocked(0, err, false, now))
		return
	}
	s.failure = s.failure.after(err, passing, false, s.leftLocked(now), now, draw)
	s.failure.reading = true
	f.err = s.failure.unavailable()
}
