package tokensource

import (
	"context"
	"time"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

// savedLocked notes how a save went, and returns what is to be announced of
// it once what was saved is published.
func (s *Source) savedLocked(generation int64, err error, forced bool, now dualclock.Instant) []Event {
	l := s.ledger
	if l == nil {
		return nil
	}
	if err == nil {
		was := l.pending
		l.generation, l.pending, l.saveFailures, l.outrun = generation, saveNothing, 0, nil
		if was != saveNothing {
			return []Event{{Kind: EventSaved}}
		}
		return nil
	}
	l.pending = max(l.pending, saveRetry)
	if forced {
		l.pending = saveOverwrite
	}
	next := now.Add(saveRetryWait(l.saveFailures))
	l.saveAt = next.Deadline()
	l.saveFailures++
	return []Event{{Kind: EventStoreFailed, Err: err, NextAt: next.Wall}}
}

// flySave makes up for a save that failed.
func (s *Source) flySave(f *flight) { s.publish(f, s.saveUnderLock(f)) }

func (s *Source) saveUnderLock(f *flight) func(now dualclock.Instant) {
	if s.takeTurn(f.ctx, lockRecheck) != nil {
		return nil
	}
	defer s.leaveTurn()
	unlock, err := s.lock(f.ctx, lockRecheck)
	defer func() { unlock(f.whole) }()
	var read *record
	if err == nil {
		read, err = s.loadAside(f.ctx)
	}
	if err != nil {
		return func(now dualclock.Instant) { s.announceAllLocked(now, s.savedLocked(0, err, false, now)) }
	}
	if s.adopt(f.epoch, read) || !s.stillDue(doSave) {
		return nil
	}
	rec, forced := s.toSave()
	generation, newer, err := s.saveRecord(f.whole, rec, forced, read, f.epoch)
	if newer != nil {
		return s.adoption(newer)
	}
	return func(now dualclock.Instant) { s.announceAllLocked(now, s.savedLocked(generation, err, forced, now)) }
}

// saveRecord saves what toSave has returned over what was just read.
func (s *Source) saveRecord(
	ctx context.Context, rec *record, forced bool, read *record, epoch uint64,
) (generation int64, newer *record, err error) {
	if read != nil && forced {
		rec.saveOver(read)
	}
	if rec.tombstone() {
		s.replaceStored(read, epoch)
	}
	return s.commit(ctx, rec, forced)
}

// saveRetryWait returns how long to wait after one more failure than these.
func saveRetryWait(failures int) time.Duration {
	return min(saveRetryInterval<<min(failures, maxDoublings), maxSaveRetryInterval)
}

// toSave returns the record of what is in memory: a pair, or a tombstone.
func (s *Source) toSave() (rec *record, forced bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session == nil {
		return &record{ClientID: s.device.clientID, AccountID: s.device.accountID, SignedOutAt: s.ended.at.UTC()}, s.ledger.pending == saveOverwrite
	}
	return recordOf(s.session, 0), s.ledger.pending == saveOverwrite
}
