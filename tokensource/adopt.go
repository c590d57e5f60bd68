package tokensource

import "time"

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
// whether it did. What a human asked for, and is not saved yet, is not given up
// for it.
func (s *Source) adopt(intent uint64, rec *record) bool {
	if rec == nil {
		return false
	}
	take := s.adoption(rec)
	now := s.watch.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.intent != intent || rec.Generation <= s.generation || s.unsaved && s.forced {
		return false
	}
	take(now)
	return true
}

// adoption returns how a stored session is made ours, under the lock.
func (s *Source) adoption(rec *record) func(now instant) {
	draw := s.draw()
	return func(now instant) {
		s.unread, s.unsaved, s.generation = false, false, rec.Generation
		if rec.tombstone() {
			s.session, s.clientID, s.accountID = nil, rec.ClientID, rec.AccountID
			s.ended = 0
			s.endLocked(SignedOut, nil, now)
			s.rereadAt = horizon(now.add(rereadInterval))
			return
		}
		a := arrival{token: rec.token(), from: handedIn, at: now, startedAt: rec.StartedAt, draw: draw}
		s.publishLocked(newSession(a, &s.set), Event{Kind: EventAdopted}, now)
	}
}
