package tokensource

import (
	"context"
	"errors"
	"fmt"
)

// Close ends the Source: it starts nothing more, answers all who wait with
// ErrClosed, and ends a login that is under way. It waits for a refresh under way
// until that is answered and saved, as the answer may hold the only pair that is
// still good, but no longer than RefreshTimeout and StoreTimeout together. What the
// store does not have then, Close saves; it waits up to a second for the lock, and
// for the store's calls up to StoreTimeout each. The error says that something is
// still under way, which then ends by itself, or that the session could not be saved.
// What is stored stays stored. Further calls of Close wait as the first does.
func (s *Source) Close() error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		s.quiet.Store(nil)
		s.work.close()
	}
	w := s.work
	idle := w == nil || w.active == 0
	s.mu.Unlock()
	if !idle && !s.awaitLanded(w) {
		return errors.New("tokensource: closed, but a refresh or a call of the store is still under way")
	}
	if err := s.saveUnsaved(background()); err != nil {
		return fmt.Errorf("tokensource: close: the session is not saved: %w", err)
	}
	return nil
}

// awaitLanded waits until nothing is under way any more, and reports whether that was
// so in time.
func (s *Source) awaitLanded(w *work) bool {
	landed := make(chan struct{})
	go func() {
		defer close(landed)
		w.wg.Wait()
	}()
	set := s.cfg.settings()
	timer := s.watch.NewTimer(set.refreshTimeout + set.storeTimeout)
	defer timer.Stop()
	select {
	case <-landed:
		return true
	case <-timer.C():
		return false
	}
}

// saveUnsaved tries once more to save what the store does not have, after Close.
func (s *Source) saveUnsaved(ctx context.Context) error {
	epoch, leave := s.beginLastSave()
	defer leave()
	if !s.isUnsaved() {
		return nil
	}
	if err := s.takeTurn(ctx, s.cfg.settings().storeTimeout); err != nil {
		return err
	}
	defer s.leaveTurn()
	if !s.isUnsaved() {
		return nil // another call of Close has saved it
	}
	unlock, err := s.lock(ctx, lockRecheck)
	defer func() { unlock(ctx) }()
	if err != nil {
		return err
	}
	read, err := s.loadAside(ctx)
	if err != nil {
		return err
	}
	if s.adopt(epoch, read) {
		return nil
	}
	return s.saveOver(ctx, epoch, read)
}

// beginLastSave registers what Close does after everything else has landed. It has a
// work of its own: another call of Close may still wait for the former.
func (s *Source) beginLastSave() (epoch uint64, leave func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.work; w != nil && w.active == 0 && w.inner == 0 && len(w.events) == 0 {
		s.work = nil
	}
	w := s.workLocked()
	w.active++
	w.wg.Add(1)
	return s.epoch, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		w.active--
		w.wg.Done()
		s.restLocked()
	}
}

// isUnsaved reports whether there is something that a later process could use, and
// that the store does not have.
func (s *Source) isUnsaved() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ledger == nil || s.ledger.pending == saveNothing {
		return false
	}
	return s.endedLocked() == SignedOut || s.session != nil && s.ended == nil
}

// saveOver saves what is in memory over what was just read, unless that turns out not
// to be what is stored and must be kept.
func (s *Source) saveOver(ctx context.Context, epoch uint64, read *record) error {
	rec, forced := s.toSave()
	generation, newer, err := s.saveRecord(ctx, rec, forced, read, epoch)
	if newer != nil {
		return nil
	}
	now := s.watch.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.savedLocked(generation, err, forced, now)
	return err
}
