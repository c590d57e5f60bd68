package tokensource

import (
	"slices"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

// storeOperation is a kind of call of the store, as far as it can fail by itself.
type storeOperation uint8

const (
	lockOperation storeOperation = iota
	loadOperation
	saveOperation
	storeOperations
)

func (o storeOperation) String() string {
	return [...]string{"lock", "load", "save"}[o]
}

// storeTrouble notes since when an operation of the store has failed, and announces
// it when the store worked until now. A store that was last seen to have a record
// that must be left alone is not given up, however long it fails.
func (s *Source) storeTrouble(op storeOperation, cause error) error {
	err := &storeError{op.String(), cause}
	now := s.watch.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.outageLocked(op, err, now) {
		s.announceLocked(now, Event{Kind: EventStoreFailed, Err: err})
	}
	return err
}

// saveTrouble is storeTrouble for a save, which its caller announces.
func (s *Source) saveTrouble(err error) {
	now := s.watch.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outageLocked(saveOperation, err, now)
}

// outageLocked notes that an operation of the store has failed. It reports whether
// all of them worked until now.
func (s *Source) outageLocked(op storeOperation, err error, now dualclock.Instant) (first bool) {
	l := s.ledger
	first = l.outages == [storeOperations]*dualclock.Deadline{}
	switch {
	case leftAlone(err):
		l.outages[op] = new(dualclock.Never())
	case l.outages[op] == nil:
		l.outages[op] = new(now.Add(s.cfg.settings().lockTimeout).Deadline())
	}
	return first
}

// storeWorks notes that an operation of the store has succeeded.
func (s *Source) storeWorks(op storeOperation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ledger.outages[op] = nil
}

// storeAnswered notes that the store can be read, and what is wrong with what it
// has.
func (s *Source) storeAnswered(illegible error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ledger.outages[loadOperation], s.ledger.illegible = nil, illegible
}

// stillIllegible returns what was wrong with what was stored when it was last read.
func (s *Source) stillIllegible() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ledger.illegible
}

// storeGivenUp reports whether an operation of the store has failed for so long
// that the session goes on without it.
func (s *Source) storeGivenUp() bool {
	now := s.watch.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.ledger.outages[:], func(givenUpAt *dualclock.Deadline) bool {
		return givenUpAt != nil && givenUpAt.PassedOnEither(now)
	})
}
