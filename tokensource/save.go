package tokensource

// savedLocked notes how a save went, and returns what is to be announced of
// it once what was saved is published.
func (s *Source) savedLocked(generation int64, err error, forced bool, now instant) []Event {
	l := s.ledger
	if l == nil {
		return nil
	}
	if err == nil {
		was := l.unsaved
		l.generation, l.unsaved, l.forced, l.saveFailures, l.outrun = generation, false, false, 0, nil
		if was {
			return []Event{{Kind: EventSaved}}
		}
		return nil
	}
	l.unsaved, l.forced = true, l.unsaved && l.forced || forced
	next := now.add(min(saveRetryInterval<<min(l.saveFailures, maxDoublings), maxSaveRetryInterval))
	l.saveAt = next.horizon()
	l.saveFailures++
	return []Event{{Kind: EventStoreFailed, Err: err, NextAt: next.wall}}
}

// flySave makes up for a save that failed.
func (s *Source) flySave(f *flight) { s.publish(f, s.saveUnderLock(f)) }

func (s *Source) saveUnderLock(f *flight) func(now instant) {
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
		return func(now instant) { s.announceAllLocked(now, s.savedLocked(0, err, false, now)) }
	}
	if s.adopt(f.epoch, read) || !s.stillDue(doSave) {
		return nil
	}
	rec, forced := s.toSave()
	if read != nil && forced {
		rec.saveOver(read)
	}
	generation, newer, err := s.commit(f.whole, rec, forced)
	if newer != nil {
		return s.adoption(newer)
	}
	return func(now instant) { s.announceAllLocked(now, s.savedLocked(generation, err, forced, now)) }
}

// toSave returns the record of what is in memory: a pair, or a tombstone.
func (s *Source) toSave() (rec *record, forced bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session == nil {
		return &record{ClientID: s.device.clientID, AccountID: s.device.accountID, SignedOutAt: s.ended.at.UTC()}, s.ledger.forced
	}
	return recordOf(s.session, 0), s.ledger.forced
}
