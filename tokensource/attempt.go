package tokensource

import (
	"errors"
	"io/fs"
	"time"
)

// noteAttempt stores that a refresh of the current pair is under way, so that
// whoever finds the note after a crash knows that the token may be spent. It
// returns the record as it is then stored. The error Is fs.ErrExist when another
// process has stored a record meanwhile, which must be loaded; any other says that
// the store does not take the note.
func (s *Source) noteAttempt(f *flight, read *record) (stored *record, err error) {
	now := s.watch.Now()
	s.mu.Lock()
	if s.epoch != f.epoch || s.session == nil {
		s.mu.Unlock()
		return read, nil
	}
	note := recordOf(s.session, s.ledger.generation)
	if read == nil || s.ledger.pending != saveNothing || read.Generation < s.ledger.generation {
		note.Generation = s.nextGenerationLocked()
	} else {
		s.heedAttemptLocked(read)
	}
	s.mu.Unlock()

	note.AttemptAt = now.Wall.Round(0).UTC()
	err = s.write(f.whole, note)
	if errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.announceLocked(now, Event{Kind: EventStoreFailed, Err: err})
		// It may have taken effect all the same: its generation is not used twice.
		return note, err
	}
	if s.epoch == f.epoch {
		s.announceAllLocked(now, s.savedLocked(note.Generation, nil, false, now))
		s.ledger.attemptAt = note.AttemptAt
	}
	return note, nil
}

// heedAttempt notes that somebody else has begun to refresh the current pair,
// and has not finished: the token may be spent.
func (s *Source) heedAttempt(epoch uint64, read *record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.epoch == epoch && read != nil && read.Generation == s.ledger.generation {
		s.heedAttemptLocked(read)
	}
}

func (s *Source) heedAttemptLocked(read *record) {
	if !read.AttemptAt.IsZero() && !read.AttemptAt.Equal(s.ledger.attemptAt) {
		s.outcomeUnknown = true
	}
}

// clearAttempt takes the note back, when the gateway has said that it did
// nothing, and no earlier attempt is in doubt. That it may fail is of no harm: a
// note that stays says less than we know, not something false.
func (s *Source) clearAttempt(f *flight, noted *record) {
	if noted == nil {
		return
	}
	s.mu.Lock()
	unknown, ours := s.outcomeUnknown, s.ledger.attemptAt
	s.mu.Unlock()
	if unknown || noted.AttemptAt.IsZero() || !noted.AttemptAt.Equal(ours) {
		return
	}
	cleared := *noted
	cleared.AttemptAt = time.Time{}
	if s.write(f.whole, &cleared) != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ledger.attemptAt.Equal(ours) {
		s.ledger.attemptAt = time.Time{} // a note that is found now is somebody else's
	}
}
