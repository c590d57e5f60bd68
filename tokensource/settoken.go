package tokensource

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/agsauth/agsauth/ags"
)

// SetToken hands in a session: after a human has signed on, say. It replaces
// whatever there was, ended or not, and overtakes a refresh or login under way.
// With a Store it is saved first, as a new generation; SetToken waits for its turn
// in this process, for LockTimeout at most, as long again for the lock, and for the
// store's calls; the end of ctx ends these waits. An error says that the token could
// not be saved: it is in use all the same, and is saved later. Only with [ErrClosed],
// with a token that has no access token, and when another SetToken or SignOut came
// after this one, is it not in use.
func (s *Source) SetToken(ctx context.Context, t *ags.Token) error {
	if t == nil || t.AccessToken.IsZero() {
		return errors.New("tokensource: SetToken: no access token")
	}
	if s.inLogin(ctx) {
		return errInLogin
	}
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	defer s.deliver(ctx)
	f, former := s.overtake(ctx)
	defer s.land(f)
	epoch := f.epoch
	next := s.handedInSession(t, former)
	generation, saveErr := int64(0), error(nil)
	if s.cfg.Store != nil {
		rec := recordOf(next, 0)
		var leave func()
		generation, leave, saveErr = s.saveAtWill(ctx, rec, epoch)
		// Not before the token is published: who has the turn next adopts it else.
		defer leave()
		next = s.handedInSession(t, device{rec.ClientID, rec.AccountID})
	}
	now := s.watch.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed && saveErr != nil:
		return ErrClosed
	case s.epoch != epoch:
		return errSuperseded
	}
	s.abandonLocked(errSuperseded) // what was begun meanwhile was for the former session
	if s.ledger != nil {
		s.ledger.unread = false
	}
	s.outrunLocked(s.session)
	saved := s.savedLocked(generation, saveErr, true, now)
	s.publishLocked(next, Event{Kind: EventTokenSet}, now)
	s.announceAllLocked(now, saved)
	s.wakeLocked()
	if saveErr != nil {
		return fmt.Errorf("tokensource: set token: it is in use, but not saved: %w", saveErr)
	}
	return nil
}

// overtake gives up on what is under way for the former session, and returns the
// identity that the next one inherits. The flight is that of the SetToken itself:
// as long as it is in the air nothing is begun for the former session any more, a
// Login least of all.
func (s *Source) overtake(ctx context.Context) (f *flight, former device) {
	s.mu.Lock()
	defer s.mu.Unlock()
	overtook := s.flightLocked()
	s.abandonLocked(errSuperseded)
	f = s.takeOffLocked(ctx, doSave)
	f.overtook = overtook
	return f, s.device
}

// saveAtWill saves what a human asked for over whatever is stored, unless a later
// wish has come in between. An identity that rec does not tell is filled in from
// what was stored. The turn, if it was had, is kept until leave is called.
func (s *Source) saveAtWill(ctx context.Context, rec *record, epoch uint64) (generation int64, leave func(), err error) {
	if err := s.takeTurn(ctx, s.cfg.settings().lockTimeout); err != nil {
		return 0, func() {}, err
	}
	leave = s.leaveTurn
	values := context.WithoutCancel(ctx)
	unlock, err := s.lock(ctx, s.cfg.settings().lockTimeout)
	defer func() { unlock(values) }()
	if err != nil {
		return 0, leave, err
	}
	read, err := s.loadAside(ctx)
	if err != nil {
		return 0, leave, err
	}
	if s.overtaken(epoch) {
		return 0, leave, errSuperseded
	}
	if read != nil {
		rec.saveOver(read)
	}
	generation, _, err = s.commit(values, rec, true)
	return generation, leave, err
}

// handedInSession makes a session of a token that the user handed in, which goes on
// with what is known of the device.
func (s *Source) handedInSession(t *ags.Token, former device) *session {
	given := *t
	given.ClientID = cmp.Or(given.ClientID, former.clientID)
	given.AccountID = cmp.Or(given.AccountID, former.accountID)
	return s.newSession(arrival{token: &given, from: handedIn, at: s.watch.Now(), draw: s.draw()})
}
