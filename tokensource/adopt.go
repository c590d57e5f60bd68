package tokensource

import (
	"crypto/sha256"
	"slices"
	"time"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

// The numbers of the use of a store.
const (
	// lockRecheck is how long a refresh that nobody waits for yet waits for the
	// lock, before it looks at what its holder has stored.
	lockRecheck = time.Second
	// rereadInterval is how often an ended session looks whether it was revived.
	rereadInterval = time.Second
	// maxUnlockedWait keeps apart those who refresh without the lock.
	maxUnlockedWait = 2 * time.Second

	saveRetryInterval    = time.Second
	maxSaveRetryInterval = time.Minute
)

// adopt takes over the stored session if it is newer than ours, and reports
// whether it did. rec is what was just loaded, nil for nothing. What a human asked
// for, and is not saved yet, is not given up for it; nor, at the first look, is a
// token of the Config that goes before it.
func (s *Source) adopt(epoch uint64, rec *record) bool {
	take := s.adoption(rec)
	now := s.watch.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.epoch != epoch {
		return false
	}
	defer s.refreshQuietLocked(now) // there may be something to serve, now that it is known what is stored
	if s.givenWinsLocked(rec) {
		s.ledger.unread, s.ledger.pending = false, max(s.ledger.pending, saveRetry)
		if rec != nil {
			s.ledger.generation = max(s.ledger.generation, rec.Generation)
		}
		return false
	}
	s.ledger.unread = false
	if rec == nil || rec.Generation <= s.ledger.generation || s.ledger.pending == saveOverwrite && !s.descendsLocked(rec) {
		return false
	}
	if s.session != nil && rec.AccessToken == s.session.accessToken() && !rec.tombstone() {
		// Our own pair: a save took effect though it was not answered.
		s.announceAllLocked(now, s.savedLocked(rec.Generation, nil, false, now))
		return false
	}
	if s.outranLocked(rec) {
		return false
	}
	take(now)
	s.wakeLocked() // who waits is served without waiting for the unlock
	return true
}

// outrunLocked notes that there is something after a pair, which is not saved yet.
// Found in the store, because a neighbour did not know, or a save of ours took effect
// though it was not answered, the pair is no news.
func (s *Source) outrunLocked(former *session) {
	if s.ledger != nil && former != nil {
		s.ledger.outrun = append(s.ledger.outrun, fingerprint(former.accessToken()))
	}
}

// outranLocked reports whether a record is of such a pair, whatever its generation.
func (s *Source) outranLocked(rec *record) bool {
	return slices.Contains(s.ledger.outrun, fingerprint(rec.AccessToken))
}

// fingerprint stands for a token that is kept only to be known again.
func fingerprint(token string) [sha256.Size]byte { return sha256.Sum256([]byte(token)) }

// descendsLocked reports whether a record is of the very session in memory: what
// a neighbour has made of a pair whose save took effect though it was not answered.
func (s *Source) descendsLocked(rec *record) bool {
	return s.session != nil && dualclock.UnixNanoOf(rec.StartedAt) == s.session.startedAt &&
		!differ(rec.ClientID, s.session.token.ClientID) && !differ(rec.AccountID, s.session.token.AccountID)
}

// adoption returns how a stored session is made ours, under the lock.
func (s *Source) adoption(rec *record) func(now dualclock.Instant) {
	draw := s.draw()
	return func(now dualclock.Instant) {
		s.ledger.unread, s.ledger.pending, s.ledger.generation, s.ledger.outrun = false, saveNothing, rec.Generation, nil
		if rec.tombstone() {
			s.session, s.device = nil, device{rec.ClientID, rec.AccountID}
			s.invalidated, s.failure = notInvalidated, nil
			s.endLocked(SignedOut, nil, now)
			s.ledger.rereadAt = now.Add(rereadInterval).Deadline()
			return
		}
		a := arrival{token: rec.token(), from: handedIn, at: now, startedAt: rec.StartedAt, draw: draw}
		s.publishLocked(s.newSession(a), Event{Kind: EventAdopted}, now)
	}
}
